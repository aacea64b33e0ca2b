//! Inputs: keys become descriptors with a path or a presigned URL; runs that have ended become what they gave.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Engine;
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::model::entity::Entity;
use crate::model::function::Function;
use crate::model::key::Key;
use crate::model::run::{Input, Run};
use crate::model::signature::Type;
use crate::model::state::State;
use crate::store::artifacts::Artifacts;

impl Engine {
    /// The inputs as the runner reads them. Runs among them that have ended are replaced in the record, and what is read is noted there.
    pub(super) async fn resolve_inputs(&self, backend: &dyn Backend, function: &Function, run: &mut Run) -> Result<Map<String, Value>> {
        let signature = function.signature();
        let mut resolved = Map::new();
        for (name, input) in run.spec.inputs.clone() {
            let wants = signature.iter().flat_map(|signature| &signature.0).find(|parameter| parameter.name == name).map(|parameter| &parameter.of);
            let value = match input {
                Input::Entity { key, as_entity } => {
                    let entity = self.entity(&key).await?;
                    check_type(&name, wants, &entity)?;
                    run.read(&entity.key);
                    run.spec.inputs.insert(name.clone(), Input::Entity { key: entity.key.clone(), as_entity });
                    self.describe_entity(&entity, as_entity && !matches!(wants, Some(Type::Object { .. }))).await?
                }
                Input::Value { descriptor } => {
                    check_value(&name, wants, &descriptor)?;
                    Value::Object(descriptor)
                }
                Input::Run { run: upstream, output } => {
                    let upstream = self.find_run(&upstream.to_string()).await?;
                    let as_entity = matches!(wants, Some(Type::Entity { .. }));
                    match upstream.state {
                        State::Completed => self.describe_run(&name, &upstream, output.as_deref(), as_entity, run).await?,
                        State::Error | State::Stopped => {
                            return Err(Error::invalid(
                                &name,
                                &upstream.key,
                                format!("{name}: the run {} that it comes from is {}", upstream.key, upstream.state),
                                "mend that run first: its error is in run.error and `runwright run show`",
                            ));
                        }
                        State::Created | State::Pending | State::Running | State::Resume => {
                            self.check_reach(backend, &name, &upstream)?;
                            json!({"run": upstream.id, "output": output, "as": if as_entity { "entity" } else { "value" }})
                        }
                    }
                }
            };
            resolved.insert(name, value);
        }
        Ok(resolved)
    }

    /// What a run waits for it must be able to see.
    fn check_reach(&self, backend: &dyn Backend, name: &str, upstream: &Run) -> Result<()> {
        // What waits by itself waits for its own kind only.
        let sees = !backend.waits() || upstream.backend.as_str() == backend.name();
        if sees && self.backend(upstream.backend.as_str()).is_ok_and(|backend| backend.reaches(upstream)) {
            return Ok(());
        }
        Err(Error::invalid(
            name,
            &upstream.key,
            format!("{name}: the run {} that it comes from has not ended, and executes where it cannot be waited for from here ({})", upstream.key, upstream.backend),
            "wait for that run first: run.wait()",
        ))
    }

    /// An entity as an input.
    pub async fn describe_entity(&self, entity: &Entity, as_entity: bool) -> Result<Value> {
        let mut described = entity.spec.clone();
        for (name, value) in
            [("key", &entity.key), ("type", &entity.of.as_str().to_owned()), ("kind", &entity.kind.to_string()), ("name", &entity.name.to_string()), ("id", &entity.id)]
        {
            described.insert(name.into(), value.clone().into());
        }
        described.insert("as".into(), if as_entity { "entity" } else { "value" }.into());
        let (artifacts, at) = self.place_of(entity)?;
        if entity.path.starts_with("http") {
            described.insert("url".into(), entity.path.clone().into());
        } else if let Some(path) = artifacts.local_path(&at) {
            if !path.exists() {
                return Err(super::finish::bytes_gone(&entity.key));
            }
            described.insert("path".into(), path.display().to_string().into());
        } else {
            let url = artifacts.presigned_get(&at).await?;
            described.insert("url".into(), url.map(String::from).into());
        }
        Ok(Value::Object(described))
    }

    /// The artifact store that holds an entity's bytes, and the path there: ours, or one that was only registered.
    pub(super) fn place_of(&self, entity: &Entity) -> Result<(Artifacts, String)> {
        if let Some(at) = entity.spec.get("at").and_then(Value::as_str) {
            return Ok((self.artifacts.clone(), at.to_owned()));
        }
        if entity.path.contains("://") && !entity.path.starts_with("http") && !entity.path.starts_with("file://") {
            let (folder, file) = entity.path.rsplit_once('/').unwrap_or((&entity.path, ""));
            let store = Artifacts::open(folder)?;
            return Ok((self.artifacts.lifetime().map_or(Ok(store.clone()), |lifetime| store.with_lifetime(lifetime.as_secs_f64()))?, file.to_owned()));
        }
        let path = Path::new(entity.path.strip_prefix("file://").unwrap_or(&entity.path));
        Ok((Artifacts::Local("/".into()), path.strip_prefix("/").unwrap_or(path).display().to_string()))
    }

    /// What a completed run gave, whole or one output of it.
    async fn describe_run(&self, name: &str, upstream: &Run, output: Option<&str>, as_entity: bool, run: &mut Run) -> Result<Value> {
        let mut parts = Map::new();
        for part in upstream.names.iter().filter(|part| output.is_none_or(|output| output == part.as_str())) {
            let described = match upstream.outputs.get(part) {
                Some(key) => {
                    run.read(key);
                    self.describe_entity(&self.entity(key).await?, as_entity).await?
                }
                None => json!({"type": "value", "value": upstream.results.get(part)}),
            };
            parts.insert(part.clone(), described);
        }
        let shape = upstream.shape.as_deref().unwrap_or("none");
        match output {
            Some(output) => parts.remove(output).ok_or_else(|| {
                Error::invalid(name, output, format!("{name}: the run {} has no output {output:?}", upstream.key), format!("it has: {}", upstream.names.join(", ")))
            }),
            None if shape == "single" => Ok(parts.into_iter().next().map_or(Value::Null, |(_, only)| only)),
            None => Ok(json!({"shape": shape, "names": upstream.names, "parts": parts})),
        }
    }
}

fn check_type(name: &str, wants: Option<&Type>, entity: &Entity) -> Result<()> {
    match wants {
        Some(Type::Entity { entity: wanted }) if wanted != entity.of.as_str() => {
            Err(Error::invalid(name, &entity.key, format!("{name}={} is a {}, not a {wanted}", entity.key, entity.of.as_str()), format!("give a {wanted}")))
        }
        _ => Ok(()),
    }
}

/// A value that is no JSON, given for a parameter that is a number or text. What a library's type is (numpy has numbers, too) only that library can tell.
fn check_value(name: &str, wants: Option<&Type>, descriptor: &Map<String, Value>) -> Result<()> {
    let of = descriptor.get("of").and_then(Value::as_str).unwrap_or_default();
    let builtin = ["bytes", "bytearray", "set", "frozenset", "tuple", "list", "dict", "complex"].contains(&of.trim_start_matches("builtins."));
    match wants {
        Some(Type::Int | Type::Float | Type::Str | Type::Bool) if builtin => {
            Err(Error::invalid(name, of, format!("{name} is {of}, which its type does not allow"), "give a value of the annotated type, or change the annotation"))
        }
        _ => Ok(()),
    }
}

/// The key, parsed, of an artifact, dataitem or model.
pub fn entity_key(text: &str) -> Result<Key> {
    use crate::model::key::KeyType;
    let key: Key = text.parse()?;
    match key.of {
        KeyType::Artifact | KeyType::Dataitem | KeyType::Model => Ok(key),
        KeyType::Run | KeyType::Function => Err(Error::invalid("key", text, format!("{text} names a {}", key.of.as_str()), "give the key of an artifact, a dataitem or a model")),
    }
}
