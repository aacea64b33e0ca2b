//! Step 2, *record*: what was asked for is checked, and becomes a run's record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Engine;
use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::key::Key;
use crate::model::name::{Digest, Name, RunId};
use crate::model::project::Project;
use crate::model::resources::Resources;
use crate::model::run::{Input, MapItem, Profile, Retries, Run, RunSpec, Transition};
use crate::model::signature::{Signature, Type};
use crate::model::state::State;
use crate::model::task::{self, TaskParameters};
use crate::model::time;
use crate::runtime;

/// What is asked for.
#[derive(Debug, Deserialize)]
pub struct Request {
    pub project: String,
    /// The id that the run gets; a new one where the caller need not know it beforehand.
    #[serde(default)]
    pub id: Option<RunId>,
    pub function: String,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub action: Option<String>,
    #[serde(default)]
    pub parameters: Map<String, Value>,
    #[serde(default)]
    pub inputs: BTreeMap<String, Input>,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub envs: BTreeMap<String, String>,
    /// Names of secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    #[serde(default)]
    pub timeout: Option<f64>,
    #[serde(default)]
    pub retries: Option<Retries>,
    #[serde(default)]
    pub grace: Option<f64>,
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default)]
    pub map: Option<MapItem>,
    #[serde(default)]
    pub extra: Map<String, Value>,
    /// Of a run that is done again: the profile that it had.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// The place to run.
    #[serde(default = "local")]
    pub on: String,
    /// Where exactly, in the words of that place: a context and a namespace of Kubernetes.
    #[serde(default)]
    pub place: Map<String, Value>,
    /// Whether a finished run of the same version, parameters and inputs will do.
    #[serde(default)]
    pub cache: bool,
    /// The folder in which input values are materialised.
    #[serde(default)]
    pub staging: Option<PathBuf>,
}

fn local() -> String {
    "local".into()
}

impl Engine {
    /// The record that a request asks for. Nothing is written.
    pub(super) fn record(&self, project: &Project, function: &Function, mut request: Request, backend: &str) -> Result<Run> {
        let profile = self.under(function, &mut request)?;
        let runtime = self.runtimes.get(function.kind.as_str())?;
        let action = runtime::action(runtime.as_ref(), request.action.as_deref())?.into_owned();
        check_numbers(&request)?;
        request.resources.check()?;
        task::check_labels(&request.labels)?;
        TaskParameters::read(&request.extra)?.recover.check(&request.resources)?;
        let signature = function.signature();
        let (parameters, inputs) = keys_to_inputs(signature.as_ref(), request.parameters, request.inputs)?;
        if let Some(signature) = &signature
            && runtime.takes_arguments(&action)
        {
            signature.check(function.name.as_str(), &parameters, &inputs.keys().map(String::as_str).collect::<BTreeSet<_>>())?;
        }
        let secrets = request.secrets.iter().map(|name| Ok((name.clone(), crate::secrets::reference(project, name)?))).collect::<Result<_>>()?;
        let id = match (&request.map, request.id) {
            (Some(map), _) => RunId::of_item(map_id(map)?, map.index),
            (None, id) => id.unwrap_or_default(),
        };
        let now = time::now();
        Ok(Run {
            id,
            key: Key::run(&project.name, &function.kind, id),
            project: project.name.clone(),
            function: function.name.clone(),
            kind: function.kind.clone(),
            version: function.version.clone(),
            action: Name::parse("action", &action)?,
            spec: RunSpec {
                parameters,
                inputs,
                resources: request.resources,
                envs: request.envs,
                secrets,
                timeout: request.timeout,
                retries: request.retries.unwrap_or_default(),
                grace: request.grace.unwrap_or(10.0),
                labels: request.labels,
                built: None,
                profile,
                map: request.map,
                extra: request.extra,
            },
            backend: Name::parse("on", backend)?,
            reference: Map::new(),
            client: self.clients.id.clone(),
            state: State::Created,
            history: vec![Transition { state: State::Created, time: now, message: None }],
            attempts: 0,
            shape: None,
            names: Vec::new(),
            results: Map::new(),
            outputs: BTreeMap::new(),
            metrics: BTreeMap::new(),
            reads: Vec::new(),
            marks: BTreeMap::new(),
            phases: Vec::new(),
            seconds: None,
            provenance: self.provenance_of(function),
            error: None,
            cache_key: None,
            log: None,
            service: None,
            folded: 0,
            created: now,
            updated: now,
        })
    }
}

impl Engine {
    fn provenance_of(&self, function: &Function) -> Map<String, Value> {
        let mut provenance = self.provenance.now();
        if let Some(source) = function.spec.get("source") {
            provenance.insert("source_digest".into(), Digest::of_json(source).as_str().into());
        }
        provenance
    }
}

/// By what an equal run is found: version, action, parameters and the digests of the inputs.
pub(super) fn cache_key(run: &Run, inputs: &Map<String, Value>) -> Digest {
    let digests: Map<String, Value> =
        inputs.iter().map(|(name, input)| (name.clone(), input.get("sha256").or_else(|| input.get("key")).cloned().unwrap_or_else(|| input.clone()))).collect();
    Digest::of_json(&json!({"version": run.version, "action": run.action, "parameters": run.spec.parameters, "inputs": digests, "envs": run.spec.envs}))
}

/// The id of a fan-out, of which those of its runs are made.
fn map_id(map: &MapItem) -> Result<RunId> {
    let id: RunId = map.id.parse()?;
    if id.map() == id && map.index < map.of {
        return Ok(id);
    }
    Err(Error::invalid(
        "map",
        &map.id,
        format!("map {:?}, item {} of {}, is not a place in a fan-out", map.id, map.index, map.of),
        "the last 4 bytes of its id must be zero, and index below of",
    ))
}

pub(super) fn check_numbers(request: &Request) -> Result<()> {
    let positive = |field: &str, value: Option<f64>, zero: bool| match value {
        Some(value) if !value.is_finite() || value < 0.0 || (!zero && value == 0.0) => {
            Err(Error::invalid(field, value, format!("{field}={value} is not a number of seconds"), "give a number of seconds greater than 0, or None"))
        }
        _ => Ok(()),
    };
    positive("timeout", request.timeout, false)?;
    positive("grace", request.grace, true)?;
    if let Some(retries) = request.retries {
        positive("retries.delay", Some(retries.delay), true)?;
        positive("retries.max_delay", Some(retries.max_delay), true)?;
        if !retries.factor.is_finite() || retries.factor < 1.0 {
            return Err(Error::invalid("retries.factor", retries.factor, format!("retries.factor={} makes delays shorter", retries.factor), "give 1 or more"));
        }
    }
    for name in request.envs.keys().chain(&request.secrets) {
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !letters {
            return Err(Error::invalid("envs", name, format!("{name:?} is not a name of an environment variable"), "use letters, digits and '_', not beginning with a digit"));
        }
    }
    Ok(())
}

/// Text that is a key, given for a parameter that is an entity, is an input.
fn keys_to_inputs(signature: Option<&Signature>, mut parameters: Map<String, Value>, mut inputs: BTreeMap<String, Input>) -> Result<(Map<String, Value>, BTreeMap<String, Input>)> {
    for parameter in signature.iter().flat_map(|signature| &signature.0) {
        let Type::Entity { entity } = &parameter.of else { continue };
        let Some(value) = parameters.get(&parameter.name) else { continue };
        let text = value.as_str().unwrap_or_default();
        let key: Key = text.parse().map_err(|_| {
            Error::invalid(
                &parameter.name,
                value,
                format!("{}={value} is not a key of a {entity}", parameter.name),
                format!("give the {entity} itself, or its key: store://<project>/{entity}/<kind>/<name>:<id>"),
            )
        })?;
        inputs.insert(parameter.name.clone(), Input::Entity { key: key.to_string(), as_entity: true });
        parameters.remove(&parameter.name);
    }
    Ok((parameters, inputs))
}
