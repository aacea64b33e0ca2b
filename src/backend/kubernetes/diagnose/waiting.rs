//! What keeps a run from beginning: its pod is not made, finds no node, or cannot be started there.

use super::Patience::{None as Never, Place, Start};
use super::{Fault, image, refused, schedule};
use crate::backend::kubernetes::name::{MAIN, RESULTS};
use crate::backend::kubernetes::seen::{SeenContainer, SeenPod};
use crate::backend::kubernetes::watch::Sight;
use crate::model::resources::Resources;

/// Events that say why a pod that has a node does not start there, and what to do.
const ON_THE_NODE: [(&str, &str, &str); 5] = [
    ("FailedMount", "FailedMount", "make what the volume is of, or correct its name in volumes="),
    ("FailedMapVolume", "FailedMount", "see kubectl describe pvc"),
    ("FailedAttachVolume", "FailedMount", "see kubectl describe pvc; another node may still hold the volume"),
    ("FailedCreatePodSandBox", "ContainerNotStarted", "the node's network or runtime is not well: ask the cluster's administrators"),
    ("NetworkNotReady", "ContainerNotStarted", "the node's network is not well: ask the cluster's administrators"),
];

/// What a run waits for that should not be. `pod`: its newest. None while all is as usual.
pub fn fault(sight: &Sight, pod: Option<&SeenPod>, asked: &Resources) -> Option<Fault> {
    let open = pod.filter(|pod| !pod.has_ended());
    let Some(pod) = open else { return without_pod(sight) };
    if let Some(message) = &pod.unschedulable {
        return Some(schedule::unschedulable(message, asked));
    }
    if pod.container(MAIN).is_some_and(|main| main.running.is_some() || main.ended.is_some()) {
        return None;
    }
    pod.containers.iter().find_map(container).or_else(|| on_the_node(sight, pod))
}

/// The Job, or what else makes pods, is there; a pod of it is not.
fn without_pod(sight: &Sight) -> Option<Fault> {
    if let Some(job) = sight.job.as_ref().filter(|job| job.suspended) {
        // It waits for others' results, or was told to end: that is as usual.
        if job.waits || job.stopped.is_some() || job.given_up.is_some() || !job.stopped_indexes.is_empty() {
            return None;
        }
        return Some(match &job.queue {
            Some(queue) => Fault::new("Queued", format!("the queue {queue} has not let it begin yet"), "wait, or use another queue=: kubectl get workloads", Place),
            None => Fault::new(
                "Suspended",
                "somebody has suspended its Job, and nothing of it executes".to_owned(),
                "let it go on (kubectl patch job … -p '{\"spec\": {\"suspend\": false}}'), or stop it: run.stop()",
                Place,
            ),
        });
    }
    let last = |reason: &str| sight.notices.values().flatten().filter(|notice| notice.reason == reason).max_by(|a, b| a.time.total_cmp(&b.time));
    let failed = last("FailedCreate")?;
    if last("SuccessfulCreate").is_some_and(|made| made.time > failed.time) {
        return None;
    }
    Some(refused::pod(&failed.message))
}

/// By the reason for which a container waits.
fn container(container: &SeenContainer) -> Option<Fault> {
    let (reason, message) = container.waiting.as_ref()?;
    let image = &container.image;
    Some(match reason.as_str() {
        "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" | "SignatureValidationFailed" => image::pull(image, message),
        "ErrImageNeverPull" => Fault::new(
            "ErrImageNeverPull",
            format!("the image {image} is not on the node, and image_pull_policy=\"Never\" forbids to pull it"),
            "put it on every node, or leave image_pull_policy= out",
            Never,
        ),
        "InvalidImageName" => Fault::new("InvalidImageName", format!("{image:?} is not the name of an image"), "write it as in registry.example.com/team/image:tag", Never),
        "CreateContainerConfigError" => configuration(message),
        "CreateContainerError" | "RunContainerError" => cannot_start(container, message).unwrap_or_else(|| {
            Fault::new("ContainerNotStarted", format!("its container {} cannot be started: {message}", container.name), "see what it says; kubectl describe pod shows more", Start)
        }),
        "CrashLoopBackOff" => return crashes(container),
        _ => return None,
    })
}

/// A secret or a config map that is not there, or a user that the image's settings contradict.
fn configuration(message: &str) -> Fault {
    if message.contains("runAsNonRoot") {
        // The name and id of the pod in it say nothing.
        let said = message.split_once(" (pod:").map_or(message, |(said, _)| said);
        return Fault::new(
            "CreateContainerConfigError",
            format!("its container cannot be made: {said}"),
            "give run_as_user= a number other than 0, or use an image that is not for root",
            Never,
        );
    }
    let missing = message.contains("not found") || message.contains("couldn't find key");
    let cure = if missing { "make it, or correct its name: kubectl get secrets,configmaps" } else { "see what it says; kubectl describe pod shows more" };
    Fault::new("CreateContainerConfigError", format!("its container cannot be made: {message}"), cure, Start)
}

/// One that is started again and again: the sidecar of results, where the image has no Python that runs.
fn crashes(container: &SeenContainer) -> Option<Fault> {
    let ended = container.ended.as_ref()?;
    cannot_start(container, &ended.message).or_else(|| {
        let words = format!("its container {} ends at once, with exit code {}: {}", container.name, ended.code, ended.message);
        (container.restarts > 2).then(|| Fault::new("ContainerNotStarted", words.trim_end_matches([':', ' ']), "look at its log: kubectl logs", Start))
    })
}

/// The program to start is not in the image.
pub fn cannot_start(container: &SeenContainer, message: &str) -> Option<Fault> {
    let missing = message.contains("executable file not found") || message.contains("no such file or directory");
    let forbidden = message.contains("permission denied") && message.contains("exec");
    if !missing && !forbidden {
        return None;
    }
    let of_ours = container.name == RESULTS || message.contains("\"python3\"");
    let program = super::between(message, "exec: \"", "\"").unwrap_or("its program");
    let what = if missing { "is not in" } else { "may not be executed in" };
    let cure = if of_ours { "a Python function needs an image with python3, 3.9 or later: image=" } else { "correct the command, or use an image that has it" };
    Some(Fault::new("ContainerNotStarted", format!("{program} {what} the image {}", container.image), cure, Never))
}

/// What the node says of a pod whose containers it has not made yet.
fn on_the_node(sight: &Sight, pod: &SeenPod) -> Option<Fault> {
    let newest = sight.notices.get(&pod.name)?.iter().rev().find(|notice| notice.warning)?;
    let (_, cause, cure) = ON_THE_NODE.iter().find(|(reason, ..)| *reason == newest.reason)?;
    let said = newest.message.strip_prefix("MountVolume.SetUp failed for volume ").map(|said| format!("its volume cannot be mounted: {said}"));
    Some(Fault::new(cause, said.unwrap_or_else(|| newest.message.clone()), *cure, Start))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::backend::kubernetes::seen::SeenJob;
    use crate::backend::kubernetes::watch::Notice;

    /// A Job and its pod, with a container's state as the API server gives it.
    fn sight(status: &Value) -> Sight {
        let pod = json!({
            "metadata": {"name": "rw-1-x", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "rw-1", "uid": "u", "controller": true}]},
            "spec": {"containers": [], "nodeName": "n", "initContainers": [{"name": "results", "restartPolicy": "Always"}]},
            "status": status,
        });
        let pod = SeenPod::of(&serde_json::from_value(pod).expect("a pod")).expect("of a job");
        Sight { job: Some(SeenJob { name: "rw-1".into(), ..SeenJob::default() }), pods: [(pod.name.clone(), pod)].into(), ..Sight::default() }
    }

    fn found(sight: &Sight) -> Option<Fault> {
        fault(sight, sight.pods.values().next(), &Resources::default())
    }

    fn main_in(state: &Value) -> Value {
        json!({"phase": "Pending", "containerStatuses": [{"name": "main", "image": "x:1", "imageID": "", "ready": false, "restartCount": 0, "state": state}]})
    }

    #[test]
    fn why_a_container_waits() {
        for (reason, message, cause, words, patience) in [
            (
                "ErrImagePull",
                "rpc error: code = NotFound desc = failed to resolve reference \"x:1\": x:1: not found",
                "ImagePull",
                "the image x:1 cannot be pulled: the registry has no such image (x:1: not found)",
                Start,
            ),
            (
                "ErrImageNeverPull",
                "Container image \"x:1\" is not present with pull policy of Never",
                "ErrImageNeverPull",
                "the image x:1 is not on the node, and image_pull_policy=\"Never\" forbids to pull it",
                Never,
            ),
            ("InvalidImageName", "Failed to apply default image tag \"x:1\": couldn't parse image name", "InvalidImageName", "\"x:1\" is not the name of an image", Never),
            ("CreateContainerConfigError", "secret \"absent\" not found", "CreateContainerConfigError", "its container cannot be made: secret \"absent\" not found", Start),
            (
                "CreateContainerConfigError",
                "container has runAsNonRoot and image will run as root (pod: \"rw_n(7663)\", container: main)",
                "CreateContainerConfigError",
                "its container cannot be made: container has runAsNonRoot and image will run as root",
                Never,
            ),
            ("CreateContainerError", "context deadline exceeded", "ContainerNotStarted", "its container main cannot be started: context deadline exceeded", Start),
        ] {
            let fault = found(&sight(&main_in(&json!({"waiting": {"reason": reason, "message": message}})))).expect(reason);
            assert_eq!((fault.cause, fault.message.as_str(), fault.patience), (cause, words, patience));
        }
        for usual in ["ContainerCreating", "PodInitializing"] {
            assert_eq!(found(&sight(&main_in(&json!({"waiting": {"reason": usual}})))), None);
        }
        assert_eq!(found(&sight(&main_in(&json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}})))), None);
    }

    #[test]
    fn an_image_without_python() {
        let message = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"python3\": executable file not found in $PATH: unknown";
        let ended = json!({"exitCode": 128, "reason": "StartError", "message": message, "startedAt": "1970-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z"});
        for (reason, last) in [("RunContainerError", json!({})), ("CrashLoopBackOff", json!({"terminated": ended}))] {
            let status = json!({"phase": "Pending", "initContainerStatuses": [{
                "name": "results", "image": "busybox:1", "imageID": "", "ready": false, "restartCount": 1, "lastState": last, "state": {"waiting": {"reason": reason, "message": message}},
            }]});
            let fault = found(&sight(&status)).expect(reason);
            assert_eq!((fault.cause, fault.message.as_str(), fault.patience), ("ContainerNotStarted", "python3 is not in the image busybox:1", Never));
        }
    }

    #[test]
    fn what_the_node_and_the_jobs_controller_say() {
        let notice = |reason: &str, message: &str, time: f64| Notice { reason: reason.into(), message: message.into(), warning: reason != "SuccessfulCreate", time };
        let mut waits = sight(&main_in(&json!({"waiting": {"reason": "ContainerCreating"}})));
        waits.notices.insert("rw-1-x".into(), vec![notice("FailedMount", "MountVolume.SetUp failed for volume \"v\" : secret \"absent\" not found", 1.0)]);
        let fault = found(&waits).expect("a fault");
        assert_eq!((fault.cause, fault.message.as_str()), ("FailedMount", "its volume cannot be mounted: \"v\" : secret \"absent\" not found"));

        let mut refused = Sight { pods: [].into(), ..sight(&main_in(&json!({}))) };
        assert_eq!(found(&refused), None);
        let mut about = vec![notice("FailedCreate", "Error creating: pods \"rw-1-y\" is forbidden: exceeded quota: small", 1.0)];
        refused.notices.insert("rw-1".into(), about.clone());
        assert_eq!(found(&refused).expect("a fault").cause, "QuotaExceeded");
        about.push(notice("SuccessfulCreate", "Created pod: rw-1-z", 2.0));
        refused.notices.insert("rw-1".into(), about);
        assert_eq!(found(&refused), None);
    }
}
