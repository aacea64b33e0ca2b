//! Step *execute*: objects are created, once for each run whatever happens.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::held::{held_job, let_job_go};
use super::name::{self, MANAGER};
use super::object::{config_map, secret};
use super::target::Target;
use crate::backend::Luggage;
use crate::error::{Error, Result};

/// How long a request that the API server did not take (429, 5xx, no connection) is tried again, all in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace, and a client for it.
#[derive(Clone)]
pub struct Access {
    pub client: Client,
    pub target: Target,
}

impl Access {
    /// The objects of one kind.
    #[must_use]
    pub fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.target.namespace)
    }

    /// Creates an object. One of that name that is ours already (a request whose answer was lost) is as good. Gives it as it is.
    pub async fn create<K>(&self, object: &K) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let (api, params) = (self.api::<K>(), PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() });
        let name = object.name_any();
        match patiently(|| api.create(&params, object)).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let there = patiently(|| api.get(&name)).await.map_err(|error| self.refused::<K>("get", &name, &error))?;
                if same_identity(object, &there) {
                    return Ok(there);
                }
                Err(Error::conflict(
                    format!("{} {name} is there already in {}, and is not Runwright's", K::kind(&()), self.target),
                    format!("look at it: kubectl get {} {name} -o yaml; delete or rename it", K::plural(&())),
                ))
            }
            other => other.map_err(|error| self.refused::<K>("create", &name, &error)),
        }
    }

    /// A ConfigMap that several runs share: it is there afterwards, and, where an owner is given, goes when its last owner does.
    pub async fn share(&self, map: &ConfigMap, owner: Option<&OwnerReference>) -> Result<()> {
        let mut map = map.clone();
        let Some(owner) = owner else { return self.create(&map).await.map(drop) };
        let (api, name) = (self.api::<ConfigMap>(), map.name_any());
        let add = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"ownerReferences": [owner]}});
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        map.metadata.owner_references = Some(vec![owner.clone()]);
        // A strategic merge joins the lists of owners.
        let add = Patch::Strategic(&add);
        match patiently(|| api.patch(&name, &params, &add)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => match self.create(&map).await {
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            },
            Err(error) => Err(self.refused::<ConfigMap>("patch", &name, &error)),
        }
    }

    /// Puts the runner where pods find it.
    pub async fn put_runner(&self, name: &str, zip: Bytes) -> Result<()> {
        self.share(&config_map::binary(name, name::SHARED, "runner", "runner.zip", zip), None).await
    }

    /// Creates the Job, then what belongs to it. After an error nothing of it is there. `held`: nothing of it starts before that is there.
    pub async fn hand_over(&self, job: Value, code: Value, held: bool, luggage: Luggage) -> Result<()> {
        let (job, code) = (typed::<Job>(job)?, typed::<Option<ConfigMap>>(code)?);
        let created = if held { self.create(&held_job(job.clone())).await? } else { self.create(&job).await? };
        let along = async {
            if let Some(code) = &code {
                self.share(code, Some(&OwnerReference { controller: None, ..owner(&created) })).await?;
            }
            self.attach(&created, luggage.secrets, luggage.pieces).await?;
            if held { self.let_go(&job).await } else { Ok(()) }
        };
        if let Err(error) = along.await {
            super::stop::remove_job(self, &created.name_any()).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Lets a Job begin that was held back.
    async fn let_go(&self, job: &Job) -> Result<()> {
        let (api, name, patch) = (self.api::<Job>(), job.name_any(), Patch::Merge(let_job_go(job)));
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        patiently(|| api.patch(&name, &params, &patch)).await.map(drop).map_err(|error| self.refused::<Job>("patch", &name, &error))
    }

    /// Lets a Job go on that waited for other runs, with the inputs that have come. One that went on already stays as it is.
    pub async fn release(&self, job: Value, luggage: Luggage) -> Result<()> {
        let (api, job) = (self.api::<Job>(), typed::<Job>(job)?);
        let name = job.name_any();
        loop {
            let there = patiently(|| api.get_opt(&name)).await.map_err(|error| self.refused::<Job>("get", &name, &error))?;
            let Some(there) = there.filter(|there| there.annotations().contains_key(name::WAITS)) else { return Ok(()) };
            self.attach(&there, BTreeMap::new(), luggage.pieces.clone()).await?;
            let annotations = job.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()).and_then(|metadata| metadata.annotations.clone());
            let patch = Patch::Merge(serde_json::json!({
                "metadata": {"resourceVersion": there.resource_version(), "labels": job.metadata.labels, "annotations": {name::WAITS: null}},
                "spec": {"suspend": job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or(false), "template": {"metadata": {"annotations": annotations}}},
            }));
            let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
            match patiently(|| api.patch(&name, &params, &patch)).await {
                // It changed meanwhile: look again.
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                other => return other.map(drop).map_err(|error| self.refused::<Job>("patch", &name, &error)),
            }
        }
    }

    /// What the API server would make of it. Secret values are not sent.
    pub async fn rehearse(&self, lowered: &Value) -> Result<Value> {
        let job: Job = typed(lowered.get("job").cloned().unwrap_or_default())?;
        let (api, params) = (self.api::<Job>(), PostParams { dry_run: true, field_manager: Some(MANAGER.into()) });
        let made = patiently(|| api.create(&params, &job)).await.map_err(|error| self.refused::<Job>("create", &job.name_any(), &error))?;
        let mut manifests = vec![serde_json::to_value(&made).unwrap_or_default()];
        manifests.extend(lowered.get("code").filter(|code| !code.is_null()).cloned());
        Ok(Value::Array(manifests))
    }

    /// What goes along with a Job and belongs to it: the Secret, then the luggage.
    pub async fn attach(&self, job: &Job, secrets: BTreeMap<String, String>, pieces: Vec<Bytes>) -> Result<()> {
        let (name, owner) = (job.name_any(), owner(job));
        let labels = job.metadata.labels.clone().unwrap_or_default();
        if !secrets.is_empty() {
            self.put_secret(&secret::secret(&name, labels, owner.clone(), secrets)).await?;
        }
        for (piece, content) in pieces.into_iter().enumerate() {
            let mut map: ConfigMap = config_map::binary(&name::of_piece(&name, piece), name::SHARED, "luggage", "luggage", content);
            map.metadata.owner_references = Some(vec![owner.clone()]);
            self.create(&map).await?;
        }
        Ok(())
    }

    /// Creates the Secret of a run. One that is there already is that of a request whose answer was lost: its name has the run's id, and its owner was
    /// ours just now. It is not looked at, so that nobody needs a right to read Secrets.
    async fn put_secret(&self, secret: &Secret) -> Result<()> {
        let (api, params) = (self.api::<Secret>(), PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() });
        match patiently(|| api.create(&params, secret)).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            other => other.map(drop).map_err(|error| self.refused::<Secret>("create", &secret.name_any(), &error)),
        }
    }

    /// The error of a request that was refused.
    pub fn refused<K: Resource<DynamicType = ()>>(&self, verb: &str, name: &str, error: &kube::Error) -> Error {
        super::diagnose::refused(&K::plural(&()), &K::group(&()), verb, name, &self.target, error)
    }
}

/// A manifest of our own making.
fn typed<K: DeserializeOwned>(manifest: Value) -> Result<K> {
    serde_json::from_value(manifest).map_err(|error| Error::backend(format!("a manifest cannot be read: {error}"), "this is a fault of Runwright; please report it"))
}

/// The owner reference to a Job.
#[must_use]
pub fn owner(job: &Job) -> OwnerReference {
    OwnerReference {
        api_version: "batch/v1".into(),
        kind: "Job".into(),
        name: job.name_any(),
        uid: job.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

/// Whether what is there is what we would have made: our label, and the same run or the same content.
fn same_identity<K: Resource>(ours: &K, there: &K) -> bool {
    let label = |object: &K, name: &str| object.meta().labels.as_ref().and_then(|labels| labels.get(name)).cloned();
    [name::MANAGED_BY.0, name::RUN, name::MAP, name::SHARED].into_iter().all(|name| label(ours, name) == label(there, name))
}

/// Tries again what the API server could not take just now.
pub async fn patiently<T, F, Answer>(mut request: F) -> kube::Result<T>
where
    F: FnMut() -> Answer,
    Answer: Future<Output = kube::Result<T>>,
{
    let (began, mut pause) = (tokio::time::Instant::now(), Duration::from_millis(100));
    loop {
        match request().await {
            Err(error) if passes(&error) && began.elapsed() + pause < PATIENCE => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Whether the same request may be taken a little later.
fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || (status.code >= 500 && status.code != 501),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// What went wrong, down to its cause: the outermost message of an HTTP client says little.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
}
