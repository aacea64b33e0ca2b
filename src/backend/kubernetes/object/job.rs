//! The Job of a run, or the Indexed Job of a fan-out.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backend::kubernetes::name::{self, MAIN, QUEUE};
use crate::model::run::Run;
use crate::model::task::TaskParameters;

/// How long an ended run waits in the cluster for a client that is away, in seconds: 3 days.
const KEPT: i32 = 3 * 24 * 3600;

/// What a Job is made from, besides its pods.
pub struct Wanted<'a> {
    pub run: &'a Run,
    pub task: &'a TaskParameters,
    /// Whether the runner executes it.
    pub has_runner: bool,
    /// How many runs it is for.
    pub runs: usize,
    /// It starts suspended, until somebody releases it.
    pub waits: bool,
}

#[must_use]
pub fn job(wanted: &Wanted<'_>, metadata: ObjectMeta, template: PodTemplateSpec) -> Job {
    let Wanted { run, task, .. } = wanted;
    let many = name::gathered(run).is_some();
    let count = i32::try_from(wanted.runs).unwrap_or(i32::MAX);
    // The runner tries again by itself, in the same pod.
    let retries = if wanted.has_runner { 0 } else { i32::try_from(run.spec.retries.limit).unwrap_or(i32::MAX) };
    let retries = task.backoff_limit.unwrap_or(retries);
    let mut job = Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(retries).filter(|_| !many),
            backoff_limit_per_index: Some(retries).filter(|_| many),
            completion_mode: many.then(|| "Indexed".to_owned()),
            completions: many.then_some(count),
            parallelism: many.then_some(count),
            pod_failure_policy: Some(rules(wanted, retries)).filter(|rules| !rules.is_empty()).map(|rules| PodFailurePolicy { rules }),
            suspend: wanted.waits.then_some(true),
            template,
            ttl_seconds_after_finished: Some(task.ttl.unwrap_or(KEPT)),
            ..JobSpec::default()
        }),
        status: None,
    };
    if let Some(queue) = task.queue.as_ref().filter(|_| !wanted.waits) {
        enqueue(&mut job, queue);
    }
    job
}

/// Its queue lets it begin: Kueue takes what has this label and is suspended, and nobody else may start it.
fn enqueue(job: &mut Job, queue: &str) {
    job.metadata.labels.get_or_insert_default().insert(QUEUE.to_owned(), queue.to_owned());
    job.spec.get_or_insert_default().suspend = Some(true);
}

/// What the end of a pod means. The first that fits decides.
fn rules(wanted: &Wanted<'_>, retries: i32) -> Vec<PodFailurePolicyRule> {
    let mut rules = Vec::new();
    if wanted.task.recover.disruption {
        // A pod that the cluster took away (evicted, preempted, its node lost) is replaced without counting.
        let disrupted = PodFailurePolicyOnPodConditionsPattern { type_: "DisruptionTarget".into(), status: "True".into() };
        rules.push(PodFailurePolicyRule { action: "Ignore".into(), on_pod_conditions: Some(vec![disrupted]), ..PodFailurePolicyRule::default() });
    }
    if wanted.has_runner && retries > 0 {
        // The runner has tried all that was asked for, and said why it failed.
        let final_word = PodFailurePolicyOnExitCodesRequirement { container_name: Some(MAIN.into()), operator: "In".into(), values: vec![1] };
        let action = if name::gathered(wanted.run).is_some() { "FailIndex" } else { "FailJob" };
        rules.push(PodFailurePolicyRule { action: action.into(), on_exit_codes: Some(final_word), ..PodFailurePolicyRule::default() });
    }
    rules
}

/// Of a run or a fan-out.
#[must_use]
pub fn metadata(run: &Run, labels: BTreeMap<String, String>, annotations: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta { name: Some(name::of_run(run)), labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }
}
