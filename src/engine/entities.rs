//! Artifacts, dataitems and models: logged, registered, found, read, deleted.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Engine;
use super::inputs::entity_key;
use crate::error::{Error, Result, did_you_mean};
use crate::model::entity::{Entity, Lineage};
use crate::model::key::{Key, KeyType};
use crate::model::name::Name;
use crate::model::time;
use crate::store::EntityFilter;
use crate::store::artifacts::Take;

/// An entity as it is described by who logs or registers it.
#[derive(Debug, Deserialize)]
pub struct NewEntity {
    pub project: String,
    #[serde(rename = "type")]
    pub of: KeyType,
    pub kind: String,
    pub name: String,
    /// Its version; a new one where none is given.
    #[serde(default)]
    pub id: Option<String>,
    /// Where its bytes are already (registered, not taken in).
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub spec: Map<String, Value>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default)]
    pub metrics: Map<String, Value>,
    #[serde(default)]
    pub producer: Option<String>,
}

impl Engine {
    /// Saves an entity. With `file` its bytes are taken into the artifact store first: there is never a record without them.
    pub async fn save_entity(&self, new: NewEntity, file: Option<PathBuf>, keep: bool) -> Result<Entity> {
        let project = self.project_or_default(&new.project).await?.name;
        let name = Name::parse("name", &new.name)?;
        let kind = Name::parse("kind", &new.kind)?;
        let id = new.id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let key = Entity::key_of(&project, new.of, &kind, &name, &id);
        let known = self.store.entity(&key.parse()?).await?;
        let mut spec = new.spec;
        let path = match (&file, new.path) {
            (Some(file), _) => {
                let at = format!("{project}/{}/{name}/{id}/{}", new.of.as_str(), file.file_name().unwrap_or_default().to_string_lossy());
                self.artifacts.put_file(&at, file, if keep { Take::Copy } else { Take::Link }).await?;
                let address = self.artifacts.address(&at);
                spec.insert("at".into(), at.into());
                address
            }
            (None, Some(path)) => path,
            (None, None) => return Err(Error::invalid("path", "", format!("{key} has neither data nor a path"), "give source=, data= or path=")),
        };
        let is_new = known.is_none();
        let entity = Entity {
            project,
            of: new.of,
            kind,
            name,
            id,
            key,
            path,
            spec,
            description: new.description,
            labels: new.labels,
            metrics: new.metrics,
            producer: new.producer,
            created: known.map_or_else(time::now, |known| known.created),
            updated: time::now(),
        };
        if let Err(error) = self.store.put_entity(&entity).await {
            if is_new && file.is_some() {
                // Nothing names them. Best effort: the error that matters is the first.
                let _ = self.artifacts.delete(&format!("{}/{}/{}/{}", entity.project, entity.of.as_str(), entity.name, entity.id)).await;
            }
            return Err(error);
        }
        Ok(entity)
    }

    /// Changes what may change of an entity: description, labels, metrics (what is not named stays).
    pub async fn update_entity(&self, entity: Entity) -> Result<Entity> {
        self.entity(&entity.key).await?;
        let change = |saved: &mut Entity| {
            saved.description.clone_from(&entity.description);
            saved.labels.clone_from(&entity.labels);
            // Others log theirs at the same time.
            saved.metrics.extend(entity.metrics.clone());
            saved.updated = time::now();
        };
        self.store.update_entity(&entity.key, change).await
    }

    /// The entity of a key; without an id in it, the newest version.
    pub async fn entity(&self, text: &str) -> Result<Entity> {
        let key = entity_key(text)?;
        if let Some(entity) = self.store.entity(&key).await? {
            return Ok(entity);
        }
        let of_type = self.store.entities(&EntityFilter { project: Some(key.project.clone()), of: Some(key.of), ..EntityFilter::default() }).await?;
        let hint = did_you_mean(key.name.as_str(), of_type.iter().map(|entity| entity.name.as_str()));
        Err(Error::not_found("key", text, format!("there is no {} {text}{hint}", key.of.as_str()), "`runwright artifacts` lists artifacts, dataitems and models"))
    }

    /// The newest version of that name.
    pub async fn entity_by_name(&self, project: &str, of: KeyType, name: &str) -> Result<Entity> {
        let project = self.project_or_default(project).await?.name;
        // The kind is not part of what a name is looked up by.
        let key = Key { project, of, kind: Name::parse("kind", "any")?, name: Name::parse("name", name)?, id: None };
        self.entity(&key.to_string()).await
    }

    /// Entities, the newest first.
    pub async fn entities(&self, filter: &EntityFilter) -> Result<Vec<Entity>> {
        if let Some(project) = &filter.project {
            self.project_or_default(project.as_str()).await?;
        }
        self.store.entities(filter).await
    }

    /// Deletes an entity's record and the bytes that the artifact store holds of it; bytes that were only registered stay.
    pub async fn delete_entity(&self, text: &str) -> Result<()> {
        let entity = self.entity(text).await?;
        if let Some(folder) = entity.spec.get("at").and_then(Value::as_str).and_then(|at| at.rsplit_once('/')).map(|(folder, _)| folder) {
            self.artifacts.delete(folder).await?;
        }
        self.store.delete_entity(&entity.key).await.map(drop)
    }

    /// A file on this machine with an entity's bytes: its own where there is one, else a copy below `folder`.
    pub async fn fetch_entity(&self, entity: &Entity, folder: Option<&Path>) -> Result<PathBuf> {
        let (artifacts, at) = self.place_of(entity)?;
        if let Some(path) = artifacts.local_path(&at).filter(|_| !entity.path.starts_with("http")) {
            let Some(folder) = folder else {
                return if path.exists() { Ok(path) } else { Err(super::finish::bytes_gone(&entity.key)) };
            };
            let target = folder.join(path.file_name().unwrap_or_default());
            artifacts.download(&at, &target).await?;
            return Ok(target);
        }
        let folder = folder.map_or_else(|| self.home.join("cache").join(&entity.id), Path::to_owned);
        let target = folder.join(at.rsplit('/').next().unwrap_or(&at));
        if !target.exists() || entity.spec.get("at").is_none() {
            artifacts.download(&at, &target).await?;
        }
        Ok(target)
    }

    /// Which run made an entity and which read it.
    pub async fn lineage(&self, text: &str) -> Result<Lineage> {
        let entity = self.entity(text).await?;
        self.store.lineage(&entity).await
    }
}
