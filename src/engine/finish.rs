//! Step 7, *finish*: outputs become artifacts, dataitems and models with lineage; the log is archived.
//!
//! What a runner wrote is not believed blindly: it runs the user's code, and its files lie where others can write. What cannot be right is told
//! in the record, and ends nothing else.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Engine;
use crate::backend::Backend;
use crate::backend::kubernetes::STORED;
use crate::error::{Error, Fault, Result};
use crate::model::entity::Entity;
use crate::model::event::{End, Event, LoggedEntity};
use crate::model::key::{Key, KeyType};
use crate::model::name::{Name, RunId};
use crate::model::run::{Failure, Input, Run, Transition};
use crate::model::state::State;
use crate::model::time;
use crate::store::artifacts::Take;

/// What was taken in of a run, to be noted in its record.
#[derive(Debug, Default)]
pub struct Finished {
    /// To be written together with the record: a client that was slower must not put older ones over them.
    pub(super) entities: Vec<Entity>,
    outputs: BTreeMap<String, String>,
    log: Option<String>,
    reads: Vec<String>,
    /// What is wrong with what the code logged.
    faults: Vec<String>,
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
        for fault in &self.faults {
            run.history.push(Transition { state: run.state, time: run.updated, message: Some(fault.clone()) });
        }
    }
}

impl Engine {
    /// Takes in what events name: logged entities, and with the end the outputs and the log. Doing it again changes nothing.
    pub(super) async fn take_in(&self, backend: &dyn Backend, run: &Run, events: &mut [Event]) -> Result<Finished> {
        let mut finished = self.take_entities(run, events, &backend.outputs(run)).await?;
        if events.iter().any(|event| matches!(event, Event::End(_))) {
            finished.log = self.archive_log(backend, run).await?;
            finished.reads = self.upstream_reads(run).await?;
        }
        Ok(finished)
    }

    /// The entities among events: logged ones and outputs. An end with an output that cannot be taken in becomes an error.
    pub(super) async fn take_entities(&self, run: &Run, events: &mut [Event], folder: &Path) -> Result<Finished> {
        let mut finished = Finished::default();
        // One that comes again replaces the first.
        let logged: BTreeMap<String, LoggedEntity> =
            events.iter().filter_map(|event| if let Event::Entity { entity, .. } = event { Some((entity.id.clone(), entity.clone())) } else { None }).collect();
        for (_, logged) in logged {
            match self.entity_of(run, &logged, folder).await {
                Ok(entity) => finished.entities.push(entity),
                Err(Error::Invalid(fault)) => finished.faults.push(format!("the {} {:?} that it logged is not recorded: {}", logged.of.as_str(), logged.name, fault.message)),
                Err(error) => return Err(error),
            }
        }
        if let Some(end) = events.iter_mut().find_map(|event| if let Event::End(end) = event { Some(end) } else { None }) {
            for (name, output) in std::mem::take(&mut end.outputs) {
                match self.take_output(run, &name, &output, folder).await {
                    Ok(Some(entity)) => {
                        finished.outputs.insert(name, entity.key.clone());
                        finished.entities.push(entity);
                    }
                    Ok(None) => drop(end.outputs.insert(name, output)),
                    Err(Error::Invalid(fault)) => refuse(end, &name, &fault),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(finished)
    }

    /// The entity that an output becomes. None for a plain value.
    async fn take_output(&self, run: &Run, name: &str, descriptor: &Map<String, Value>, folder: &Path) -> Result<Option<Entity>> {
        let text = |field: &str| descriptor.get(field).and_then(Value::as_str).unwrap_or_default();
        let of = match text("type") {
            "dataitem" => KeyType::Dataitem,
            "model" => KeyType::Model,
            "artifact" => KeyType::Artifact,
            _ => return Ok(None),
        };
        let entity = LoggedEntity { of, kind: text("kind").into(), name: name.into(), id: output_id(run.id, name), output: descriptor.clone(), metrics: Map::new() };
        self.entity_of(run, &entity, folder).await.map(Some)
    }

    /// The entity that a run made; its file is taken into the artifact store. What the runner wrote wrongly is an `Error::Invalid`.
    async fn entity_of(&self, run: &Run, logged: &LoggedEntity, folder: &Path) -> Result<Entity> {
        let LoggedEntity { of, kind, name, id, output, metrics } = logged;
        let (kind, name) = (Name::parse("kind", kind)?, Name::parse("name", name)?);
        let key: Key = Entity::key_of(&run.project, *of, &kind, &name, id).parse()?;
        let known = self.store.entity(&key).await?;
        if known.as_ref().is_some_and(|known| known.producer.as_ref() != Some(&run.key)) {
            return Err(Error::invalid("id", id, format!("{key} is not of this run's making"), "leave the id out"));
        }
        let mut spec = output.clone();
        spec.remove("type");
        spec.remove("kind");
        let mut address = String::new();
        // Where the pod put it into the store itself.
        let stored = spec.remove(STORED);
        if let Some(file) = spec.remove("path") {
            let file = file.as_str().unwrap_or_default();
            let at = format!("{}/{}/{name}/{id}/{}", run.project, of.as_str(), file.rsplit('/').next().unwrap_or_default());
            spec.insert("at".into(), at.as_str().into());
            let same = |field: &str| known.as_ref().is_some_and(|known| known.spec.get(field).is_some_and(|value| Some(value) == spec.get(field)));
            // Said again with other metrics: the bytes are there.
            if !(same("at") && same("sha256")) {
                match stored.as_ref().and_then(Value::as_str) {
                    Some(stored) => self.artifacts.copy(stored, &at).await?,
                    None => self.take_file(&at, file, folder).await?,
                }
            }
            address = self.artifacts.address(&at);
        }
        let now = time::now();
        let (description, labels, created, before) =
            known.map_or_else(|| (String::new(), Vec::new(), now, Map::new()), |known| (known.description, known.labels, known.created, known.metrics));
        Ok(Entity {
            key: key.to_string(),
            project: run.project.clone(),
            of: *of,
            kind,
            name,
            id: id.clone(),
            path: address,
            spec,
            description,
            labels,
            metrics: before.into_iter().chain(metrics.clone()).collect(),
            producer: Some(run.key.clone()),
            created,
            updated: now,
        })
    }

    /// A file below the run's folder, into the artifact store.
    async fn take_file(&self, at: &str, file: &str, folder: &Path) -> Result<()> {
        match inside(folder, file)? {
            Some(path) => self.artifacts.put_file(at, &path, Take::Link).await,
            // Gone from the folder and in the store: another client took it in.
            None if self.artifacts.get_size(at).await?.is_some() => Ok(()),
            None => Err(Error::invalid("path", file, format!("its file {file:?} is not in the run's folder"), "do not remove files of a run before it has ended")),
        }
    }

    async fn archive_log(&self, backend: &dyn Backend, run: &Run) -> Result<Option<String>> {
        let (mut log, _) = backend.log(run, 0).await?;
        if log.is_empty() {
            return Ok(run.log.clone());
        }
        let at = log_path(run);
        // What it printed before it was stopped and resumed comes first.
        if let Some(before) = run.log.as_ref().filter(|before| **before != at)
            && let Some(before) = self.artifacts.get(before).await?
        {
            log.splice(..0, before.iter().copied());
        }
        self.artifacts.put(&at, log).await?;
        Ok(Some(at))
    }

    /// The entities that came from runs which had not ended when this one was submitted.
    async fn upstream_reads(&self, run: &Run) -> Result<Vec<String>> {
        let mut reads = Vec::new();
        for input in run.spec.inputs.values() {
            if let Input::Run { run: upstream, output } = input {
                let upstream = self.find_run(&upstream.to_string()).await?;
                let of_output = upstream.outputs.iter().filter(|(name, _)| output.as_ref().is_none_or(|output| output == *name));
                reads.extend(of_output.map(|(_, key)| key.clone()));
            }
        }
        Ok(reads)
    }
}

/// Where a run's log is archived, below the artifact store: a new one for each time that it was resumed.
pub(super) fn log_path(run: &Run) -> String {
    path_of_beginning(run, resumed(run))
}

/// All of them.
pub(super) fn log_paths(run: &Run) -> impl Iterator<Item = String> {
    (0..=resumed(run)).map(|beginning| path_of_beginning(run, beginning))
}

fn resumed(run: &Run) -> usize {
    run.history.iter().filter(|step| step.state == State::Resume).count()
}

fn path_of_beginning(run: &Run, beginning: usize) -> String {
    let number = if beginning == 0 { String::new() } else { format!("-{beginning}") };
    format!("{}/run/{}/log{number}.jsonl", run.project, run.id)
}

/// The file of that name in a folder; None where there is none. Not one outside of it, whatever the name or a link says.
fn inside(folder: &Path, file: &str) -> Result<Option<PathBuf>> {
    let outside = || Error::invalid("path", file, format!("its file {file:?} is not one in the run's folder"), "return the data, or log it with source=");
    if file.is_empty() || !Path::new(file).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(outside());
    }
    let (Ok(folder), Ok(path)) = (folder.canonicalize(), folder.join(file).canonicalize()) else { return Ok(None) };
    if path.starts_with(folder) && path.is_file() { Ok(Some(path)) } else { Err(outside()) }
}

/// An output that cannot be taken in makes its run an error: who uses it would find nothing.
fn refuse(end: &mut End, name: &str, fault: &Fault) {
    if end.state == State::Completed {
        end.state = State::Error;
        end.error = Some(Failure { cause: "OutputError".into(), message: format!("the output {name:?}: {}", fault.message), cure: fault.cure.clone(), ..Failure::default() });
    }
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
