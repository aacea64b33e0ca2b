//! What a namespace would refuse of a pod is found out before anything is made, where it is likely: a BuildKit without root needs more than the Pod Security
//! Standards `baseline` and `restricted` allow, and a Job whose pods are refused is made all the same.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;

use super::apply::{Access, patiently};
use super::diagnose::refused;
use super::name::MANAGER;
use crate::error::{Error, Result};
use crate::model::run::Run;

/// An error where the namespace's rules do not admit the pod with a BuildKit. Who may not ask that is told by the run itself.
pub async fn buildkit(access: &Access, run: &Run, job: Job) -> Result<()> {
    let Some(template) = job.spec.map(|spec| spec.template) else { return Ok(()) };
    let metadata = ObjectMeta { name: job.metadata.name, ..template.metadata.unwrap_or_default() };
    let pod = Pod { metadata, spec: template.spec, status: None };
    let (api, params) = (access.api::<Pod>(), PostParams { dry_run: true, field_manager: Some(MANAGER.into()) });
    let Err(kube::Error::Api(status)) = patiently(|| api.create(&params, &pod)).await else { return Ok(()) };
    let fault = refused::pod(&status.message);
    if !matches!(fault.cause, "PodSecurity" | "AdmissionDenied") {
        return Ok(());
    }
    let address = "give the address of a BuildKit: buildkit=\"tcp://host:1234\", or RUNWRIGHT_BUILDKIT";
    let layers = if run.kind.as_str() == "python" { "; or leave instructions and Dockerfile out: the layer builder needs nothing special" } else { "" };
    Err(Error::invalid("building.buildkit", "", format!("{}: no BuildKit can be started in {}: {}", run.function, access.target, fault.message), format!("{address}{layers}"))
        .because(fault.cause))
}
