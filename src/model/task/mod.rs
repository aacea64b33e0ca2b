//! Task parameters: what a run says of the place where it executes, in the platform's words. Only a cluster heeds all of them; they are checked and recorded
//! everywhere, so that a function moves to one unchanged.

pub mod autoscale;
pub mod names;
pub mod recovery;
pub mod strict;
pub mod volume;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Affinity, PodTemplateSpec, SecurityContext, Toleration};
use serde_json::{Map, Value};

use self::autoscale::Autoscale;
use self::names::{KEY, LABEL, OBJECT, SERVICE, VALUE};
use self::recovery::Recovery;
use self::strict::snake;
use self::volume::Volume;
use super::fields::{Fields, not};
use super::image;
use super::workload::PullPolicy;
use crate::error::{Error, Result};

/// The parameters, as they were given. What was not given is None or empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskParameters {
    /// The name of a profile; what it says is in the rest already.
    pub profile: Option<String>,
    pub node_selector: BTreeMap<String, String>,
    pub affinity: Option<Affinity>,
    pub tolerations: Vec<Toleration>,
    pub runtime_class: Option<String>,
    pub priority_class: Option<String>,
    /// The queue that lets it begin.
    pub queue: Option<String>,
    pub volumes: Vec<Volume>,
    pub run_as_user: Option<i64>,
    pub run_as_group: Option<i64>,
    pub fs_group: Option<i64>,
    /// That of the container that executes the run.
    pub security_context: Option<SecurityContext>,
    /// Instead of the function's image.
    pub image: Option<String>,
    pub image_pull_policy: Option<PullPolicy>,
    pub image_pull_secrets: Vec<String>,
    pub annotations: BTreeMap<String, String>,
    /// What no other parameter says.
    pub pod_template: Option<PodTemplateSpec>,
    /// How many pods may fail before the run has.
    pub backoff_limit: Option<i32>,
    /// Seconds for which an ended run stays in the cluster.
    pub ttl: Option<i32>,
    /// Seconds for which a fault that may be mended (an image that cannot be pulled, a secret that is not there) may keep it from beginning.
    pub start_timeout: Option<f64>,
    /// Seconds for which it may wait to begin, whatever for.
    pub pending_timeout: Option<f64>,
    /// What is done by itself after some faults.
    pub recover: Recovery,
    /// How many of a service there are.
    pub replicas: Option<i32>,
    /// Their number follows what they use.
    pub autoscale: Option<Autoscale>,
    pub service_ports: Vec<ServicePort>,
    pub service_type: Option<ServiceType>,
    pub service_name: Option<String>,
    /// Of a function that is served: settings of the server.
    pub serving: Map<String, Value>,
    /// Of an image that is built: settings of the builder.
    pub building: Map<String, Value>,
}

/// A port of a service, and that of its containers behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServicePort {
    pub port: u16,
    pub target_port: u16,
}

/// From where a service is reached; the names are Kubernetes' own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceType {
    ClusterIP,
    NodePort,
    LoadBalancer,
}

impl ServiceType {
    const ALL: [Self; 3] = [Self::ClusterIP, Self::NodePort, Self::LoadBalancer];

    /// As Kubernetes writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// The names of all of them.
pub const FIELDS: [&str; 29] = [
    "profile",
    "node_selector",
    "affinity",
    "tolerations",
    "runtime_class",
    "priority_class",
    "queue",
    "volumes",
    "run_as_user",
    "run_as_group",
    "fs_group",
    "security_context",
    "image",
    "image_pull_policy",
    "image_pull_secrets",
    "annotations",
    "pod_template",
    "backoff_limit",
    "ttl",
    "start_timeout",
    "pending_timeout",
    "recover",
    "replicas",
    "autoscale",
    "service_ports",
    "service_type",
    "service_name",
    "serving",
    "building",
];

/// The settings of the server that a run may give; where it listens is the place's to say. Their values are checked by the server, which knows them.
pub const SERVING: [&str; 15] =
    ["port", "workers", "concurrency", "queue", "max_body", "timeout", "grace", "drain", "keep_alive", "head_timeout", "log_requests", "metrics", "debug", "init", "form"];

/// The settings of the builder that a run may give: `docs/decisions/0006-an-image-is-base-and-layers.md`.
pub const BUILDING: [&str; 17] = [
    "target",
    "base_image",
    "instructions",
    "dockerfile",
    "builder",
    "buildkit",
    "buildkit_image",
    "credentials",
    "insecure",
    "env",
    "prefix",
    "platform",
    "installer_env",
    "compiled",
    "force",
    "serve",
    "epoch",
];

/// The prefix of our own annotations.
const OURS: &str = "runwright.dev/";

impl TaskParameters {
    /// Reads what a run's record holds of them (`spec.extra`). An error names the field, its value and what would be right.
    pub fn read(all: &Map<String, Value>) -> Result<Self> {
        // Most runs have none.
        if all.is_empty() {
            return Ok(Self::default());
        }
        let fields = Fields::read("a run", "", all, &FIELDS)?;
        let number = |field: &str, meaning: &str| fields.whole(field, 0, meaning).and_then(|number| small(&fields, field, number));
        let replicas = number("replicas", "a number from 0 on")?;
        Ok(Self {
            profile: named(&fields, "profile")?,
            node_selector: node_selector(&fields)?,
            affinity: mapping(&fields, "affinity")?,
            tolerations: fields.list("tolerations", "a list of tolerations", toleration)?,
            runtime_class: named(&fields, "runtime_class")?,
            priority_class: named(&fields, "priority_class")?,
            queue: fields.value("queue").map(|value| LABEL.check_value("queue", value).map(str::to_owned)).transpose()?,
            volumes: volume::read(&fields)?,
            run_as_user: identity(&fields, "run_as_user")?,
            run_as_group: identity(&fields, "run_as_group")?,
            fs_group: identity(&fields, "fs_group")?,
            security_context: mapping(&fields, "security_context")?,
            image: an_image(&fields)?,
            image_pull_policy: PullPolicy::read(&fields)?,
            image_pull_secrets: fields.list("image_pull_secrets", "a list of names of secrets", |place, value| OBJECT.check_value(&place, value).map(str::to_owned))?,
            annotations: annotations(&fields)?,
            pod_template: pod_template(&fields)?,
            backoff_limit: number("backoff_limit", "a number of attempts from 0 on")?,
            ttl: number("ttl", "a whole number of seconds from 0 on")?,
            start_timeout: seconds(&fields, "start_timeout")?,
            pending_timeout: seconds(&fields, "pending_timeout")?,
            recover: Recovery::read(&fields)?,
            replicas,
            autoscale: Autoscale::read(&fields, replicas)?,
            service_ports: service_ports(&fields)?,
            service_type: service_type(&fields)?,
            service_name: fields.value("service_name").map(|value| SERVICE.check_value("service_name", value).map(str::to_owned)).transpose()?,
            serving: settings(&fields, "serving", &SERVING, "settings of the server, such as {\"workers\": 2}")?,
            building: settings(&fields, "building", &BUILDING, "settings of the builder, such as {\"target\": \"registry.example/team/image\"}")?,
        })
    }
}

impl TaskParameters {
    /// How many of a service there are to begin with.
    #[must_use]
    pub fn replicas_at_first(&self) -> i32 {
        self.replicas.or(self.autoscale.map(|autoscale| autoscale.min)).unwrap_or(1)
    }
}

/// Labels of a run: each a word, or a word and its value (`team=risk`), as Kubernetes takes them.
pub fn check_labels(labels: &[String]) -> Result<()> {
    for (at, label) in labels.iter().enumerate() {
        let field = format!("labels[{at}]");
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        KEY.check(&field, key)?;
        VALUE.check(&field, value)?;
    }
    Ok(())
}

fn named(fields: &Fields, field: &str) -> Result<Option<String>> {
    fields.value(field).map(|value| OBJECT.check_value(&fields.place_of(field), value).map(str::to_owned)).transpose()
}

/// A mapping in Kubernetes' own form.
fn mapping<'a, T: serde::Deserialize<'a>>(fields: &Fields<'a>, field: &str) -> Result<Option<T>> {
    fields.value(field).map(|value| strict::read(&fields.place_of(field), value)).transpose()
}

fn settings(fields: &Fields, field: &str, known: &[&str], meaning: &str) -> Result<Map<String, Value>> {
    let Some(given) = fields.value(field) else { return Ok(Map::new()) };
    let given = given.as_object().ok_or_else(|| not(field, given, meaning))?;
    Fields::read(field, field, given, known)?;
    Ok(given.clone())
}

fn small(fields: &Fields, field: &str, number: Option<i64>) -> Result<Option<i32>> {
    let place = fields.place_of(field);
    number
        .map(|number| i32::try_from(number).map_err(|_| Error::invalid(&place, number, format!("{place}={number} is too large"), format!("give at most {}", i32::MAX))))
        .transpose()
}

fn seconds(fields: &Fields, field: &str) -> Result<Option<f64>> {
    fields.get(field, "a number of seconds from 0 on, such as 300", |value| value.as_f64().filter(|seconds| *seconds >= 0.0))
}

/// The id of a user or group. The platform has it as text, too.
fn identity(fields: &Fields, field: &str) -> Result<Option<i64>> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).filter(|id| (0..=i64::from(i32::MAX)).contains(id));
    fields.get(field, "an id from 0 on, such as 1000", number)
}

/// The platform's list of keys and values, or a mapping.
fn node_selector(fields: &Fields) -> Result<BTreeMap<String, String>> {
    const FORM: &str = "a mapping of labels of nodes, such as {\"kubernetes.io/arch\": \"amd64\"}";
    let check = |place: &str, key: &str, value: &Value| Ok((KEY.check(place, key)?.to_owned(), VALUE.check_value(place, value)?.to_owned()));
    match fields.value("node_selector") {
        None => Ok(BTreeMap::new()),
        Some(Value::Object(all)) => all.iter().map(|(key, value)| check(&format!("node_selector.{key}"), key, value)).collect(),
        Some(_) => {
            let pair = |place: String, item: &Value| {
                let pair = Fields::read("an item of node_selector", place.clone(), item.as_object().ok_or_else(|| not(&place, item, FORM))?, &["key", "value"])?;
                let key = pair.required("key", "a label of nodes", pair.text("key", "a label of nodes")?)?;
                check(&place, key, pair.required("value", "its value", pair.value("value"))?)
            };
            fields.list("node_selector", FORM, pair).map(|pairs| pairs.into_iter().collect())
        }
    }
}

fn toleration(place: String, value: &Value) -> Result<Toleration> {
    let read: Toleration = strict::read(&place, value)?;
    let all = snake(value.as_object().unwrap_or(&Map::new()));
    let fields = Fields::read("a toleration", place, &all, &["key", "operator", "value", "effect", "toleration_seconds"])?;
    let operator = fields.choice("operator", &["Equal", "Exists"])?.unwrap_or("Equal");
    let effect = fields.choice("effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"])?;
    let wrong = |field: &str, why: &str, cure: &str| {
        let place = fields.place_of(field);
        let value = fields.value(field).cloned().unwrap_or_default();
        Err(Error::invalid(&place, &value, format!("{place}={value}: {why}"), cure))
    };
    match read.key.as_deref().unwrap_or_default() {
        "" if operator != "Exists" => {
            return wrong("key", "without a key, only operator \"Exists\" is possible", "give the key of the taint, or operator=\"Exists\" for every taint");
        }
        "" => {}
        key => drop(KEY.check(&fields.place_of("key"), key)?),
    }
    match read.value.as_deref().unwrap_or_default() {
        "" => {}
        _ if operator == "Exists" => return wrong("value", "operator \"Exists\" takes no value", "leave the value out, or use operator=\"Equal\""),
        value => drop(VALUE.check(&fields.place_of("value"), value)?),
    }
    if read.toleration_seconds.is_some() && effect != Some("NoExecute") {
        return wrong("toleration_seconds", "it has a meaning with effect \"NoExecute\" only", "leave it out, or give effect=\"NoExecute\"");
    }
    Ok(read)
}

fn an_image(fields: &Fields) -> Result<Option<String>> {
    let given = fields.text("image", image::AN_IMAGE)?;
    given.map(|text| image::check("image", text).map(|()| text.to_owned())).transpose()
}

fn annotations(fields: &Fields) -> Result<BTreeMap<String, String>> {
    let mut annotations = BTreeMap::new();
    for (key, value) in fields.get("annotations", "a mapping of text, such as {\"example.com/owner\": \"me\"}", Value::as_object)?.into_iter().flatten() {
        let place = format!("annotations.{key}");
        KEY.check(&place, key)?;
        if key.starts_with(OURS) {
            return Err(Error::invalid(&place, value, format!("{place}: keys that begin with {OURS} are Runwright's own"), "use a prefix of your own, or none"));
        }
        annotations.insert(key.clone(), value.as_str().ok_or_else(|| not(&place, value, "text"))?.to_owned());
    }
    Ok(annotations)
}

fn pod_template(fields: &Fields) -> Result<Option<PodTemplateSpec>> {
    const FORM: &str = "a mapping of a pod's metadata and spec, such as {\"spec\": {\"hostNetwork\": true}}";
    fields.get("pod_template", FORM, |value| value.is_object().then_some(value))?.map(|value| strict::read("pod_template", value)).transpose()
}

fn service_ports(fields: &Fields) -> Result<Vec<ServicePort>> {
    const FORM: &str = "a list of ports, such as [{\"port\": 80, \"target_port\": 8080}]";
    const A_PORT: &str = "a number of a port, 1 to 65535";
    let ports = fields.list("service_ports", FORM, |place, item| {
        let all = snake(item.as_object().ok_or_else(|| not(&place, item, "a port, such as {\"port\": 80, \"target_port\": 8080}"))?);
        let fields = Fields::read("a port", place, &all, &["port", "target_port"])?;
        let number = |field: &str| fields.get(field, A_PORT, |value| value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0));
        let port = fields.required("port", A_PORT, number("port")?)?;
        Ok(ServicePort { port, target_port: number("target_port")?.unwrap_or(port) })
    })?;
    let mut seen = BTreeSet::new();
    match ports.iter().position(|port| !seen.insert(port.port)) {
        None => Ok(ports),
        Some(at) => {
            let field = format!("service_ports[{at}].port");
            Err(Error::invalid(&field, ports[at].port, format!("{field}={} is there twice", ports[at].port), "give each port once"))
        }
    }
}

fn service_type(fields: &Fields) -> Result<Option<ServiceType>> {
    let given = fields.choice("service_type", &ServiceType::ALL.map(ServiceType::as_str))?;
    Ok(ServiceType::ALL.into_iter().find(|of| given == Some(of.as_str())))
}

#[cfg(test)]
mod tests;
