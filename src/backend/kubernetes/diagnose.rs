//! Why something failed, in words that help: what the API server refused, and how a pod ended.

use kube::core::Status;

use super::apply::explain;
use super::name::MAIN;
use super::seen::{ContainerEnd, JobEnd, SeenPod};
use super::target::Target;
use super::watch::{Notice, Sight};
use crate::error::Error;
use crate::model::event::End;
use crate::model::run::Failure;
use crate::model::state::State;

/// The error of a request that the API server refused.
pub fn refused(resource: &str, group: &str, verb: &str, name: &str, target: &Target, error: &kube::Error) -> Error {
    let kube::Error::Api(status) = error else {
        return Error::backend(
            format!("{verb} {resource} {name} in {target} failed: {}", explain(error)),
            "check the connection to the cluster: `runwright doctor --on kubernetes`",
        );
    };
    let cure = match status.code {
        403 if status.message.contains("exceeded quota") => "ask for less (resources=), wait for others to end, or have the quota raised: kubectl describe quota".to_owned(),
        403 if status.message.contains("violates PodSecurity") => {
            "the namespace enforces a Pod Security Standard that this run's own settings break; leave out what its words name".to_owned()
        }
        403 if status.message.contains("being terminated") => "the namespace is being deleted; use another".to_owned(),
        403 => format!(
            "have this rule in a Role: apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{}\"]; `runwright rbac` prints the whole Role",
            verb.split(' ').next().unwrap_or(verb)
        ),
        401 => "the credentials are not accepted any more: log in again".to_owned(),
        404 if name_of_missing(status) == Some("namespaces") => format!("there is no namespace {}: create it, or give namespace=", target.namespace),
        413 | 422 => "see what it says; runwright.run(dry_run=True) shows the manifest".to_owned(),
        _ => "see what it says; `runwright doctor --on kubernetes` checks access and quota".to_owned(),
    };
    let message = format!("{verb} {resource} {name} in {target} was refused ({}): {}", status.code, status.message);
    match status.code {
        400 | 422 => Error::invalid("manifest", name, message, cure),
        _ => Error::backend(message, cure),
    }
}

fn name_of_missing(status: &Status) -> Option<&str> {
    status.details.as_ref().map(|details| details.kind.as_str())
}

/// The end of a run whose Job is gone.
pub fn deleted(time: f64) -> End {
    End::found("JobDeleted", "its Job was deleted from outside, or was kept longer than its time, before its end was seen", "start it again with run.reproduce()", time)
}

/// The end of a run whose pod ended without a word of the runner's, or whose Job ended without a pod.
pub fn found(sight: &Sight, pod: Option<&SeenPod>, end: Option<&JobEnd>) -> End {
    let time = end.map_or(0.0, |end| end.time);
    let (mut failure, main) = match pod {
        Some(pod) => of_pod(pod),
        None => (of_job(sight, end), None),
    };
    if let Some(main) = main {
        failure.exit_code = Some(main.code.into());
    }
    if let Some(pod) = pod {
        failure.attributes.insert("pod".into(), pod.name.clone().into());
        failure.attributes.insert("node".into(), pod.node.clone().into());
    }
    let started = main.and_then(|main| main.started);
    let finished = main.and_then(|main| main.finished);
    End {
        started,
        seconds: started.zip(finished).map(|(started, finished)| finished - started),
        exit_code: main.map(|main| main.code.into()),
        attempts: u32::from(main.is_some()),
        error: Some(failure),
        ..End::at(State::Error, finished.unwrap_or(time).max(time))
    }
}

fn failure(cause: &str, message: impl Into<String>, cure: &str) -> Failure {
    Failure { cause: cause.into(), message: message.into(), cure: Some(cure.into()), ..Failure::default() }
}

fn of_pod(pod: &SeenPod) -> (Failure, Option<&ContainerEnd>) {
    let main = pod.container(MAIN).and_then(|main| main.ended.as_ref());
    if let Some(reason) = &pod.reason {
        let message = pod.message.clone().unwrap_or_default();
        return match reason.as_str() {
            "Evicted" => (failure("Evicted", format!("its pod was evicted: {message}"), "ask for what it uses (resources=), so that the node keeps room for it"), main),
            "DeadlineExceeded" => (failure("Timeout", format!("it took longer than its timeout: {message}"), "give it more time with timeout="), main),
            "NodeLost" | "NodeAffinity" | "Shutdown" | "Terminated" => {
                (failure("NodeLost", format!("its node is gone ({reason}): {message}"), "start it again with run.reproduce()"), main)
            }
            _ => (failure("PodFailed", format!("its pod failed ({reason}): {message}"), "see what it says"), main),
        };
    }
    if let Some((reason, message)) = &pod.disrupted {
        let cause = match reason.as_str() {
            "PreemptionByScheduler" => "Preempted",
            "DeletionByTaintManager" | "DeletionByPodGC" => "NodeLost",
            _ => "Evicted",
        };
        return (failure(cause, format!("the cluster took its pod away ({reason}): {message}"), "start it again with run.reproduce()"), main);
    }
    let Some(ended) = main else {
        return (failure("PodFailed", "its pod ended before the code began", "look at the pod's events: kubectl describe pod"), None);
    };
    let memory = "give it more memory: resources={\"mem\": …}";
    let failure = match (ended.reason.as_str(), ended.code) {
        ("OOMKilled", _) => failure("OutOfMemory", "it was killed for using more memory than it may (OOMKilled)", memory),
        ("ContainerCannotRun" | "StartError", _) => {
            failure("ImageError", format!("its container cannot be started: {}", ended.message), "the image must have the program; a Python function needs python3 in it")
        }
        (_, 137) => failure("Signal", "it was killed (exit code 137: SIGKILL), by somebody with rights on the node or for want of memory there", memory),
        (_, 143) => failure("Signal", "it was told to end (exit code 143: SIGTERM), by somebody who deleted its pod", "start it again with run.reproduce()"),
        (reason, code) => failure("ExitCode", format!("it ended with exit code {code} ({reason}) {}", ended.message).trim().to_owned(), "look at its log"),
    };
    (failure, Some(ended))
}

fn of_job(sight: &Sight, end: Option<&JobEnd>) -> Failure {
    let Some(end) = end else { return failure("JobFailed", "its Job failed", "look at it with kubectl describe job") };
    match end.reason.as_str() {
        "DeadlineExceeded" => failure("Timeout", format!("it took longer than its timeout: {}", end.message), "give it more time with timeout="),
        reason => {
            let said = newest(sight).map(|notice| format!("; {}", notice.message)).unwrap_or_default();
            failure("JobFailed", format!("its Job failed ({reason}): {}{said}", end.message), "look at it with kubectl describe job")
        }
    }
}

/// The newest warning about a Job or its pods.
pub fn newest(sight: &Sight) -> Option<&Notice> {
    sight.notices.values().flatten().filter(|notice| notice.warning).max_by(|a, b| a.time.total_cmp(&b.time))
}

/// What a run waits for that should not be: in words, None while all is as usual.
pub fn waits_for(sight: &Sight, pod: Option<&SeenPod>) -> Option<String> {
    let Some(pod) = pod else {
        let refused = sight.notices.values().flatten().filter(|notice| notice.reason == "FailedCreate").max_by(|a, b| a.time.total_cmp(&b.time));
        return refused.map(|notice| format!("its pod is refused: {}", notice.message));
    };
    if let Some(message) = &pod.unschedulable {
        return Some(format!("no node takes it: {message}"));
    }
    for container in &pod.containers {
        if let Some((reason, message)) = &container.waiting
            && !matches!(reason.as_str(), "ContainerCreating" | "PodInitializing" | "")
        {
            return Some(format!("{} ({}): {message}", reason, container.image));
        }
    }
    let mount = sight.notices.get(&pod.name).into_iter().flatten().filter(|notice| notice.warning && notice.reason.starts_with("Failed")).next_back();
    mount.filter(|_| pod.container(MAIN).is_none_or(|main| main.running.is_none() && main.ended.is_none())).map(|notice| notice.message.clone())
}
