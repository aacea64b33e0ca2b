//! A hand-over: the Job (or Deployment) of a run is created, then what belongs to it.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::{Resource, ResourceExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::apply::{Access, Reads, owner, typed};
use super::doubt::Doubt;
use super::held::{held_deployment, held_job, let_deployment_go, let_job_go};
use super::name::MANAGER;
use super::{serving, stop};
use crate::backend::Luggage;
use crate::error::Result;

/// What is handed over, as it was lowered.
#[derive(Deserialize)]
pub struct HandOver {
    job: Option<Job>,
    /// Of what serves instead.
    deployment: Option<Deployment>,
    service: Option<Service>,
    /// What says how many of it there are.
    autoscaler: Option<HorizontalPodAutoscaler>,
    /// The code, where it does not fit into the Job.
    code: Option<ConfigMap>,
    /// Nothing of it starts before all of it is there.
    held: bool,
    #[serde(skip)]
    luggage: Luggage,
}

impl HandOver {
    pub fn of(lowered: &Value, luggage: Luggage) -> Result<Self> {
        Ok(Self { luggage, ..typed(lowered.clone())? })
    }

    /// What the run's objects are called.
    #[must_use]
    pub fn name(&self) -> String {
        self.job.as_ref().map(Job::name_any).or_else(|| self.deployment.as_ref().map(Deployment::name_any)).unwrap_or_default()
    }

    /// After an error it is certain that nothing of it is there; until then it goes on.
    pub async fn carry_out(self, access: &Access, doubt: &Doubt) -> Result<()> {
        match (self.job.clone(), self.deployment.clone()) {
            (Some(job), _) => Box::pin(self.job(access, job, doubt)).await,
            (None, Some(deployment)) => Box::pin(self.deployment(access, deployment, doubt)).await,
            (None, None) => Ok(()),
        }
    }

    async fn job(self, access: &Access, job: Job, doubt: &Doubt) -> Result<()> {
        let held = self.held;
        let created = Box::pin(access.create(&if held { held_job(job.clone()) } else { job.clone() }, doubt, Reads::Yes)).await?;
        let along = async {
            self.along(access, &created, owner(&created), doubt).await?;
            if held { let_go::<Job>(access, &created.name_any(), let_job_go(&job), doubt).await } else { Ok(()) }
        };
        let Err(error) = Box::pin(along).await else { return Ok(()) };
        // Its pod waits for what was refused: nothing of the user's has begun.
        while let Err(failed) = stop::remove_job(access, &created.name_any()).await {
            if !failed.passes() {
                return Err(failed);
            }
        }
        Err(error)
    }

    /// It is created without pods: they come when all that they need is there.
    async fn deployment(self, access: &Access, deployment: Deployment, doubt: &Doubt) -> Result<()> {
        let created = Box::pin(access.create(&held_deployment(deployment.clone()), doubt, Reads::Yes)).await?;
        let owner = OwnerReference { api_version: "apps/v1".into(), kind: "Deployment".into(), ..owner(&created) };
        let along = async {
            self.along(access, &created, owner, doubt).await?;
            let_go::<Deployment>(access, &created.name_any(), let_deployment_go(&deployment), doubt).await
        };
        let Err(error) = Box::pin(along).await else { return Ok(()) };
        while let Err(failed) = serving::remove_deployment(access, &created.name_any()).await {
            if !failed.passes() {
                return Err(failed);
            }
        }
        Err(error)
    }

    /// What belongs to it. From here on much depends on it: it is there, and waits.
    async fn along<K: Resource>(self, access: &Access, created: &K, owner: OwnerReference, doubt: &Doubt) -> Result<()> {
        doubt.raise("what belongs to it is still on its way");
        if let Some(code) = &self.code {
            Box::pin(access.share(code, Some(&OwnerReference { controller: None, ..owner.clone() }), doubt)).await?;
        }
        if let Some(mut service) = self.service {
            service.metadata.owner_references = Some(vec![owner.clone()]);
            Box::pin(access.create(&service, doubt, Reads::Yes)).await?;
        }
        if let Some(mut autoscaler) = self.autoscaler {
            autoscaler.metadata.owner_references = Some(vec![owner.clone()]);
            Box::pin(access.create(&autoscaler, doubt, Reads::Yes)).await?;
        }
        Box::pin(access.attach(created, owner, self.luggage.secrets, self.luggage.pieces, doubt)).await
    }
}

/// Lets begin what was held back.
async fn let_go<K>(access: &Access, name: &str, patch: Value, doubt: &Doubt) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let (api, patch) = (access.api::<K>(), Patch::Merge(patch));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    access.surely(doubt, || api.patch_metadata(name, &params, &patch)).await.map(drop).map_err(|error| access.refused::<K>("patch", name, &error))
}
