//! Stop and delete.

use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::apply::{Access, patiently};
use super::name::{self, GIVEN_UP, MANAGER, QUEUE, STOPPED, STOPPED_INDEXES};
use super::news::pods;
use super::seen::{SeenJob, lists};
use super::watch::Sight;
use crate::error::Result;
use crate::model::run::{Failure, Run};
use crate::model::state::State;
use crate::model::time;

/// Tells a run's pods to end; they have the run's grace for it. Its Job stays, suspended, and may go on later.
/// `newest`: the Job that stands for it.
pub async fn stop(access: &Access, run: &Run, newest: &str) -> Result<()> {
    let Some(map) = name::gathered(run).filter(|_| newest == name::of_run(run)) else {
        return suspend(access, run, newest, STOPPED, &moment(run)).await;
    };
    // One of a fan-out: the Job goes on for the others.
    let (jobs, job_name) = (access.api::<Job>(), name::of_run(run));
    loop {
        let found = patiently(|| jobs.get_opt(&job_name)).await.map_err(|error| access.refused::<Job>("get", &job_name, &error))?;
        let Some(job) = found else { return Ok(()) };
        let seen = SeenJob::of(&job);
        let mut indexes: Vec<u32> = (0..map.of).filter(|index| *index == map.index || lists(&seen.stopped_indexes, *index)).collect();
        indexes.sort_unstable();
        let listed = indexes.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let all = (0..map.of).all(|index| indexes.contains(&index) || lists(&seen.completed, index) || lists(&seen.failed, index));
        let mut patch = json!({"metadata": {"resourceVersion": job.resource_version(), "annotations": {STOPPED_INDEXES: listed}}});
        if all {
            patch["spec"] = json!({"suspend": true});
            if queue(run).is_some() {
                patch["metadata"]["labels"] = json!({QUEUE: null});
            }
        }
        if patch_job(access, &job_name, &patch).await? {
            return if all { Ok(()) } else { end_pods(access, &job_name, map.index).await };
        }
    }
}

/// Now, as it is written; in any case after all that its record says, whatever the clock of who resumed it last.
pub fn moment(run: &Run) -> String {
    let last = run.history.last().map(|step| step.time.saturating_add(SignedDuration::from_micros(1)).unwrap_or(step.time));
    last.map_or_else(time::now, |last| last.max(time::now())).to_string()
}

/// The queue of a run. While a Job is in one, the queue alone suspends it and lets it begin; so a stopped Job must not be in it.
fn queue(run: &Run) -> Option<&str> {
    run.spec.extra.get("queue").and_then(serde_json::Value::as_str)
}

/// False where the Job changed since the version that the patch names.
async fn patch_job(access: &Access, name: &str, patch: &serde_json::Value) -> Result<bool> {
    let (api, patch) = (access.api::<Job>(), Patch::Merge(patch));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match patiently(|| api.patch(name, &params, &patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
        Err(error) => Err(access.refused::<Job>("patch", name, &error)),
    }
}

/// Ends the pods of one index.
async fn end_pods(access: &Access, job: &str, index: u32) -> Result<()> {
    let (pods, params) = (access.api::<Pod>(), DeleteParams::default());
    let of_index = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job},batch.kubernetes.io/job-completion-index={index}"));
    let found = patiently(|| pods.list_metadata(&of_index)).await.map_err(|error| access.refused::<Pod>("list", job, &error))?;
    for pod in found.items {
        let name = pod.name_any();
        match patiently(|| pods.delete(&name, &params)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => drop(other.map_err(|error| access.refused::<Pod>("delete", &name, &error))?),
        }
    }
    Ok(())
}

/// Suspends the Job of a run that has waited long enough: nothing of it waits any more. Why stands in the Job, for every client.
pub async fn give_up(access: &Access, run: &Run, job: &str, why: &Failure) -> Result<()> {
    suspend(access, run, job, GIVEN_UP, &json!(why).to_string()).await
}

/// Nobody but us lets it go on, no queue either.
async fn suspend(access: &Access, run: &Run, job: &str, annotation: &str, value: &str) -> Result<()> {
    let mut patch = json!({"metadata": {"annotations": {annotation: value}}, "spec": {"suspend": true}});
    if queue(run).is_some() {
        patch["metadata"]["labels"] = json!({QUEUE: null});
    }
    patch_job(access, job, &patch).await.map(drop)
}

/// Lets a stopped run go on.
pub async fn resume(access: &Access, run: &Run, newest: &str) -> Result<()> {
    let patch = match queue(run) {
        Some(queue) => json!({"metadata": {"annotations": {STOPPED: null}, "labels": {QUEUE: queue}}, "spec": {"suspend": true}}),
        None => json!({"metadata": {"annotations": {STOPPED: null}}, "spec": {"suspend": false}}),
    };
    patch_job(access, newest, &patch).await.map(drop)
}

/// Finishes what a client that was killed began: a resume of which only the record says, a stop of an index that started all the same.
pub async fn go_on(access: &Access, run: &Run, sight: &Sight) -> Result<()> {
    let Some(job) = &sight.job else { return Ok(()) };
    if run.state == State::Resume && job.suspended && job.stopped.is_some() {
        return resume(access, run, &job.name).await;
    }
    match name::gathered(run) {
        Some(map) if lists(&job.stopped_indexes, map.index) && pods(run, sight).iter().any(|pod| !pod.deleting && !pod.has_ended()) => {
            end_pods(access, &name::of_run(run), map.index).await
        }
        _ => Ok(()),
    }
}

/// Deletes the Job, and with it all that it owns; that of a fan-out with the last of its runs that ends. `newest`: the Job that stands for it, which owns
/// those before it; `sight`: what is known of the first.
pub async fn remove(access: &Access, run: &Run, newest: &str, sight: &Sight) -> Result<()> {
    if newest != name::of_run(run) {
        remove_job(access, newest).await?;
    }
    let ended = |job: &SeenJob, index: u32| [&job.completed, &job.failed, &job.stopped_indexes].iter().any(|list| lists(list, index));
    match (name::gathered(run), &sight.job) {
        (Some(map), Some(job)) if job.end.is_none() && !(0..map.of).all(|index| ended(job, index)) && !job.waits => Ok(()),
        _ => remove_job(access, &name::of_run(run)).await,
    }
}

/// Deletes a Job that is held back. False where it is not any more.
pub async fn remove_held(access: &Access, name: &str) -> Result<bool> {
    let api = access.api::<Job>();
    let found = patiently(|| api.get_opt(name)).await.map_err(|error| access.refused::<Job>("get", name, &error))?;
    let Some(job) = found else { return Ok(true) };
    if !SeenJob::of(&job).held {
        return Ok(false);
    }
    let unchanged = Preconditions { resource_version: job.resource_version(), uid: job.uid() };
    let params = DeleteParams { preconditions: Some(unchanged), ..DeleteParams::background() };
    match patiently(|| api.delete(name, &params)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
        Err(error) => Err(access.refused::<Job>("delete", name, &error)),
    }
}

pub async fn remove_job(access: &Access, name: &str) -> Result<()> {
    let (api, params) = (access.api::<Job>(), DeleteParams::background());
    match patiently(|| api.delete(name, &params)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(access.refused::<Job>("delete", name, &error)),
    }
}
