//! What is about to end a run is asked of the API server itself: a board that is a little behind (its watches do not tell in one order), or that somebody
//! deceived who removed labels, must end no run wrongly.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{ListParams, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::apply::{Access, patiently};
use super::name::{self, FROZEN, MAIN, MANAGER};
use super::news::{self, Stand};
use super::seen::{SeenJob, SeenPod};
use super::serving::SeenDeployment;
use super::watch::Sight;
use crate::error::Result;
use crate::model::run::Run;
use crate::model::state::State;

/// The sight of a run, corrected where it ends the run.
pub async fn confirm(access: &Access, run: &Run, mut sight: Sight) -> Result<Sight> {
    let stopped = matches!(news::stand(run, &sight), Stand::Stopped { .. });
    let resumed = |job: &SeenJob| run.state == State::Resume && job.suspended && job.stopped.is_some();
    if let Some(known) = sight.job.as_ref().filter(|job| job.gone || stopped || resumed(job))
        && let Some(job) = find::<Job>(access, run, &known.name).await?.map(|job| SeenJob::of(&job)).filter(|job| job.uid == known.uid)
    {
        sight.job = Some(job);
    }
    if let Some(gone) = sight.deployment.as_ref().filter(|deployment| deployment.gone)
        && let Some(deployment) = find::<Deployment>(access, run, &name::of_run(run)).await?.map(|found| SeenDeployment::of(&found)).filter(|found| found.uid == gone.uid)
    {
        sight.deployment = Some(deployment);
    }
    if is_behind(run, &sight) {
        look_at_pods(access, run, &mut sight).await?;
    }
    Ok(sight)
}

/// Whether nobody wants any more that a run stands still.
pub async fn goes_on(access: &Access, run: &Run, sight: &Sight) -> Result<bool> {
    let stands = |job: &SeenJob| job.gone || (job.suspended && job.stopped.is_some());
    if let Some(deployment) = &sight.deployment {
        let found = if deployment.replicas > 0 { find::<Deployment>(access, run, &name::of_run(run)).await? } else { None };
        return Ok(found.is_some_and(|found| SeenDeployment::of(&found).replicas > 0));
    }
    let Some(known) = sight.job.as_ref().filter(|job| name::gathered(run).is_none() && !stands(job)) else { return Ok(false) };
    Ok(find::<Job>(access, run, &known.name).await?.is_some_and(|job| !stands(&SeenJob::of(&job))))
}

/// A Job (or Deployment) of a run. One that has lost its labels gets them again, so that the watches tell of it; another's of that name is none.
pub async fn find<K>(access: &Access, run: &Run, name: &str) -> Result<Option<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug + Templated,
{
    let (api, labels) = (access.api::<K>(), name::labels(run));
    let found = patiently(|| api.get_opt(name)).await.map_err(|error| access.refused::<K>("get", name, &error))?;
    let has = |object: &K, label: &str| object.meta().labels.as_ref().and_then(|there| there.get(label)) == labels.get(label);
    let is_labelled = |object: &K| [name::MANAGED_BY.0, name::RUN, name::MAP].iter().all(|label| has(object, label));
    let Some(found) = found.filter(|found| is_labelled(found) || found.is_ours()) else { return Ok(None) };
    // One that was made for a later attempt has labels of its own.
    if !is_labelled(&found) && name == name::of_run(run) {
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        match patiently(|| api.patch_metadata(name, &params, &patch)).await {
            // It went meanwhile.
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
            other => drop(other.map_err(|error| access.refused::<K>("patch", name, &error))?),
        }
    }
    Ok(Some(found))
}

/// What makes pods.
pub trait Templated {
    /// Whether its pods have what only ours have.
    fn is_ours(&self) -> bool;
}

impl Templated for Job {
    fn is_ours(&self) -> bool {
        let template = self.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        template.and_then(|metadata| metadata.annotations.as_ref()).is_some_and(|annotations| annotations.contains_key(FROZEN))
    }
}

impl Templated for Deployment {
    fn is_ours(&self) -> bool {
        let template = self.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        template.and_then(|metadata| metadata.annotations.as_ref()).is_some_and(|annotations| annotations.contains_key(FROZEN))
    }
}

/// Whether the run has ended, and the pod that tells of its end is not known to have.
fn is_behind(run: &Run, sight: &Sight) -> bool {
    match news::stand(run, sight) {
        Stand::Stopped { pod } | Stand::Gone { pod } | Stand::Ended { pod, .. } => pod.is_none_or(|pod| pod.gone || pod.container(MAIN).is_none_or(|main| main.ended.is_none())),
        _ => false,
    }
}

/// Its pods as they are.
async fn look_at_pods(access: &Access, run: &Run, sight: &mut Sight) -> Result<()> {
    let Some(job) = sight.job.as_ref().map(|job| job.name.clone()) else { return Ok(()) };
    let api = access.api::<Pod>();
    let index = name::gathered(run).map(|map| map.index);
    let mut labels = format!("batch.kubernetes.io/job-name={job}");
    if let Some(index) = index {
        labels = format!("{labels},batch.kubernetes.io/job-completion-index={index}");
    }
    let params = ListParams::default().labels(&labels);
    let found = patiently(|| api.list(&params)).await.map_err(|error| access.refused::<Pod>("list", &job, &error))?;
    for pod in sight.pods.values_mut().filter(|pod| pod.job == job && (index.is_none() || pod.index == index)) {
        pod.gone = true;
    }
    sight.pods.extend(found.items.iter().filter_map(SeenPod::of).map(|pod| (pod.name.clone(), pod)));
    Ok(())
}
