//! Run: one execution of one action, and its record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::{Digest, Name, RunId};
use super::resources::Resources;
use super::state::State;
use super::task::{TaskParameters, strict};
use crate::error::{Error, Result};

/// The record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub key: String,
    pub project: Name,
    pub function: Name,
    pub kind: Name,
    pub version: Digest,
    pub action: Name,
    pub spec: RunSpec,
    /// Where it executes: `local`, `inline`, …
    pub backend: Name,
    /// What executes it there.
    #[serde(default)]
    pub reference: Map<String, Value>,
    /// The id of the client that submitted it (see the local backend's client locks).
    pub client: String,
    pub state: State,
    pub history: Vec<Transition>,
    #[serde(default)]
    pub attempts: u32,
    /// How the outputs make up the return value: `none`, `single`, `tuple`, `dict`.
    #[serde(default)]
    pub shape: Option<String>,
    /// The names of results and outputs, in the order in which they were returned.
    #[serde(default)]
    pub names: Vec<String>,
    /// Plain values, by name.
    #[serde(default)]
    pub results: Map<String, Value>,
    /// Keys of artifacts, dataitems and models, by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    #[serde(default)]
    pub metrics: BTreeMap<String, Vec<Point>>,
    /// Keys of the entities that it read.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Seconds by phase, as the runner measured them.
    #[serde(default)]
    pub marks: BTreeMap<String, f64>,
    /// What was measured of its way, in order: [`super::timeline`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// Seconds of execution, measured by a monotonic clock.
    #[serde(default)]
    pub seconds: Option<f64>,
    #[serde(default)]
    pub provenance: Map<String, Value>,
    #[serde(default)]
    pub error: Option<Failure>,
    /// The digest of version, action, parameters and inputs, by which `cache=True` finds it.
    #[serde(default)]
    pub cache_key: Option<Digest>,
    /// Where the archived log is, below the artifact store.
    #[serde(default)]
    pub log: Option<String>,
    /// Of a service: how it stands. None for what runs to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// How many bytes of the runner's events this record holds already.
    #[serde(default)]
    pub folded: u64,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// How a service stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// How many of it there should be.
    pub replicas: u32,
    /// How many of them answer.
    #[serde(default)]
    pub ready: u32,
    /// Where it is reached, from where it executes.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether it says itself when it is ready, or its place does. Else it is as soon as it runs.
    #[serde(default)]
    pub announces: bool,
    /// Why it does not come to answer with all that it should have, though it did before: a version that does not start, say. What answers goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Service {
    /// Whether all of it answers.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.ready >= self.replicas && self.replicas > 0
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    #[serde(default)]
    pub parameters: Map<String, Value>,
    #[serde(default)]
    pub inputs: BTreeMap<String, Input>,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub envs: BTreeMap<String, String>,
    /// Secrets by the name of their environment variable; each is a reference, never a value.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Seconds an attempt may take.
    #[serde(default)]
    pub timeout: Option<f64>,
    #[serde(default)]
    pub retries: Retries,
    /// Seconds between TERM and KILL when it is stopped.
    #[serde(default = "default_grace")]
    pub grace: f64,
    #[serde(default)]
    pub labels: Vec<String>,
    /// The image that was built of its version, and takes the place of image and requirements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<String>,
    /// The profile that it named, as it was then. Parameters and resources hold already what it says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The fan-out that it belongs to, and its place there.
    #[serde(default)]
    pub map: Option<MapItem>,
    /// Task parameters, as they were given: [`TaskParameters`].
    #[serde(default)]
    pub extra: Map<String, Value>,
}

impl RunSpec {
    /// The task parameters, read. An error names the field, its value and what would be right.
    pub fn task(&self) -> Result<TaskParameters> {
        TaskParameters::read(&self.extra)
    }
}

fn default_grace() -> f64 {
    10.0
}

/// What runs that name it say of the place where they execute, beside what they say themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub name: String,
    pub says: Map<String, Value>,
}

impl Profile {
    /// Its pod template, which lies under all others.
    pub fn pod_template(&self) -> Result<Option<PodTemplateSpec>> {
        let template = self.says.get("pod_template").filter(|template| !template.is_null());
        template.map(|template| strict::read("pod_template", template).map_err(|error| error.within(&format!("profiles.{}", self.name)))).transpose()
    }
}

/// An input that is not a plain JSON value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Input {
    /// An artifact, dataitem or model, by key. `as_entity`: the function gets the object that stands for it, else the value read back.
    Entity { key: String, as_entity: bool },
    /// Another run's return value, or one of its outputs.
    Run {
        run: RunId,
        #[serde(default)]
        output: Option<String>,
    },
    /// A value that the client materialised into its staging folder.
    Value { descriptor: Map<String, Value> },
}

/// How failed attempts are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// How many attempts may follow the first.
    pub limit: u32,
    /// Seconds before the first retry.
    pub delay: f64,
    /// By how much each delay is longer than the last.
    pub factor: f64,
    /// The longest delay, in seconds.
    pub max_delay: f64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { limit: 0, delay: 1.0, factor: 2.0, max_delay: 300.0 }
    }
}

/// A place in a fan-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapItem {
    pub id: String,
    pub index: u32,
    pub of: u32,
}

/// One step of a run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    pub state: State,
    pub time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A part of a run's way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub start: Timestamp,
    pub seconds: f64,
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    pub time: Timestamp,
}

/// Why a run did not complete: the cause, the evidence, what to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub cause: String,
    pub message: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Run {
    /// Moves to a state that the table allows, at a time that is never before the last one (clocks jump).
    pub fn transition(&mut self, state: State, time: Timestamp, message: Option<String>) -> Result<()> {
        if !self.state.next().contains(&state) {
            return Err(Error::conflict(format!("run {} is {}; it cannot become {state}", self.id, self.state), "look at its history with `runwright run show`"));
        }
        let time = self.history.last().map_or(time, |last| last.time.max(time));
        self.state = state;
        self.history.push(Transition { state, time, message });
        self.updated = self.updated.max(time);
        Ok(())
    }

    /// Notes an entity that it reads, once.
    pub fn read(&mut self, key: &str) {
        if !self.reads.iter().any(|known| known == key) {
            self.reads.push(key.to_owned());
        }
    }

    /// Whether there is something to wait for: an end, of a service that all of it answers or cannot come to.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        !self.state.is_final() && self.service.as_ref().is_none_or(|service| !service.is_ready() && service.failure.is_none())
    }

    /// When it reached a state first.
    #[must_use]
    pub fn reached(&self, state: State) -> Option<Timestamp> {
        self.history.iter().find(|step| step.state == state).map(|step| step.time)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::Run;

    /// A run as others' tests need one: submitted at the epoch's first second, with what its spec has.
    pub(crate) fn run(id: &str, spec: &Value) -> Run {
        serde_json::from_value(json!({
            "id": id, "key": format!("store://demo/run/python/{id}"), "project": "demo", "function": "train", "kind": "python", "version": "0".repeat(64), "action": "job",
            "spec": spec, "backend": "kubernetes", "client": "c", "state": "PENDING",
            "history": [{"state": "CREATED", "time": "1970-01-01T00:00:01Z"}, {"state": "PENDING", "time": "1970-01-01T00:00:01Z"}],
            "created": "1970-01-01T00:00:01Z", "updated": "1970-01-01T00:00:01Z",
        }))
        .expect("a run")
    }
}
