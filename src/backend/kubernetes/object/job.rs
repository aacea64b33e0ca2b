//! The Job of a run, or the Indexed Job of a fan-out.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backend::kubernetes::name;
use crate::model::function::Function;
use crate::model::run::Run;

/// How long an ended run waits in the cluster for a client that is away, in seconds: 3 days.
const KEPT: i32 = 3 * 24 * 3600;

/// `runs`: how many it is for. `waits`: it starts suspended, until somebody releases it.
#[must_use]
pub fn job(function: &Function, run: &Run, labels: BTreeMap<String, String>, template: PodTemplateSpec, runs: usize, waits: bool) -> Job {
    let many = run.spec.map.is_some();
    let count = i32::try_from(runs).unwrap_or(i32::MAX);
    let mut annotations = BTreeMap::new();
    if waits {
        annotations.insert(name::WAITS.to_owned(), "true".to_owned());
    }
    let mut version = serde_json::to_value(function).unwrap_or_default();
    if let Some(source) = version.get_mut("spec").and_then(|spec| spec.get_mut("source")).and_then(serde_json::Value::as_object_mut) {
        // The code is in the pod's template, or in a ConfigMap.
        source.remove("files");
        source.remove("binary");
    }
    annotations.insert(name::FUNCTION.to_owned(), version.to_string());
    Job {
        metadata: ObjectMeta { name: Some(name::of_run(run)), labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() },
        spec: Some(JobSpec {
            backoff_limit: Some(0).filter(|_| !many),
            backoff_limit_per_index: Some(0).filter(|_| many),
            completion_mode: many.then(|| "Indexed".to_owned()),
            completions: many.then_some(count),
            parallelism: many.then_some(count),
            pod_failure_policy: Some(PodFailurePolicy { rules: vec![retry_disruptions()] }),
            suspend: waits.then_some(true),
            ttl_seconds_after_finished: Some(KEPT),
            template,
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// A pod that the cluster took away (evicted, preempted, its node lost) is replaced without counting.
fn retry_disruptions() -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: "Ignore".into(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern { type_: "DisruptionTarget".into(), status: "True".into() }]),
        ..PodFailurePolicyRule::default()
    }
}
