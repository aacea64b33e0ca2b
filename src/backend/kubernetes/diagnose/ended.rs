//! How a pod or a Job ended that says nothing itself, in words.

use super::failure;
use super::waiting::cannot_start;
use crate::backend::kubernetes::name::MAIN;
use crate::backend::kubernetes::seen::{ContainerEnd, JobEnd, SeenPod};
use crate::backend::kubernetes::watch::{Notice, Sight};
use crate::model::event::End;
use crate::model::run::Failure;
use crate::model::state::State;

/// How many of the newest events are kept as evidence.
const EVENTS: usize = 5;
const AGAIN: &str = "start it again with run.reproduce()";
const MEMORY: &str = "give it more memory, resources={\"mem\": …}, or let it have more by itself: recover={\"out_of_memory\": {\"factor\": 2, \"limit\": …}}";

/// Why the cluster took a pod away, by the reason of its condition `DisruptionTarget`: the cause, in words, and what to do.
const DISRUPTED: [(&str, &str, &str, &str); 7] = [
    (
        "PreemptionByScheduler",
        "Preempted",
        "it was preempted: a pod of higher priority took its place",
        "give it a priority_class= that others do not push out, or leave it to be started anew",
    ),
    ("EvictionByEvictionAPI", "Evicted", "it was evicted, as when a node is emptied (kubectl drain)", AGAIN),
    ("TerminationByKubelet", "Evicted", "its node was short of something and ended it", "ask for what it uses (resources=), so that the node keeps room for it"),
    ("DeletionByTaintManager", "NodeLost", "its node is not well, or is closed to it (a taint without a toleration)", AGAIN),
    ("DeletionByPodGC", "NodeLost", "its node is gone", AGAIN),
    ("DeviceTaintManager", "NodeLost", "a device of its node is closed to it", AGAIN),
    ("", "Evicted", "the cluster took it away", AGAIN),
];

/// What the kubelet says when it evicts, and what to do.
const EVICTED: [(&str, &str); 4] = [
    ("ephemeral", "it wrote more than it asked for: resources={\"disk\": …}; large data belongs into a volume (volumes=)"),
    ("EmptyDir", "it wrote more into the volume than its size_limit: raise it in volumes="),
    ("memory", "ask for the memory that it uses, resources={\"mem\": …}, so that the node keeps room for it"),
    ("", "ask for what it uses (resources=), so that the node keeps room for it"),
];

/// Signals by number, as far as programs are ended by them.
const SIGNALS: [(i32, &str, &str); 9] = [
    (1, "SIGHUP", AGAIN),
    (2, "SIGINT", AGAIN),
    (4, "SIGILL", "a library of the image may be made for another processor"),
    (6, "SIGABRT", "the program gave up by itself: its log says why"),
    (7, "SIGBUS", "shared memory may be too small (/dev/shm): mount an empty_dir with medium \"Memory\" there"),
    (8, "SIGFPE", "look at its log"),
    (9, "SIGKILL", "somebody with rights on the node killed it, or memory ran out there: resources={\"mem\": …}"),
    (11, "SIGSEGV", "a library written in C failed: look at its log, and at the versions in the image"),
    (15, "SIGTERM", "somebody deleted its pod, or its node shut down: start it again with run.reproduce()"),
];

/// What a pod that the cluster took away was taken for. None where it was not.
pub fn disrupted(pod: &SeenPod) -> Option<Failure> {
    if let Some((reason, message)) = &pod.disrupted {
        let (_, cause, words, cure) = DISRUPTED.iter().find(|(of, ..)| reason == of).unwrap_or(&DISRUPTED[DISRUPTED.len() - 1]);
        let said = pod.message.as_deref().filter(|_| *cause == "Evicted").unwrap_or(message);
        let cure = if reason == "TerminationByKubelet" { evicted_cure(said) } else { *cure };
        return Some(failure(cause, format!("{words} ({reason}: {})", said.trim().trim_end_matches('.')), cure));
    }
    let (reason, message) = (pod.reason.as_deref()?, pod.message.as_deref().unwrap_or_default().trim().trim_end_matches('.'));
    match reason {
        "Evicted" => Some(failure("Evicted", format!("it was evicted: {message}"), evicted_cure(message))),
        "NodeLost" | "NodeAffinity" | "NodeShutdown" | "Shutdown" | "Terminated" => Some(failure("NodeLost", format!("its node is gone ({reason}): {message}"), AGAIN)),
        _ => None,
    }
}

fn evicted_cure(message: &str) -> &'static str {
    EVICTED.iter().find(|(part, _)| message.contains(part)).map_or(AGAIN, |(_, cure)| cure)
}

/// The end of a run whose pod ended without a word of the runner's, or whose Job ended without a pod.
pub fn found(sight: &Sight, pod: Option<&SeenPod>, end: Option<&JobEnd>) -> End {
    let time = end.map_or(0.0, |end| end.time);
    let main = pod.and_then(|pod| pod.container(MAIN)?.ended.as_ref());
    let mut failure = match (end, pod) {
        (Some(end), _) if end.reason == "DeadlineExceeded" => failure("Timeout", "it took longer than the time that its Job may take", "give it more time with timeout="),
        (_, Some(pod)) => of_pod(pod, main),
        (end, None) => of_job(end),
    };
    failure.exit_code = main.map(|main| main.code.into());
    failure.signal = main.and_then(signal).map(|(_, name, _)| name.into());
    evidence(&mut failure, sight, pod);
    let (started, finished) = (main.and_then(|main| main.started).filter(|started| *started > 0.0), main.and_then(|main| main.finished));
    End {
        started,
        seconds: started.zip(finished).map(|(started, finished)| finished - started),
        exit_code: failure.exit_code,
        signal: failure.signal.clone(),
        attempts: u32::from(started.is_some()),
        error: Some(failure),
        ..End::at(State::Error, finished.unwrap_or(time).max(time))
    }
}

/// Where it was, and what was said about it last.
pub fn evidence(failure: &mut Failure, sight: &Sight, pod: Option<&SeenPod>) {
    if let Some(pod) = pod {
        failure.attributes.insert("pod".into(), pod.name.clone().into());
        failure.attributes.insert("node".into(), pod.node.clone().into());
    }
    let job = sight.job.as_ref().map_or("", |job| job.name.as_str());
    let about = |name: &String| name == job || pod.is_some_and(|pod| pod.name == *name);
    let mut notices: Vec<&Notice> = sight.notices.iter().filter(|(name, _)| about(name)).flat_map(|(_, notices)| notices).filter(|notice| notice.warning).collect();
    notices.sort_by(|a, b| b.time.total_cmp(&a.time));
    notices.truncate(EVENTS);
    let events: Vec<String> = notices.into_iter().rev().map(|notice| format!("{}: {}", notice.reason, notice.message)).collect();
    if !events.is_empty() {
        failure.attributes.insert("events".into(), events.into());
    }
}

fn of_pod(pod: &SeenPod, main: Option<&ContainerEnd>) -> Failure {
    if let Some(failure) = disrupted(pod) {
        return failure;
    }
    if pod.reason.as_deref() == Some("DeadlineExceeded") {
        return failure("Timeout", "it took longer than its timeout", "give it more time with timeout=");
    }
    if let Some(reason) = &pod.reason {
        return failure("PodFailed", format!("its pod failed ({reason}): {}", pod.message.as_deref().unwrap_or_default()), "see what it says");
    }
    let Some(ended) = main else { return before_main(pod) };
    let by_signal = signal(ended);
    match (ended.reason.as_str(), ended.code, by_signal) {
        ("OOMKilled", ..) => failure("OutOfMemory", "it was killed for using more memory than it may (OOMKilled)", MEMORY),
        ("ContainerCannotRun" | "StartError" | "CreateContainerError", ..) => {
            let known = pod.container(MAIN).and_then(|main| cannot_start(main, &ended.message));
            known.map_or_else(|| failure("ContainerNotStarted", format!("its container cannot be started: {}", ended.message), "see what it says"), |fault| fault.failure())
        }
        ("ContainerStatusUnknown", ..) => failure("NodeLost", "its node cannot say any more how it ended", AGAIN),
        (_, _, Some((9 | 15, ..))) if pod.gone || pod.deleting => deleted_pod(),
        (_, _, Some((number, name, cure))) => failure("Signal", format!("it was ended by {name} (signal {number}, exit code {})", ended.code), cure),
        (_, 126, _) => failure("ExitCode", "it ended with exit code 126: a command was found that cannot be executed", "check its rights and its first line (#!)"),
        (_, 127, _) => failure("ExitCode", "it ended with exit code 127: a command was not found in the image", "correct the command, or use an image that has it"),
        (_, code, _) => failure("ExitCode", format!("it ended with exit code {code} {}", ended.message).trim().to_owned(), "look at its log: run.logs()"),
    }
}

/// The signal that ended a container: shells and runtimes give 128 and its number as the exit code.
fn signal(ended: &ContainerEnd) -> Option<(i32, &'static str, &'static str)> {
    let number = ended.signal.filter(|number| *number > 0).unwrap_or(ended.code - 128);
    SIGNALS.iter().find(|(known, ..)| *known == number).copied()
}

/// A container before the main one failed, or the pod was deleted.
fn before_main(pod: &SeenPod) -> Failure {
    let failed = pod.containers.iter().find_map(|container| Some((container, container.ended.as_ref().filter(|ended| container.init && ended.code != 0)?)));
    if let Some((container, ended)) = failed {
        let cause = if ended.reason == "OOMKilled" { "OutOfMemory" } else { "ExitCode" };
        return failure(cause, format!("its container {} before it ended with exit code {} ({})", container.name, ended.code, ended.reason), "look at its log: run.logs()");
    }
    if pod.gone || pod.deleting {
        return deleted_pod();
    }
    failure("PodFailed", "its pod ended before the code began", "look at the pod's events: kubectl describe pod")
}

fn deleted_pod() -> Failure {
    failure("PodDeleted", "its pod was deleted by somebody", AGAIN)
}

fn of_job(end: Option<&JobEnd>) -> Failure {
    match end {
        None => failure("JobFailed", "its Job failed", "look at it: kubectl describe job"),
        Some(end) => failure("JobFailed", format!("its Job failed ({}): {}", end.reason, end.message), "look at it: kubectl describe job"),
    }
}

/// The end of a run whose Job is gone. `terminating`: what the namespace says where it is being deleted.
pub fn deleted(terminating: Option<&str>, time: f64) -> End {
    match terminating {
        Some(said) => End::found("NamespaceTerminating", &format!("its namespace was deleted, and it with it: {said}"), "use another namespace (namespace=)", time),
        None => End::found("JobDeleted", "its Job was deleted from outside, or was kept longer than its time, before its end was seen", AGAIN, time),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(mut status: Value, ended: Option<Value>) -> SeenPod {
        if let Some(ended) = ended {
            status["containerStatuses"] = json!([{"name": "main", "image": "x:1", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": ended}}]);
        }
        let pod = json!({
            "metadata": {"name": "rw-1-x", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "rw-1", "uid": "u", "controller": true}]},
            "spec": {"containers": [], "nodeName": "n"},
            "status": status,
        });
        SeenPod::of(&serde_json::from_value(pod).expect("a pod")).expect("of a job")
    }

    fn of(status: Value, ended: Option<Value>) -> Failure {
        found(&Sight::default(), Some(&pod(status, ended)), None).error.expect("an error")
    }

    #[test]
    fn how_a_container_ended() {
        for (reason, code, message, cause, part) in [
            ("OOMKilled", 137, "", "OutOfMemory", "more memory than it may"),
            ("Error", 137, "", "Signal", "SIGKILL"),
            ("Error", 139, "", "Signal", "SIGSEGV (signal 11, exit code 139)"),
            ("Error", 3, "", "ExitCode", "exit code 3"),
            ("Error", 127, "", "ExitCode", "a command was not found"),
            (
                "StartError",
                128,
                "runc create failed: unable to start container process: exec: \"/nothing\": stat /nothing: no such file or directory: unknown",
                "ContainerNotStarted",
                "/nothing is not in the image x:1",
            ),
            ("ContainerStatusUnknown", 137, "", "NodeLost", "its node"),
        ] {
            let ended = json!({"exitCode": code, "reason": reason, "message": message, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z"});
            let failure = of(json!({"phase": "Failed"}), Some(ended));
            assert_eq!((failure.cause.as_str(), failure.exit_code), (cause, Some(code)), "{failure:?}");
            assert!(failure.message.contains(part), "{failure:?}");
            assert_eq!((failure.attributes["pod"].as_str(), failure.attributes["node"].as_str()), (Some("rw-1-x"), Some("n")));
        }
    }

    #[test]
    fn what_the_cluster_took_away() {
        let condition =
            |reason: &str, message: &str| json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}]});
        for (status, cause, part) in [
            (condition("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"), "Preempted", "a pod of higher priority"),
            (condition("EvictionByEvictionAPI", "Eviction API: evicting"), "Evicted", "kubectl drain"),
            (condition("DeletionByPodGC", "PodGC: node no longer exists"), "NodeLost", "node no longer exists"),
            (condition("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"), "NodeLost", "taint"),
            (json!({"phase": "Failed", "reason": "Evicted", "message": "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. "}), "Evicted", "5Mi"),
        ] {
            let failure = of(status, None);
            assert_eq!(failure.cause, cause);
            assert!(failure.message.contains(part), "{failure:?}");
        }
        let disk = of(json!({"phase": "Failed", "reason": "Evicted", "message": "Pod ephemeral local storage usage exceeds the total limit"}), None);
        assert!(disk.cure.is_some_and(|cure| cure.contains("\"disk\"")));
    }

    #[test]
    fn how_a_job_ended() {
        let end = |reason: &str| JobEnd { complete: false, reason: reason.into(), message: "its words".into(), time: 7.0 };
        let cause = |end: &JobEnd| found(&Sight::default(), None, Some(end)).error.expect("an error").cause;
        assert_eq!(cause(&end("DeadlineExceeded")), "Timeout");
        assert_eq!(cause(&end("BackoffLimitExceeded")), "JobFailed");
        let late = pod(json!({"phase": "Failed", "reason": "DeadlineExceeded"}), Some(json!({"exitCode": 143, "reason": "Error"})));
        assert_eq!(found(&Sight::default(), Some(&late), Some(&end("BackoffLimitExceeded"))).error.expect("an error").cause, "Timeout");
        let stopped = pod(json!({"phase": "Failed"}), Some(json!({"exitCode": 143, "reason": "Error"})));
        assert_eq!(found(&Sight::default(), Some(&stopped), Some(&end("DeadlineExceeded"))).error.expect("an error").cause, "Timeout");
    }
}
