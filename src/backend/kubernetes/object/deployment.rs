//! The Deployment of a run that goes on until it is stopped.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::backend::kubernetes::name::RUN;
use crate::model::run::Run;
use crate::model::task::TaskParameters;

/// For how many seconds one that does not tell when it is ready must have been up to count as it.
const STAYS: i32 = 3;

#[must_use]
pub fn deployment(run: &Run, task: &TaskParameters, metadata: ObjectMeta, template: PodTemplateSpec) -> Deployment {
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(task.replicas_at_first()),
            min_ready_seconds: silent(&template).then_some(STAYS),
            // It never changes but in its number of pods.
            revision_history_limit: Some(0),
            selector: LabelSelector { match_labels: Some(selector(run)), match_expressions: None },
            // None ends before another answers.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment { max_surge: Some(IntOrString::Int(1)), max_unavailable: Some(IntOrString::Int(0)) }),
            }),
            template,
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// Whether nothing of it tells that it is ready.
fn silent(template: &PodTemplateSpec) -> bool {
    template.spec.as_ref().is_some_and(|spec| spec.containers.iter().all(|container| container.readiness_probe.is_none()))
}

/// By what its pods are found.
#[must_use]
pub fn selector(run: &Run) -> BTreeMap<String, String> {
    BTreeMap::from([(RUN.to_owned(), run.id.to_string())])
}
