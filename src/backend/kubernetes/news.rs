//! What is seen of a Job and its pods, as events of a run. Pure: what the record says already is not said again.

use super::diagnose;
use super::name::MAIN;
use super::seen::{JobEnd, SeenJob, SeenPod, lists};
use super::watch::Sight;
use crate::model::event::Event;
use crate::model::run::Run;
use crate::model::state::State;

/// How a run stands in the cluster.
#[derive(Debug, PartialEq)]
pub enum Stand {
    /// There is no Job (yet).
    Absent,
    /// It is held back by a client that hands it over; what ended it, where that took too long.
    Held { end: Option<JobEnd> },
    /// It goes on.
    Open,
    /// It was stopped, and nothing of it runs any more. The last pod that was seen.
    Stopped { pod: Option<Box<SeenPod>> },
    /// It has ended, and its Job says so. The pod that decided, where there is one.
    Ended { pod: Option<Box<SeenPod>>, end: Option<JobEnd>, complete: bool },
    /// Its Job is gone. The last pod that was seen.
    Gone { pod: Option<Box<SeenPod>> },
}

/// The pods of a run, the oldest first: all of its Job, or those of its index.
pub fn pods<'a>(run: &Run, sight: &'a Sight) -> Vec<&'a SeenPod> {
    let index = run.spec.map.as_ref().map(|map| map.index);
    // Those from before it was stopped are another beginning's.
    let resumed = run.history.iter().any(|step| step.state == State::Resume);
    let mut pods: Vec<&SeenPod> = sight.pods.values().filter(|pod| (index.is_none() || pod.index == index) && !(resumed && pod.gone)).collect();
    pods.sort_by(|a, b| a.created.total_cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
    pods
}

/// How it stands.
pub fn stand(run: &Run, sight: &Sight) -> Stand {
    let Some(job) = &sight.job else { return Stand::Absent };
    if job.held && !job.gone {
        return Stand::Held { end: job.end.clone() };
    }
    let pods = pods(run, sight);
    let last = || pods.last().map(|pod| Box::new((*pod).clone()));
    if let Some(map) = &run.spec.map {
        if lists(&job.completed, map.index) {
            let pod = pods.iter().rev().find(|pod| pod.phase == "Succeeded").map(|pod| Box::new((*pod).clone()));
            return Stand::Ended { pod: pod.or_else(last), end: job.end.clone(), complete: true };
        }
        if lists(&job.failed, map.index) {
            return Stand::Ended { pod: last(), end: job.end.clone(), complete: false };
        }
    }
    match &job.end {
        Some(end) => {
            let decided = pods.iter().rev().find(|pod| (pod.phase == "Succeeded") == end.complete && pod.has_ended()).map(|pod| Box::new((*pod).clone()));
            Stand::Ended { pod: decided.or_else(last), end: Some(end.clone()), complete: end.complete }
        }
        None if job.gone => Stand::Gone { pod: last() },
        None if was_stopped(run, job) && pods.iter().all(|pod| pod.has_ended()) => Stand::Stopped { pod: last() },
        None => Stand::Open,
    }
}

/// Whether its end was asked for, after it was resumed last.
pub fn was_stopped(run: &Run, job: &SeenJob) -> bool {
    if run.spec.map.as_ref().is_some_and(|map| lists(&job.stopped_indexes, map.index)) {
        return true;
    }
    let resumed = run.history.iter().rev().find(|step| step.state == State::Resume).map(|step| step.time.as_duration().as_secs_f64());
    job.suspended && job.stopped.is_some_and(|stopped| resumed.is_none_or(|resumed| stopped > resumed))
}

/// What the record does not say yet of the way to the end.
pub fn events(run: &Run, sight: &Sight) -> Vec<Event> {
    let Some(job) = &sight.job else { return Vec::new() };
    let mut events = Vec::new();
    if run.state == State::Created || run.state == State::Resume {
        events.push(Event::Pending { time: job.created });
    }
    let pods = pods(run, sight);
    let started: Vec<f64> = pods.iter().filter_map(|pod| begun(pod)).collect();
    if let Some(time) = started.last() {
        let attempt = u32::try_from(started.len()).unwrap_or(u32::MAX);
        if matches!(run.state, State::Created | State::Pending | State::Resume) || run.attempts < attempt {
            events.push(Event::Running { time: *time, attempt, pid: None, python: None });
        }
    } else if matches!(run.state, State::Created | State::Pending | State::Resume)
        && let Some(message) = diagnose::waits_for(sight, pods.last().copied())
        && run.history.last().is_none_or(|last| last.message.as_ref() != Some(&message))
    {
        events.push(Event::Notice { time: job.created, message });
    }
    events
}

/// When the code of a pod began.
pub fn begun(pod: &SeenPod) -> Option<f64> {
    let main = pod.container(MAIN)?;
    main.running.or_else(|| main.ended.as_ref().and_then(|ended| ended.started))
}
