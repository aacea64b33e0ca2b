//! Why no node takes a pod: the scheduler's words, in plain ones.

use super::Patience::{Place, Start};
use super::{Fault, between};
use crate::model::resources::Resources;

/// What the scheduler says of some nodes, in words that follow a number of nodes, and what to do.
const REASONS: [(&str, &str, &str); 11] = [
    ("didn't match Pod's node affinity", "without the labels that node_selector= or affinity= ask for", "compare with the nodes' labels: kubectl get nodes --show-labels"),
    ("didn't match PersistentVolume's node affinity", "away from its volume", "the volume is bound to certain nodes: ask for a place there, or use another claim"),
    ("had volume node affinity conflict", "away from its volume", "the volume is bound to certain nodes: ask for a place there, or use another claim"),
    ("were unschedulable", "closed for new pods", "somebody closed them (kubectl cordon): wait, or ask who did"),
    ("Too many pods", "with as many pods as they may have", "wait for others to end"),
    ("didn't have free ports", "with its host port in use", "leave hostPort out of pod_template="),
    ("didn't find available persistent volumes", "without a volume for its claim", "see kubectl describe pvc"),
    ("anti-affinity", "kept apart from it by anti-affinity", "look at affinity="),
    ("pod affinity", "without the pods that affinity= asks for", "look at affinity="),
    ("topology spread", "that a topology spread constraint leaves out", "look at pod_template="),
    ("", "", "kubectl describe pod shows more"),
];

/// The fault of a pod that has no node. `message` is that of its condition `PodScheduled`.
pub fn unschedulable(message: &str, asked: &Resources) -> Fault {
    let Some((nodes, reasons)) = parts(message) else { return claim(message) };
    let mut cures: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for (count, said) in &reasons {
        let (word, cure) = explain(said, asked);
        words.push(format!("{count} of {nodes} {word}"));
        if !cures.contains(&cure) {
            cures.push(cure);
        }
    }
    if words.is_empty() {
        return claim(message);
    }
    Fault::new("Unschedulable", format!("no node takes it: {}", words.join(", ")), cures.join("; "), Place)
}

/// How many nodes there are, and what is said of how many of them: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had …. preemption: …`.
fn parts(message: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (nodes, rest) = message.strip_prefix("0/")?.split_once(" nodes are available")?;
    let rest = rest.strip_prefix(": ").unwrap_or_default();
    // What follows is about other ways: preemption, claims to deallocate.
    let said = [". preemption:", ". no new claims"].iter().filter_map(|end| rest.find(end)).min().map_or(rest, |end| &rest[..end]);
    let items = said.trim_end_matches('.').split(", ").filter_map(|item| item.split_once(' ')).filter(|(count, _)| count.parse::<u32>().is_ok());
    Some((nodes, items.collect()))
}

fn explain(said: &str, asked: &Resources) -> (String, String) {
    if let Some(resource) = said.strip_prefix("Insufficient ") {
        let (field, amount) = match resource {
            "cpu" => ("cpu", &asked.cpu),
            "memory" => ("mem", &asked.mem),
            "ephemeral-storage" => ("disk", &asked.disk),
            _ => ("gpu", &asked.gpu),
        };
        let of = amount.as_ref().map(|amount| format!(" for the {amount} that it asks for")).unwrap_or_default();
        return (format!("with too little {resource} left{of}"), format!("wait for others to end, or ask for less: resources={{\"{field}\": …}}"));
    }
    if let Some(taint) = between(said, "untolerated taint {", "}") {
        let (key, value) = taint.split_once(": ").unwrap_or((taint, ""));
        let taint = if value.is_empty() { key.trim_end_matches(':').to_owned() } else { format!("{key}={value}") };
        let value = if value.is_empty() { "\"operator\": \"Exists\"".to_owned() } else { format!("\"value\": \"{value}\"") };
        let key = key.trim_end_matches(':');
        return (format!("with the taint {taint}, which it does not tolerate"), format!("if it may run there, give tolerations=[{{\"key\": \"{key}\", {value}}}]"));
    }
    let known = REASONS.iter().find(|(part, ..)| said.contains(part)).filter(|(part, ..)| !part.is_empty());
    known.map_or_else(|| (said.to_owned(), REASONS[REASONS.len() - 1].2.to_owned()), |(_, word, cure)| ((*word).to_owned(), (*cure).to_owned()))
}

/// What is not about nodes: volumes that are not there.
fn claim(message: &str) -> Fault {
    // `0/1 nodes are available: persistentvolumeclaim "data" not found. not found`
    if let Some(name) = between(message, "persistentvolumeclaim \"", "\"") {
        if message.contains("not found") {
            return Fault::new("FailedMount", format!("there is no volume claim {name}"), "make the claim, or correct its name in volumes=: kubectl get pvc", Start);
        }
        return Fault::new("FailedMount", format!("its volume claim {name} cannot be used: {message}"), "see kubectl describe pvc", Start);
    }
    if message.contains("unbound immediate PersistentVolumeClaims") {
        return Fault::new("FailedMount", "its volume claim has no volume yet", "see kubectl describe pvc: the storage class may be missing or full", Place);
    }
    if message.contains("scheduling gates") {
        return Fault::new("Unschedulable", "a scheduling gate holds it back", "who put the gate there opens it", Place);
    }
    Fault::new("Unschedulable", format!("no node takes it: {message}"), "kubectl describe pod shows more", Place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedulers_words_in_plain_ones() {
        const PREEMPTION: &str = "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
        let asked = Resources { cpu: Some("64".into()), ..Resources::default() };
        for (said, words, cure) in [
            ("0/1 nodes are available: 1 Insufficient cpu.", "1 of 1 with too little cpu left for the 64 that it asks for", "\"cpu\""),
            ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "3 of 3 with too little nvidia.com/gpu left", "\"gpu\""),
            (
                "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}, 2 node(s) didn't match Pod's node affinity/selector.",
                "1 of 3 with the taint dedicated=gpu, which it does not tolerate, 2 of 3 without the labels that node_selector= or affinity= ask for",
                "tolerations=[{\"key\": \"dedicated\", \"value\": \"gpu\"}]",
            ),
            (
                "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
                "1 of 1 with the taint node.kubernetes.io/not-ready, which it does not tolerate",
                "\"operator\": \"Exists\"",
            ),
            ("0/2 nodes are available: 2 node(s) were unschedulable.", "2 of 2 closed for new pods", "cordon"),
            ("0/2 nodes are available: 1 Too many pods, 1 something new.", "1 of 2 with as many pods as they may have, 1 of 2 something new", "describe pod"),
        ] {
            for message in [said.to_owned(), format!("{said} {PREEMPTION}")] {
                let fault = unschedulable(&message, &asked);
                assert_eq!(fault.message, format!("no node takes it: {words}"));
                assert!(fault.cure.contains(cure) && fault.cause == "Unschedulable" && fault.patience == Place, "{fault:?}");
            }
        }
    }

    #[test]
    fn volumes_that_are_missing() {
        for (said, words, patience) in [
            ("0/1 nodes are available: persistentvolumeclaim \"absent\" not found. not found", "there is no volume claim absent", Start),
            ("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found", "its volume claim has no volume yet", Place),
        ] {
            let fault = unschedulable(said, &Resources::default());
            assert_eq!((fault.cause, fault.message.as_str(), fault.patience), ("FailedMount", words, patience));
        }
    }
}
