//! Removes what belongs to nothing any more, in a namespace and in the home.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::apply::{Access, patiently};
use super::name::{MANAGED_BY, SHARED};
use crate::error::{Error, Result};
use crate::model::name::RunId;

/// What is younger may still be at work.
const AGE: Duration = Duration::from_hours(1);

/// Removes what no Job or Deployment needs any more: the runner, and what was left without an owner, where there is none at all.
pub async fn sweep(access: &Access, dry_run: bool) -> Result<Vec<String>> {
    let serves = match has_any::<Deployment>(access).await? {
        Some(serves) => serves,
        // Of services that may not be seen the pods are.
        None => has_any::<Pod>(access).await?.unwrap_or(true),
    };
    if serves || has_any::<Job>(access).await?.unwrap_or(true) {
        return Ok(Vec::new());
    }
    let maps = access.api::<ConfigMap>();
    let shared = ListParams::default().labels(&format!("{}={},{SHARED}", MANAGED_BY.0, MANAGED_BY.1));
    let found = patiently(|| maps.list_metadata(&shared)).await.map_err(|error| access.refused::<ConfigMap>("list", "", &error))?;
    let (mut swept, params) = (Vec::new(), DeleteParams::default());
    // What has an owner goes with it, by the cluster itself.
    for map in found.items.into_iter().filter(|map| map.owner_references().is_empty()) {
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

/// Whether there is one of ours. None where we may not know.
async fn has_any<K>(access: &Access) -> Result<Option<bool>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let api = access.api::<K>();
    let one = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)).limit(1);
    match patiently(|| api.list_metadata(&one)).await {
        Ok(found) => Ok(Some(!found.items.is_empty())),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(None),
        Err(error) => Err(access.refused::<K>("list", "", &error)),
    }
}

/// Removes what is kept by run id, of runs that have ended. A client that died left it.
pub fn folders(folders: &[&Path], open: &HashSet<RunId>, dry_run: bool) -> Result<Vec<String>> {
    let mut swept = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in entries.filter(|path| is_old(path) && !run_of(path).is_some_and(|run| open.contains(&run))) {
            if !dry_run {
                let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.map_err(|error| Error::backend(format!("{} cannot be removed: {error}", path.display()), "remove it by hand, or give yourself the right"))?;
            }
            swept.push(path.display().to_string());
        }
    }
    Ok(swept)
}

fn run_of(path: &Path) -> Option<RunId> {
    path.file_name()?.to_str()?.parse().ok()
}

fn is_old(path: &Path) -> bool {
    path.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > AGE))
}
