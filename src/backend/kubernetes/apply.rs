//! Step *execute*: objects are created, once for each run whatever happens.

use std::collections::BTreeMap;

use bytes::Bytes;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::doubt::Doubt;
use super::name::{self, MANAGER};
use super::object::{config_map, secret};
use super::patience::{Pace, is_answer, is_undone, once, passes};
pub use super::patience::{explain, patiently};
use super::target::Target;
use crate::backend::Luggage;
use crate::error::{Error, Result};

/// Whether an object that is there may be looked at.
#[derive(Clone, Copy)]
pub enum Reads {
    Yes,
    No,
}

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
    /// After an error it is certain that it is not there and will not be: where an answer was lost, it goes on until one comes.
    /// `doubt` is told of that; one that was raised before says that much depends on this object, so that it goes on where the API server is away.
    pub async fn create<K>(&self, object: &K, doubt: &Doubt, reads: Reads) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let (api, params) = (self.api::<K>(), PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() });
        let (name, mut pace, mut lost) = (object.name_any(), Pace::default(), false);
        loop {
            let error = match once(api.create(&params, object)).await {
                Ok(there) => return Ok(there),
                Err(error) => error,
            };
            lost |= !is_undone(&error);
            if lost {
                doubt.raise(&explain(&error));
            }
            let pause = pace.after(&error);
            let (there_already, busy) = match &error {
                kube::Error::Api(status) => (status.is_already_exists(), status.is_conflict() && !status.is_already_exists()),
                _ => (false, false),
            };
            let later = busy || pace.passes(&error);
            if later && (!pace.is_over_after(pause) || (doubt.is_raised() && !is_answer(&error))) {
                tokio::time::sleep(pause).await;
                continue;
            }
            match reads {
                // A try before this one made it, or nobody of ours did.
                Reads::No if there_already && lost => return Ok(object.clone()),
                Reads::No if there_already => return Err(self.foreign::<K>(&name)),
                Reads::No => return Err(self.refused::<K>("create", &name, &error)),
                Reads::Yes if !there_already && !lost => return Err(self.refused::<K>("create", &name, &error)),
                Reads::Yes => {}
            }
            match once(api.get_opt(&name)).await {
                Ok(Some(there)) if same_identity(object, &there) => return Ok(there),
                Ok(Some(_)) => return Err(self.foreign::<K>(&name)),
                Ok(None) if !there_already => return Err(self.refused::<K>("create", &name, &error)),
                Ok(None) if lost => {
                    return Err(Error::backend(format!("{} {name} in {} was deleted as soon as it was made", K::kind(&()), self.target), "see who deletes there what others make"));
                }
                // It went in between.
                Ok(None) => tokio::time::sleep(pause).await,
                Err(other) if passes(&other) => {
                    doubt.raise(&explain(&other));
                    tokio::time::sleep(pause).await;
                }
                Err(other) => return Err(self.refused::<K>("get", &name, &other)),
            }
        }
    }

    /// A ConfigMap that several runs share: it is there afterwards, and, where an owner is given, goes when its last owner does.
    pub async fn share(&self, map: &ConfigMap, owner: Option<&OwnerReference>, doubt: &Doubt) -> Result<()> {
        let (api, name) = (self.api::<ConfigMap>(), map.name_any());
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        loop {
            // It is looked at first: where a quota is used up, even what is there already could not be created.
            let there = self.surely(doubt, || api.get_metadata_opt(&name)).await.map_err(|error| self.refused::<ConfigMap>("get", &name, &error))?;
            let (uid, owners) = match there {
                Some(there) if !is_alike(&map.metadata, &there.metadata) => return Err(self.foreign::<ConfigMap>(&name)),
                Some(there) => (there.metadata.uid, there.metadata.owner_references),
                None => {
                    let mut map = map.clone();
                    map.metadata.owner_references = owner.map(|owner| vec![owner.clone()]);
                    let made = self.create(&map, doubt, Reads::Yes).await?;
                    (made.metadata.uid, made.metadata.owner_references)
                }
            };
            let Some(owner) = owner.filter(|owner| !owners.iter().flatten().any(|known| known.uid == owner.uid)) else { return Ok(()) };
            // A strategic merge joins the lists of owners; only if it is still the same object.
            let add = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"uid": uid, "ownerReferences": [owner]}});
            let add = Patch::Strategic(&add);
            match self.surely(doubt, || api.patch_metadata(&name, &params, &add)).await {
                Ok(_) => return Ok(()),
                // It went, and perhaps came again, meanwhile.
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                Err(error) => return Err(self.refused::<ConfigMap>("patch", &name, &error)),
            }
        }
    }

    /// A request that may be made twice: as patiently as any other, and where much depends on it for as long as the API server is away.
    pub async fn surely<T, F, Answer>(&self, doubt: &Doubt, mut request: F) -> kube::Result<T>
    where
        F: FnMut() -> Answer,
        Answer: Future<Output = kube::Result<T>>,
    {
        loop {
            match patiently(&mut request).await {
                Err(error) if doubt.is_raised() && passes(&error) && !is_answer(&error) => {}
                answer => return answer,
            }
        }
    }

    fn foreign<K: Resource<DynamicType = ()>>(&self, name: &str) -> Error {
        Error::conflict(
            format!("{} {name} is there already in {}, and is not Runwright's", K::kind(&()), self.target),
            format!("look at it: kubectl get {} {name} -o yaml; delete or rename it", K::plural(&())),
        )
    }

    /// Puts the runner where pods find it.
    pub async fn put_runner(&self, name: &str, zip: Bytes) -> Result<()> {
        self.share(&config_map::binary(name, name::SHARED, "runner", "runner.zip", zip), None, &Doubt::default()).await
    }

    /// Lets a Job go on that waited for other runs, with the inputs that have come. One that went on already stays as it is.
    pub async fn release(&self, job: Value, luggage: Luggage) -> Result<()> {
        let (api, job) = (self.api::<Job>(), typed::<Job>(job)?);
        let name = job.name_any();
        loop {
            let there = patiently(|| api.get_opt(&name)).await.map_err(|error| self.refused::<Job>("get", &name, &error))?;
            let Some(there) = there.filter(|there| there.annotations().contains_key(name::WAITS)) else { return Ok(()) };
            self.attach(&there, owner(&there), BTreeMap::new(), luggage.pieces.clone(), &Doubt::default()).await?;
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

    /// What goes along with a Job (or Deployment) and belongs to it: the Secret, then the luggage.
    pub async fn attach<K: Resource>(&self, to: &K, owner: OwnerReference, secrets: BTreeMap<String, String>, pieces: Vec<Bytes>, doubt: &Doubt) -> Result<()> {
        let name = to.name_any();
        let labels = to.labels().clone();
        if !secrets.is_empty() {
            // It is not looked at, so that nobody needs a right to read Secrets.
            let secret: Secret = secret::secret(&name, labels, owner.clone(), secrets);
            self.create(&secret, doubt, Reads::No).await?;
        }
        for (piece, content) in pieces.into_iter().enumerate() {
            let mut map: ConfigMap = config_map::binary(&name::of_piece(&name, piece), name::SHARED, "luggage", "luggage", content);
            map.metadata.owner_references = Some(vec![owner.clone()]);
            self.create(&map, doubt, Reads::Yes).await?;
        }
        Ok(())
    }

    /// What the API server says where the namespace is being deleted, or is gone. None where it is not, or cannot be asked.
    pub async fn is_terminating(&self) -> Option<String> {
        let probe: ConfigMap = config_map::binary("runwright-probe", name::SHARED, "probe", "probe", Bytes::new());
        let params = PostParams { dry_run: true, field_manager: Some(MANAGER.into()) };
        match self.api::<ConfigMap>().create(&params, &probe).await {
            Err(kube::Error::Api(status)) if status.message.contains("being terminated") || (status.code == 404 && status.message.contains("namespaces ")) => {
                Some(status.message.clone())
            }
            _ => None,
        }
    }

    /// The error of a request that was refused.
    pub fn refused<K: Resource<DynamicType = ()>>(&self, verb: &str, name: &str, error: &kube::Error) -> Error {
        let refused = super::diagnose::refused::request(&K::plural(&()), &K::group(&()), verb, name, &self.target, error);
        if passes(error) { refused.passing() } else { refused }
    }
}

/// A manifest of our own making.
pub fn typed<K: DeserializeOwned>(manifest: Value) -> Result<K> {
    serde_json::from_value(manifest).map_err(|error| Error::backend(format!("a manifest cannot be read: {error}"), "this is a fault of Runwright; please report it"))
}

/// The owner reference to a Job, or to what has its names.
#[must_use]
pub fn owner<K: Resource>(job: &K) -> OwnerReference {
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
    is_alike(ours.meta(), there.meta())
}

fn is_alike(ours: &ObjectMeta, there: &ObjectMeta) -> bool {
    let label = |object: &ObjectMeta, name: &str| object.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
    [name::MANAGED_BY.0, name::RUN, name::MAP, name::SHARED].into_iter().all(|name| label(ours, name) == label(there, name))
}
