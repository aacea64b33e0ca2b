//! Artifacts, dataitems and models in the store, and their lineage.

use super::database::Statement;
use super::select::Select;
use super::{Store, from_row, from_rows, to_json};
use crate::error::{Error, Result};
use crate::model::entity::{Entity, Lineage};
use crate::model::key::{Key, KeyType};
use crate::model::name::{Name, RunId};
use crate::model::time;

/// Which entities to list. Every `None` means any.
#[derive(Debug, Clone, Default)]
pub struct EntityFilter {
    pub project: Option<Name>,
    pub of: Option<KeyType>,
    pub name: Option<Name>,
    /// The key of the run that made it.
    pub producer: Option<String>,
    pub limit: Option<u32>,
}

/// How often an update is tried again because another client changed the record meanwhile.
const TRIES: usize = 100;

impl Store {
    /// Writes an entity, new or changed.
    pub async fn put_entity(&self, entity: &Entity) -> Result<()> {
        self.database.execute(vec![put(entity)?]).await.map(drop)
    }

    /// Changes an entity: read, `change`, written if nobody else did meanwhile, else again.
    pub async fn update_entity(&self, key: &str, change: impl Fn(&mut Entity) + Send + Sync) -> Result<Entity> {
        for _ in 0..TRIES {
            let rows = self.database.query(Statement::new("SELECT record FROM entities WHERE key = $1", vec![key.into()])).await?;
            let Some(row) = rows.first() else { return Err(Error::not_found("key", key, format!("{key} was deleted meanwhile"), "log it again")) };
            let mut entity: Entity = from_row(row)?;
            change(&mut entity);
            let sql = "UPDATE entities SET record = $1 WHERE key = $2 AND record = $3";
            if self.change(sql, vec![to_json(&entity)?.into(), key.into(), row.text(0)?.into()]).await? == 1 {
                return Ok(entity);
            }
        }
        Err(Error::store(format!("{key} is changed by others all the time"), "try again"))
    }

    /// The version that a key names; without an id the newest.
    pub async fn entity(&self, key: &Key) -> Result<Option<Entity>> {
        let statement = match &key.id {
            Some(_) => Statement::new("SELECT record FROM entities WHERE key = $1", vec![key.to_string().into()]),
            None => Statement::new(
                "SELECT record FROM entities WHERE project = $1 AND type = $2 AND name = $3 ORDER BY saved DESC LIMIT 1",
                vec![key.project.as_str().into(), key.of.as_str().into(), key.name.as_str().into()],
            ),
        };
        Ok(from_rows(&self.database.query(statement).await?)?.pop())
    }

    /// Entities, the newest first: every version.
    pub async fn entities(&self, filter: &EntityFilter) -> Result<Vec<Entity>> {
        let mut select = Select::from("entities");
        select.only("project =", filter.project.as_ref().map(Name::as_str));
        select.only("type =", filter.of.map(KeyType::as_str));
        select.only("name =", filter.name.as_ref().map(Name::as_str));
        select.only("producer =", filter.producer.as_deref());
        from_rows(&self.database.query(select.newest_first("saved", filter.limit)).await?)
    }

    /// Deletes one version. Says whether there was one.
    pub async fn delete_entity(&self, key: &str) -> Result<bool> {
        Ok(self.change("DELETE FROM entities WHERE key = $1", vec![key.into()]).await? == 1)
    }

    /// The ids of the runs that read an entity, the oldest first.
    pub async fn readers(&self, key: &str) -> Result<Vec<RunId>> {
        let rows = self.database.query(Statement::new("SELECT run FROM reads WHERE key = $1 ORDER BY run", vec![key.into()])).await?;
        rows.iter().map(|row| row.text(0)?.parse()).collect()
    }

    /// Which run made an entity and which read it.
    pub async fn lineage(&self, entity: &Entity) -> Result<Lineage> {
        let mut read_by = Vec::new();
        for id in self.readers(&entity.key).await? {
            if let Some(run) = self.run(id).await? {
                read_by.push(run.key);
            }
        }
        Ok(Lineage { key: entity.key.clone(), made_by: entity.producer.clone(), read_by })
    }
}

/// Writes an entity, new or changed.
pub(super) fn put(entity: &Entity) -> Result<Statement> {
    // A new one after all others of its name, even where the clock went back.
    let sql = "INSERT INTO entities (key, project, type, name, id, saved, producer, record) \
               SELECT $1, $2, $3, $4, $5, CASE WHEN $6 > newest THEN $6 ELSE newest + 1 END, $7, $8 \
               FROM (SELECT COALESCE(MAX(saved), 0) AS newest FROM entities WHERE project = $2 AND type = $3 AND name = $4) AS others WHERE TRUE \
               ON CONFLICT (key) DO UPDATE SET record = excluded.record";
    let values = vec![
        entity.key.as_str().into(),
        entity.project.as_str().into(),
        entity.of.as_str().into(),
        entity.name.as_str().into(),
        entity.id.as_str().into(),
        time::now().as_microsecond().into(),
        entity.producer.as_deref().into(),
        to_json(entity)?.into(),
    ];
    Ok(Statement::new(sql, values))
}
