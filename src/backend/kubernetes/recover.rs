//! A run whose memory ran out is started anew with more, where it asked for that: by another Job, since a Job's pods never change.
//!
//! The new Job is made first, under a name that follows from the run and the attempt: whoever looks next makes the same one, so nothing is lost or done twice
//! wherever a client is killed. It then becomes the owner of the one before it, with all that belongs to that: both are kept as long as the new one.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, EnvVar};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::apply::{Access, Reads, owner, patiently};
use super::doubt::Doubt;
use super::name::{self, ATTEMPTS, MAIN, MANAGER};
use super::news;
use super::watch::{Board, Sight};
use crate::error::Result;
use crate::model::run::{Failure, Run};
use crate::model::task::recovery::MoreMemory;

/// Labels that the Job's controller sets, and which are of one Job only.
const CONTROLLERS: [&str; 4] = ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];
/// Annotations that say what was asked of one Job.
const OF_ONE: [&str; 4] = [name::STOPPED, name::STOPPED_INDEXES, name::GIVEN_UP, name::WAITS];
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Starts it anew with more memory. Gives what is to be said of the attempt that failed; None where that is its end.
pub async fn with_more_memory(access: &Access, board: &Board, run: &Run, sight: &Sight, failure: &mut Failure) -> Result<Option<String>> {
    let (Some(more), Some(job)) = (run.spec.task()?.recover.out_of_memory, &sight.job) else { return Ok(None) };
    if failure.cause != "OutOfMemory" || news::was_stopped(run, job) || job.gone {
        return Ok(None);
    }
    let Some(now) = memory_of(&more, run, job.attempt) else { return Ok(None) };
    let Some(next) = more.after(&now) else {
        failure.message = format!("{}, even with {now}, the most that recover= lets it have", failure.message);
        return Ok(None);
    };
    let api = access.api::<Job>();
    let Some(failed) = patiently(|| api.get_opt(&job.name)).await.map_err(|error| access.refused::<Job>("get", &job.name, &error))? else { return Ok(None) };
    let said = format!("attempt {} failed ({}: {}) with {now} of memory; the next one has {next}", job.attempt, failure.cause, failure.message);
    let mut before = job.before.clone();
    before.push(said.clone());
    let created = access.create(&successor(&failed, run, job.attempt + 1, &next, &before), &Doubt::default(), Reads::Yes).await?;
    adopt(access, &failed, &created).await?;
    board.see_job(&created);
    Ok(Some(said))
}

/// What an attempt has.
fn memory_of(more: &MoreMemory, run: &Run, attempt: u32) -> Option<String> {
    let mut memory = run.spec.resources.mem.clone()?;
    for _ in 1..attempt {
        memory = more.after(&memory).unwrap_or(memory);
    }
    Some(memory)
}

/// The Job of the next attempt: the same, with more memory; for one item of a fan-out, of that item alone.
fn successor(failed: &Job, run: &Run, attempt: u32, memory: &str, before: &[String]) -> Job {
    let mut labels = ours(failed.metadata.labels.clone());
    let mut annotations = failed.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|name, _| !OF_ONE.contains(&name.as_str()));
    annotations.insert(ATTEMPTS.into(), json!(before).to_string());
    let mut spec = failed.spec.clone().unwrap_or_default();
    spec.selector = None;
    spec.manual_selector = None;
    spec.suspend = None;
    let template = spec.template.metadata.get_or_insert_default();
    let mut template_labels = ours(template.labels.take());
    if let Some(map) = name::gathered(run).filter(|_| spec.completion_mode.as_deref() == Some("Indexed")) {
        for labels in [&mut labels, &mut template_labels] {
            labels.remove(name::MAP);
            labels.insert(name::RUN.into(), run.id.to_string());
        }
        template.annotations.get_or_insert_default().insert(INDEX.into(), map.index.to_string());
        for rule in spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules).filter(|rule| rule.action == "FailIndex") {
            rule.action = "FailJob".into();
        }
        spec.backoff_limit = spec.backoff_limit_per_index.take().or(Some(0));
        (spec.completion_mode, spec.completions, spec.parallelism, spec.max_failed_indexes, spec.success_policy) = (None, None, None, None, None);
        for container in containers(&mut spec) {
            let index = EnvVar { name: "JOB_COMPLETION_INDEX".into(), value: Some(map.index.to_string()), value_from: None };
            container.env.get_or_insert_default().push(index);
        }
    }
    spec.template.metadata.get_or_insert_default().labels = Some(template_labels);
    for container in containers(&mut spec).filter(|container| container.name == MAIN) {
        let resources = container.resources.get_or_insert_default();
        for quantities in [&mut resources.requests, &mut resources.limits] {
            quantities.get_or_insert_default().insert("memory".into(), Quantity(memory.into()));
        }
    }
    let name = name::of_attempt(run.id, attempt);
    Job { metadata: ObjectMeta { name: Some(name), labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }, spec: Some(spec), status: None }
}

fn ours(labels: Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    labels.unwrap_or_default().into_iter().filter(|(name, _)| !CONTROLLERS.contains(&name.as_str())).collect()
}

fn containers(spec: &mut k8s_openapi::api::batch::v1::JobSpec) -> impl Iterator<Item = &mut Container> {
    spec.template.spec.iter_mut().flat_map(|pod| pod.init_containers.iter_mut().flatten().chain(&mut pod.containers))
}

/// From now on the one that failed, its Secret and its luggage are kept as long as the one that follows it.
async fn adopt(access: &Access, failed: &Job, by: &Job) -> Result<()> {
    let (api, name) = (access.api::<Job>(), failed.metadata.name.clone().unwrap_or_default());
    let mut owner = json!(owner(by));
    // Two controllers would be refused.
    owner["controller"] = false.into();
    let patch = json!({"metadata": {"ownerReferences": [owner]}, "spec": {"ttlSecondsAfterFinished": null}});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patch = Patch::Strategic(&patch);
    match patiently(|| api.patch(&name, &params, &patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(access.refused::<Job>("patch", &name, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Job {
        serde_json::from_value(json!({
            "metadata": {"name": "rw-0", "uid": "u", "resourceVersion": "7", "labels": {"runwright.dev/map": "m", "job-name": "rw-0"}, "annotations": {"a": "b"}},
            "spec": {
                "completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 0, "podFailurePolicy": {"rules": [{"action": "Ignore"}, {"action": "FailIndex"}]}, "selector": {"matchLabels": {"x": "y"}}, "ttlSecondsAfterFinished": 60,
                "template": {
                    "metadata": {"labels": {"batch.kubernetes.io/controller-uid": "u", "runwright.dev/map": "m"}, "annotations": {"runwright.dev/run": "{}"}},
                    "spec": {"initContainers": [{"name": "results"}], "containers": [{"name": "main", "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}}]},
                },
            },
        }))
        .expect("a Job")
    }

    fn run() -> Run {
        let mut run = crate::model::run::tests::run("0190aaaa-0000-7000-8000-000000000001", &json!({"map": {"id": "0190aaaa-0000-7000-8000-000000000000", "index": 1, "of": 3}}));
        run.reference.insert(name::INDEX.into(), 1.into());
        run
    }

    #[test]
    fn an_item_of_a_fan_out_goes_on_alone() {
        let run = run();
        let job = serde_json::to_value(successor(&failed(), &run, 2, "128Mi", &["attempt 1 failed".into()])).expect("JSON");
        let spec = &job["spec"];
        assert_eq!(job["metadata"]["name"], format!("rw-{}-m2", run.id));
        assert_eq!(job["metadata"]["labels"], json!({"runwright.dev/run": run.id.to_string()}));
        assert_eq!(job["metadata"]["annotations"], json!({"a": "b", ATTEMPTS: "[\"attempt 1 failed\"]"}));
        for gone in ["completionMode", "completions", "parallelism", "backoffLimitPerIndex", "selector", "suspend"] {
            assert!(spec.get(gone).is_none(), "{gone}");
        }
        assert_eq!((&spec["backoffLimit"], &spec["ttlSecondsAfterFinished"]), (&json!(0), &json!(60)));
        assert_eq!(spec["podFailurePolicy"]["rules"], json!([{"action": "Ignore"}, {"action": "FailJob"}]));
        assert_eq!(spec["template"]["metadata"]["labels"], json!({"runwright.dev/run": run.id.to_string()}));
        assert_eq!(spec["template"]["metadata"]["annotations"][INDEX], "1");
        let main = &spec["template"]["spec"]["containers"][0];
        assert_eq!(main["resources"], json!({"limits": {"cpu": "1", "memory": "128Mi"}, "requests": {"memory": "128Mi"}}));
        assert_eq!(main["env"], json!([{"name": "JOB_COMPLETION_INDEX", "value": "1"}]));
        // Applied again (the one that follows fails, too), nothing is there twice but what Kubernetes takes the last of.
        let again = serde_json::to_value(successor(&serde_json::from_value(job.clone()).expect("a Job"), &run, 3, "256Mi", &[])).expect("JSON");
        assert_eq!(again["spec"]["template"]["spec"]["containers"][0]["env"], main["env"]);
    }
}
