//! Step 7, *finish*: outputs become artifacts, dataitems and models with lineage; the log is archived.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Engine;
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::model::entity::Entity;
use crate::model::event::{Event, LoggedEntity};
use crate::model::key::KeyType;
use crate::model::name::{Name, RunId};
use crate::model::run::Run;
use crate::model::time;

/// What was taken in of a run, to be noted in its record.
#[derive(Debug, Default)]
pub struct Finished {
    outputs: BTreeMap<String, String>,
    log: Option<String>,
    reads: Vec<String>,
}

impl Finished {
    /// Notes it in the record.
    pub(super) fn note(&self, run: &mut Run) {
        run.outputs.extend(self.outputs.clone());
        for key in &self.reads {
            run.read(key);
        }
        if self.log.is_some() {
            run.log.clone_from(&self.log);
        }
    }
}

impl Engine {
    /// Takes in what events name: logged entities, and with the end the outputs and the log. Doing it again changes nothing.
    pub(super) async fn take_in(&self, backend: &dyn Backend, run: &Run, events: &[Event]) -> Result<Finished> {
        let mut finished = Finished::default();
        let folder = backend.outputs(run);
        for event in events {
            if let Event::Entity { entity, .. } = event {
                let LoggedEntity { of, kind, name, id, output, metrics } = entity;
                let mut entity = self.entity_of(run, *of, kind, name, id, output, &folder).await?;
                entity.metrics.clone_from(metrics);
                self.store.put_entity(&entity).await?;
            }
        }
        if let Some(end) = Finished::end(events) {
            finished.outputs = self.take_outputs(run, &end.outputs, &folder).await?;
            finished.log = self.archive_log(backend, run).await?;
            finished.reads = self.upstream_reads(run).await?;
        }
        Ok(finished)
    }

    /// Outputs that are files become entities. Gives their keys.
    pub(super) async fn take_outputs(&self, run: &Run, outputs: &BTreeMap<String, Map<String, Value>>, folder: &Path) -> Result<BTreeMap<String, String>> {
        let mut keys = BTreeMap::new();
        for (name, descriptor) in outputs {
            let text = |field: &str| descriptor.get(field).and_then(Value::as_str).unwrap_or_default();
            let of = match text("type") {
                "dataitem" => KeyType::Dataitem,
                "model" => KeyType::Model,
                "artifact" => KeyType::Artifact,
                _ => continue,
            };
            let entity = self.entity_of(run, of, text("kind"), name, &output_id(run.id, name), descriptor, folder).await?;
            self.store.put_entity(&entity).await?;
            keys.insert(name.clone(), entity.key);
        }
        Ok(keys)
    }

    /// The entity that an output becomes; its file is taken into the artifact store.
    #[allow(clippy::too_many_arguments)] // All of what an entity is made of; a struct would only name them a second time.
    async fn entity_of(&self, run: &Run, of: KeyType, kind: &str, name: &str, id: &str, output: &Map<String, Value>, folder: &Path) -> Result<Entity> {
        let kind = Name::parse("kind", kind)?;
        let name = Name::parse("name", name)?;
        let mut spec = output.clone();
        spec.remove("type");
        spec.remove("kind");
        let file = spec.remove("path");
        let mut address = String::new();
        if let Some(file) = file.as_ref().and_then(Value::as_str) {
            let file = folder.join(file);
            let at = format!("{}/{}/{name}/{id}/{}", run.project, of.as_str(), file.file_name().unwrap_or_default().to_string_lossy());
            // Gone from the folder and in the store: another client took it in.
            if file.exists() || self.artifacts.get_size(&at).await?.is_none() {
                self.artifacts.put_file(&at, &file, crate::store::artifacts::Take::Link).await?;
            }
            address = self.artifacts.address(&at);
            spec.insert("at".into(), at.into());
        }
        let now = time::now();
        Ok(Entity {
            key: Entity::key_of(&run.project, of, &kind, &name, id),
            project: run.project.clone(),
            of,
            kind,
            name,
            id: id.to_owned(),
            path: address,
            spec,
            description: String::new(),
            labels: Vec::new(),
            metrics: Map::new(),
            producer: Some(run.key.clone()),
            created: now,
            updated: now,
        })
    }

    async fn archive_log(&self, backend: &dyn Backend, run: &Run) -> Result<Option<String>> {
        let (log, _) = backend.log(run, 0).await?;
        if log.is_empty() {
            return Ok(None);
        }
        let at = log_path(run);
        self.artifacts.put(&at, log).await?;
        Ok(Some(at))
    }

    /// The entities that came from runs which had not ended when this one was submitted.
    async fn upstream_reads(&self, run: &Run) -> Result<Vec<String>> {
        let mut reads = Vec::new();
        for input in run.spec.inputs.values() {
            if let crate::model::run::Input::Run { run: upstream, output } = input {
                let upstream = self.find_run(&upstream.to_string()).await?;
                let of_output = upstream.outputs.iter().filter(|(name, _)| output.as_ref().is_none_or(|output| output == *name));
                reads.extend(of_output.map(|(_, key)| key.clone()));
            }
        }
        Ok(reads)
    }
}

/// Where a run's log is archived, below the artifact store.
pub(super) fn log_path(run: &Run) -> String {
    format!("{}/run/{}/log.jsonl", run.project, run.id)
}

/// The id of a run's output: the same whoever takes it in. A UUID of version 8, from the run's id and the name.
fn output_id(run: RunId, name: &str) -> String {
    let digest = Sha256::new().chain_update(run.0.as_bytes()).chain_update(name.as_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The error for bytes that are not where they should be.
pub(super) fn bytes_gone(key: &str) -> Error {
    Error::not_found("key", key, format!("the bytes of {key} are not in the artifact store"), "they were deleted; make them again with run.reproduce() of the run that made them")
}
