//! The objects of a run, for people: checked by the API server before there are any, or read back from it. Values of secrets are neither sent nor read.

use std::collections::BTreeMap;

use bytes::Bytes;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use kube::api::PostParams;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::apply::{Access, patiently, typed};
use super::name::{self, FROZEN, ITEMS, MANAGER};
use super::object::config_map;
use super::packed;
use crate::backend::{Luggage, signed};
use crate::error::Result;
use crate::model::run::Run;

/// What is shown of a secret.
const HIDDEN: &str = "***";
/// Of an object's metadata: what the API server adds.
const OF_SERVER: [&str; 6] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
/// Labels that the Job controller adds.
const OF_CONTROLLER: [&str; 4] = ["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"];

impl Access {
    /// What the API server would make of a run's objects: each is checked by it, with what the namespace allows and has left, and nothing is kept.
    pub async fn rehearse(&self, lowered: &Value, luggage: &Luggage) -> Result<Vec<Value>> {
        let part = |part: &str| lowered.get(part).cloned().unwrap_or_default();
        let (job, deployment) = (typed::<Option<Job>>(part("job"))?, typed::<Option<Deployment>>(part("deployment"))?);
        let (service, code) = (typed::<Option<Service>>(part("service"))?, typed::<Option<ConfigMap>>(part("code"))?);
        let autoscaler = typed::<Option<HorizontalPodAutoscaler>>(part("autoscaler"))?;
        let mut manifests = Vec::new();
        let (name, labels) = match (&job, &deployment) {
            (Some(job), _) => (job.name_any(), job.labels().clone()),
            (None, Some(deployment)) => (deployment.name_any(), deployment.labels().clone()),
            (None, None) => return Ok(manifests),
        };
        manifests.extend(self.try_out(job.as_ref()).await?);
        manifests.extend(self.try_out(deployment.as_ref()).await?);
        manifests.extend(self.try_out(service.as_ref()).await?);
        manifests.extend(self.try_out(autoscaler.as_ref()).await?);
        manifests.extend(self.try_out(code.as_ref()).await?);
        if !luggage.secrets.is_empty() {
            let hidden = secret_of(&name, &labels, luggage.secrets.keys());
            self.try_out(Some(&typed::<Secret>(hidden.clone())?)).await?;
            manifests.push(hidden);
        }
        for (piece, content) in luggage.pieces.iter().enumerate() {
            manifests.extend(self.try_out(Some(&luggage_of(&name, piece, content.clone()))).await?);
        }
        Ok(manifests)
    }

    /// One that is there already, shared with other runs, is as good.
    async fn try_out<K>(&self, object: Option<&K>) -> Result<Option<Value>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let Some(object) = object else { return Ok(None) };
        let (api, params) = (self.api::<K>(), PostParams { dry_run: true, field_manager: Some(MANAGER.into()) });
        match patiently(|| api.create(&params, object)).await {
            Ok(made) => Ok(Some(shown(json!(made)))),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Some(shown(json!(object)))),
            Err(error) => Err(self.refused::<K>("create", &object.name_any(), &error)),
        }
    }

    /// The objects of a run that are there, as they were applied; none where its Job or Deployment is gone. `name`: of its newest Job or Deployment.
    pub async fn manifest(&self, run: &Run, name: &str) -> Result<Vec<Value>> {
        let owner = match run.service {
            None => self.read::<Job>(name).await?,
            Some(_) => self.read::<Deployment>(name).await?,
        };
        let Some(owner) = owner else { return Ok(Vec::new()) };
        let mut manifests = vec![owner];
        if run.service.is_some() {
            let task = run.spec.task()?;
            manifests.extend(self.read::<Service>(task.service_name.as_deref().unwrap_or(name)).await?);
            if task.autoscale.is_some() {
                manifests.extend(self.read::<HorizontalPodAutoscaler>(name).await?);
            }
        }
        for map in mounted(&manifests[0], "configMap", "name").into_iter().filter(|map| !map.starts_with(name::OF_RUNNER)) {
            manifests.extend(self.read::<ConfigMap>(&map).await?);
        }
        if !run.spec.secrets.is_empty() {
            let labels = serde_json::from_value(manifests[0].pointer("/metadata/labels").cloned().unwrap_or_default()).unwrap_or_default();
            manifests.push(secret_of(&name::of_run(run), &labels, run.spec.secrets.keys()));
        }
        Ok(manifests)
    }

    async fn read<K>(&self, name: &str) -> Result<Option<Value>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let api = self.api::<K>();
        let found = patiently(|| api.get_opt(name)).await.map_err(|error| self.refused::<K>("get", name, &error))?;
        Ok(found.map(|found| shown(json!(found))))
    }
}

fn luggage_of(name: &str, piece: usize, content: Bytes) -> ConfigMap {
    config_map::binary(&name::of_piece(name, piece), name::SHARED, "luggage", "luggage", content)
}

/// The Secret of a run, by its keys alone.
fn secret_of<'a>(name: &str, labels: &BTreeMap<String, String>, keys: impl Iterator<Item = &'a String>) -> Value {
    let hidden: Map<String, Value> = keys.map(|key| (key.clone(), HIDDEN.into())).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "type": "Opaque", "immutable": true, "stringData": hidden})
}

/// The names of what a pod mounts: of the volumes of a kind, the value of a field.
fn mounted(owner: &Value, kind: &str, field: &str) -> Vec<String> {
    let volumes = owner.pointer("/spec/template/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    volumes.filter_map(|volume| Some(volume.get(kind)?.get(field)?.as_str()?.to_owned())).collect()
}

/// An object as it was applied, or would be: without what the API server and controllers add, and without what signs a URL.
fn shown(mut object: Value) -> Value {
    let remove = |place: Option<&mut Value>, fields: &[&str]| {
        if let Some(Value::Object(place)) = place {
            place.retain(|name, _| !fields.contains(&name.as_str()));
        }
    };
    remove(Some(&mut object), &["status"]);
    remove(object.pointer_mut("/metadata"), &OF_SERVER);
    match object.get("kind").and_then(Value::as_str) {
        Some("Job") => {
            remove(object.pointer_mut("/spec"), &["selector"]);
            remove(object.pointer_mut("/spec/template/metadata"), &OF_SERVER);
            remove(object.pointer_mut("/metadata/labels"), &OF_CONTROLLER);
            remove(object.pointer_mut("/spec/template/metadata/labels"), &OF_CONTROLLER);
        }
        Some("Deployment") => {
            remove(object.pointer_mut("/spec/template/metadata"), &OF_SERVER);
            remove(object.pointer_mut("/metadata/annotations"), &["deployment.kubernetes.io/revision"]);
        }
        Some("Service") => remove(object.pointer_mut("/spec"), &["clusterIP", "clusterIPs"]),
        _ => {}
    }
    if let Some(Value::Object(annotations)) = object.pointer_mut("/spec/template/metadata/annotations") {
        for name in [FROZEN, ITEMS] {
            if let Some(Value::String(text)) = annotations.get_mut(name) {
                hide(text);
            }
        }
    }
    object
}

/// What signs a URL in a frozen run, or in the items of a fan-out.
fn hide(annotation: &mut String) {
    let Some(mut read) = packed::read_annotation(annotation) else { return };
    let before = read.clone();
    match &mut read {
        Value::Array(items) => items.iter_mut().for_each(signed::hide),
        frozen => signed::hide(frozen),
    }
    // What is as it was stays in the same bytes.
    if read != before
        && let Ok(text) = packed::annotation(&read)
    {
        *annotation = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_applied_is_shown_and_nothing_that_signs() {
        let frozen = json!({"id": "1", "pod": {"slots": ["https://store/0?X-Amz-Signature=abc"]}});
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "status": {"active": 1},
            "metadata": {"name": "rw-1", "uid": "u", "resourceVersion": "1", "managedFields": [], "labels": {"a": "b", "controller-uid": "u"}},
            "spec": {"selector": {}, "suspend": false, "template": {"metadata": {"creationTimestamp": null, "labels": {"job-name": "rw-1"}, "annotations": {FROZEN: frozen.to_string()}}}},
        });
        let shown = shown(job);
        assert_eq!(shown.pointer("/metadata"), Some(&json!({"name": "rw-1", "labels": {"a": "b"}})));
        assert_eq!(shown.pointer("/spec/template/metadata/labels"), Some(&json!({})));
        assert!(shown.get("status").is_none() && shown.pointer("/spec/selector").is_none() && shown.pointer("/spec/suspend") == Some(&false.into()));
        let text = shown.to_string();
        assert!(!text.contains("Signature") && text.contains("https://store/0?***"), "{text}");
    }

    #[test]
    fn a_secret_has_its_keys_alone() {
        let secret: Secret = serde_json::from_value(secret_of("rw-1", &BTreeMap::new(), ["TOKEN".to_owned()].iter())).expect("a Secret");
        assert_eq!(secret.string_data, Some(BTreeMap::from([("TOKEN".to_owned(), HIDDEN.to_owned())])));
    }
}
