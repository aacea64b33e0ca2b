//! Sync: the store is brought up to date with what the backends know, from nothing if need be.

use super::Engine;
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::model::name::{Name, RunId};
use crate::model::run::Run;

/// What a sync did.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub struct Synced {
    /// Runs that the store did not have.
    pub found: u64,
    /// Open runs whose record changed.
    pub updated: u64,
}

impl Engine {
    /// Takes in every run that a backend knows and the store does not, and brings the open ones up to date.
    pub async fn sync(&self) -> Result<Synced> {
        let mut synced = Synced::default();
        for backend in &self.backends {
            for id in backend.discover().await? {
                if !self.store.has_run(id).await?
                    && let Some(run) = backend.find(id).await?
                {
                    self.adopt(backend.as_ref(), &run).await?;
                    synced.found += 1;
                }
            }
            backend.kick().await?;
        }
        let (updated, fault) = self.look_at_open(None).await?;
        synced.updated = updated;
        fault.map_or(Ok(synced), Err)
    }

    /// Brings the open runs up to date that nobody in this process follows. One that cannot be (its artifacts find no room, say) stays as it was
    /// last seen: it must not hide the others.
    pub(super) async fn sync_open(&self, project: Option<&Name>) -> Result<()> {
        self.look_at_open(project).await.map(drop)
    }

    /// Says how many changed, and what was wrong with the first that could not be looked at.
    async fn look_at_open(&self, project: Option<&Name>) -> Result<(u64, Option<Error>)> {
        let (mut changed, mut fault) = (0, None);
        for id in self.store.open_runs(project).await? {
            // Deleted between the two looks: nothing to look at.
            if !self.is_followed(id)
                && let Some(run) = self.store.run(id).await?
            {
                let (state, folded) = (run.state, run.folded);
                if let Ok(backend) = self.backend(run.backend.as_str())
                    && backend.reaches(&run)
                    && let Err(error) = self.release_now(backend.as_ref(), &run).await
                {
                    fault = fault.or(Some(error));
                }
                match self.look_at(run).await {
                    Ok(run) => changed += u64::from(run.state != state || run.folded != folded),
                    Err(error) => fault = fault.or(Some(error)),
                }
            }
        }
        Ok((changed, fault))
    }

    /// The run whose id this is, if a backend knows it.
    pub(super) async fn discover_one(&self, text: &str) -> Result<Option<Run>> {
        let id = text.rsplit('/').next().unwrap_or(text);
        let Ok(id) = id.parse::<RunId>() else { return Ok(None) };
        for backend in &self.backends {
            if let Some(run) = backend.find(id).await? {
                self.adopt(backend.as_ref(), &run).await?;
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Takes in a record that was exported. One that the store has stays as it is.
    pub async fn import_run(&self, run: Run) -> Result<Run> {
        self.project(run.project.as_str()).await?;
        self.store.insert_runs(std::slice::from_ref(&run)).await?;
        self.find_run(&run.id.to_string()).await
    }

    /// Takes in a run that the store has lost, and the version that it is of.
    async fn adopt(&self, backend: &dyn Backend, run: &Run) -> Result<()> {
        self.get_or_create_project(run.project.as_str()).await?;
        if let Some(function) = backend.version(run).await {
            self.store.restore_function(&function).await?;
        }
        self.store.insert_runs(std::slice::from_ref(run)).await
    }
}
