//! Stop, delete, clean up.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::apply::{Access, patiently};
use super::name::{self, MANAGED_BY, MANAGER, SHARED};
use crate::error::Result;
use crate::model::run::Run;

/// Suspends the Job: its pods are told to end and have the run's grace for it. It stays, and may go on later.
pub async fn stop(access: &Access, run: &Run) -> Result<()> {
    let (api, name) = (access.api::<Job>(), name::of_run(run));
    let patch = json!({"metadata": {"annotations": {name::STOPPED: crate::model::time::now().to_string()}}, "spec": {"suspend": true}});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patch = Patch::Merge(&patch);
    match patiently(|| api.patch(&name, &params, &patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(access.refused::<Job>("patch", &name, &error)),
    }
}

/// Deletes the Job, and with it all that it owns.
pub async fn remove(access: &Access, run: &Run) -> Result<()> {
    remove_job(access, &name::of_run(run)).await
}

pub async fn remove_job(access: &Access, name: &str) -> Result<()> {
    let (api, params) = (access.api::<Job>(), DeleteParams::background());
    match patiently(|| api.delete(name, &params)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(access.refused::<Job>("delete", name, &error)),
    }
}

/// Removes what no Job needs any more: the runner and code, where there is no Job at all.
pub async fn sweep(access: &Access, dry_run: bool) -> Result<Vec<String>> {
    let (jobs, maps) = (access.api::<Job>(), access.api::<ConfigMap>());
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    let left = patiently(|| jobs.list_metadata(&ours)).await.map_err(|error| access.refused::<Job>("list", "", &error))?;
    if !left.items.is_empty() {
        return Ok(Vec::new());
    }
    let shared = ListParams::default().labels(&format!("{}={},{SHARED}", MANAGED_BY.0, MANAGED_BY.1));
    let found = patiently(|| maps.list_metadata(&shared)).await.map_err(|error| access.refused::<ConfigMap>("list", "", &error))?;
    let (mut swept, params) = (Vec::new(), DeleteParams::default());
    for map in found.items {
        let name = map.name_any();
        if !dry_run {
            match patiently(|| maps.delete(&name, &params)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                other => drop(other.map_err(|error| access.refused::<ConfigMap>("delete", &name, &error))?),
            }
        }
        swept.push(format!("configmap {name} in {}", access.target));
    }
    Ok(swept)
}
