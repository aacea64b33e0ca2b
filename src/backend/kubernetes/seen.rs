//! What is kept of a Job and of a pod: what decides about a run and what explains it, a few hundred bytes each.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::name;
use super::timing::Observed;
use crate::model::run::Failure;

/// A Job as the API server told last.
#[allow(clippy::struct_excessive_bools)] // Each is a fact of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenJob {
    pub name: String,
    pub uid: String,
    /// 1, and one more for each Job that followed it.
    pub attempt: u32,
    /// What is said of each attempt before it.
    pub before: Vec<String>,
    pub created: f64,
    /// When it was started last (it is reset when a suspended one goes on).
    pub started: Option<f64>,
    pub suspended: bool,
    /// It is held back until all that it needs is there.
    pub held: bool,
    /// It waits for runs that it reads.
    pub waits: bool,
    /// When somebody asked for its end.
    pub stopped: Option<f64>,
    /// Of a fan-out: the indexes whose end somebody asked for.
    pub stopped_indexes: String,
    /// The queue that lets it begin.
    pub queue: Option<String>,
    /// Why somebody gave it up before it began.
    pub given_up: Option<Failure>,
    /// It calls a function, whose results come back.
    pub calls: bool,
    /// How many runs it is for, where it is of a fan-out.
    pub runs: Option<u32>,
    pub end: Option<JobEnd>,
    /// Of an Indexed Job, as in `1,3-5`.
    pub completed: String,
    pub failed: String,
    /// It was deleted; the rest is what was known before.
    pub gone: bool,
    pub deleting: bool,
}

/// The condition that ended a Job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd {
    pub complete: bool,
    pub reason: String,
    pub message: String,
    pub time: f64,
}

/// A pod as the API server told last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenPod {
    pub uid: String,
    pub name: String,
    pub job: String,
    pub index: Option<u32>,
    /// The beginning of its function version's digest.
    pub version: Option<String>,
    pub created: f64,
    pub phase: String,
    pub node: Option<String>,
    pub scheduled: Option<f64>,
    /// Why no node takes it: the scheduler's words.
    pub unschedulable: Option<String>,
    /// What took it away: reason and message of the condition `DisruptionTarget`.
    pub disrupted: Option<(String, String)>,
    /// Of the pod itself, such as Evicted.
    pub reason: Option<String>,
    pub message: Option<String>,
    pub containers: Vec<SeenContainer>,
    pub deleting: bool,
    pub gone: bool,
    /// When this process saw what.
    pub observed: Observed,
}

/// A container of a pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenContainer {
    pub name: String,
    /// Whether it runs before the main one.
    pub init: bool,
    pub image: String,
    pub image_id: String,
    pub restarts: i32,
    pub waiting: Option<(String, String)>,
    pub running: Option<f64>,
    pub ended: Option<ContainerEnd>,
    /// How it ended before it was started again.
    pub before: Option<ContainerEnd>,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerEnd {
    pub code: i32,
    pub signal: Option<i32>,
    pub reason: String,
    pub message: String,
    pub started: Option<f64>,
    pub finished: Option<f64>,
}

/// Seconds since the epoch.
#[must_use]
pub fn seconds(time: &Time) -> f64 {
    time.0.as_duration().as_secs_f64()
}

impl SeenJob {
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let status = job.status.clone().unwrap_or_default();
        let end =
            status.conditions.iter().flatten().find(|condition| condition.status == "True" && matches!(condition.type_.as_str(), "Complete" | "Failed")).map(|condition| JobEnd {
                complete: condition.type_ == "Complete",
                reason: condition.reason.clone().unwrap_or_default(),
                message: condition.message.clone().unwrap_or_default(),
                time: condition.last_transition_time.as_ref().map_or(0.0, seconds),
            });
        let annotation = |name: &str| job.metadata.annotations.as_ref().and_then(|annotations| annotations.get(name));
        let name = job.metadata.name.clone().unwrap_or_default();
        Self {
            attempt: name::base(&name).map_or(1, |(_, attempt)| attempt),
            name,
            before: annotation(name::ATTEMPTS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
            given_up: annotation(name::GIVEN_UP).and_then(|text| serde_json::from_str(text).ok()),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            created: job.metadata.creation_timestamp.as_ref().map_or(0.0, seconds),
            started: status.start_time.as_ref().map(seconds),
            suspended: job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true)),
            held: annotation(name::HELD).is_some(),
            waits: annotation(name::WAITS).is_some(),
            stopped: annotation(name::STOPPED).and_then(|time| time.parse::<jiff::Timestamp>().ok()).map(|time| time.as_duration().as_secs_f64()),
            stopped_indexes: annotation(name::STOPPED_INDEXES).cloned().unwrap_or_default(),
            queue: job.metadata.labels.as_ref().and_then(|labels| labels.get(name::QUEUE).cloned()),
            calls: job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).is_some_and(|pod| pod.init_containers.iter().flatten().any(|one| one.name == name::RESULTS)),
            runs: job.spec.as_ref().filter(|spec| spec.completion_mode.as_deref() == Some("Indexed")).and_then(|spec| u32::try_from(spec.completions?).ok()),
            end,
            completed: status.completed_indexes.unwrap_or_default(),
            failed: status.failed_indexes.unwrap_or_default(),
            gone: false,
            deleting: job.metadata.deletion_timestamp.is_some(),
        }
    }
}

/// Whether an index is in a list such as `1,3-5`.
#[must_use]
pub fn lists(indexes: &str, index: u32) -> bool {
    indexes.split(',').any(|part| match part.split_once('-') {
        Some((first, last)) => first.parse().is_ok_and(|first: u32| first <= index) && last.parse().is_ok_and(|last: u32| index <= last),
        None => part.parse() == Ok(index),
    })
}

impl SeenPod {
    /// None for a pod that is of no Job of ours.
    #[must_use]
    pub fn of(pod: &Pod) -> Option<Self> {
        let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
        let (status, spec) = (pod.status.clone().unwrap_or_default(), pod.spec.as_ref());
        let condition = |of: &str| status.conditions.iter().flatten().find(|condition| condition.type_ == of).cloned();
        let scheduled = condition("PodScheduled");
        let native =
            |name: &str| spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten()).any(|container| container.name == name && container.restart_policy.is_some());
        let init = status.init_container_statuses.iter().flatten().map(|status| SeenContainer::of(status, !native(&status.name)));
        let main = status.container_statuses.iter().flatten().map(|status| SeenContainer::of(status, false));
        Some(Self {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            // A service's is owned by a ReplicaSet, whose name begins with the Deployment's.
            job: if owner.kind == "Job" { owner.name.clone() } else { super::watch::job_of(&owner.name)? },
            index: pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get("batch.kubernetes.io/job-completion-index")?.parse().ok()),
            version: name::version(&pod.metadata),
            created: pod.metadata.creation_timestamp.as_ref().map_or(0.0, seconds),
            phase: status.phase.clone().unwrap_or_default(),
            node: spec.and_then(|spec| spec.node_name.clone()),
            scheduled: scheduled.as_ref().filter(|condition| condition.status == "True").and_then(|condition| condition.last_transition_time.as_ref()).map(seconds),
            unschedulable: scheduled.filter(|condition| condition.status == "False").map(|condition| condition.message.unwrap_or_default()),
            disrupted: condition("DisruptionTarget")
                .filter(|condition| condition.status == "True")
                .map(|condition| (condition.reason.unwrap_or_default(), condition.message.unwrap_or_default())),
            reason: status.reason.clone(),
            message: status.message.clone(),
            containers: init.chain(main).collect(),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            gone: false,
            observed: Observed::default(),
        })
    }

    /// The container of that name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&SeenContainer> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// Whether nothing in it runs any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.gone || matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

impl SeenContainer {
    fn of(status: &ContainerStatus, init: bool) -> Self {
        let state = status.state.clone().unwrap_or_default();
        let before = status.last_state.as_ref().and_then(end_of);
        let ended = end_of(&state).or_else(|| before.clone().filter(|_| state.waiting.is_some()));
        Self {
            name: status.name.clone(),
            init,
            image: status.image.clone(),
            image_id: status.image_id.clone(),
            restarts: status.restart_count,
            waiting: state.waiting.map(|waiting| (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default())),
            running: state.running.and_then(|running| running.started_at.as_ref().map(seconds)),
            ended,
            before,
        }
    }
}

fn end_of(state: &ContainerState) -> Option<ContainerEnd> {
    let ended = state.terminated.as_ref()?;
    Some(ContainerEnd {
        code: ended.exit_code,
        signal: ended.signal,
        reason: ended.reason.clone().unwrap_or_default(),
        message: ended.message.clone().unwrap_or_default(),
        started: ended.started_at.as_ref().map(seconds),
        finished: ended.finished_at.as_ref().map(seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[test]
    fn indexes() {
        for (list, index, listed) in [("", 0, false), ("0", 0, true), ("1,3-5,7", 4, true), ("1,3-5,7", 2, false), ("1,3-5,7", 7, true), ("10-20", 1, false)] {
            assert_eq!(lists(list, index), listed, "{index} in {list:?}");
        }
    }
}
