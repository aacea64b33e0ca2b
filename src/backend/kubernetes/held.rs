//! Objects that are held back. A pod of an image's own program cannot wait for the run's Secret as the runner does, so nothing of it may start before all that
//! it needs is there; and what a killed client leaves behind half-made must not wait for ever. So its Job is created without pods and with a deadline, and one
//! patch lets it go.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::name::{HELD, QUEUE};

/// How long a Job is held back before it is given up, in seconds: no client takes an hour to create a Secret.
const GIVEN_UP: i64 = 3600;

/// The same Job, of which nothing starts.
#[must_use]
pub fn held_job(mut job: Job) -> Job {
    job.metadata.annotations.get_or_insert_default().insert(HELD.to_owned(), "true".to_owned());
    // In a queue it would be suspended, and for a suspended Job no time passes.
    job.metadata.labels.get_or_insert_default().remove(QUEUE);
    let spec = job.spec.get_or_insert_default();
    spec.suspend = None;
    spec.parallelism = Some(0);
    spec.active_deadline_seconds = Some(GIVEN_UP);
    job
}

/// The merge patch after which a Job that was held back is the same as `job`.
#[must_use]
pub fn let_job_go(job: &Job) -> Value {
    let spec = job.spec.clone().unwrap_or_default();
    let mut patch = json!({
        "metadata": {"annotations": {HELD: null}},
        "spec": {"parallelism": spec.parallelism.unwrap_or(1), "activeDeadlineSeconds": spec.active_deadline_seconds},
    });
    if let Some(queue) = job.metadata.labels.as_ref().and_then(|labels| labels.get(QUEUE)) {
        patch["metadata"]["labels"] = json!({QUEUE: queue});
        patch["spec"]["suspend"] = true.into();
    }
    patch
}

/// The same Deployment, without pods.
#[must_use]
pub fn held_deployment(mut deployment: Deployment) -> Deployment {
    deployment.metadata.annotations.get_or_insert_default().insert(HELD.to_owned(), "true".to_owned());
    deployment.spec.get_or_insert_default().replicas = Some(0);
    deployment
}

/// The merge patch after which a Deployment that was held back is the same as `deployment`.
#[must_use]
pub fn let_deployment_go(deployment: &Deployment) -> Value {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    json!({"metadata": {"annotations": {HELD: null}}, "spec": {"replicas": replicas}})
}
