//! Finds runs: by key, by id, by the beginning of an id; lists them. What has not ended is looked at first, so that no list shows the past as the present.

use super::Engine;
use crate::error::{Error, Result};
use crate::model::key::{Key, KeyType};
use crate::model::name::{Name, RunId};
use crate::model::run::Run;
use crate::model::state::State;
use crate::store::{RunFilter, no_run};

impl Engine {
    /// The record of a run as the store has it. `text` is a key, an id or the beginning of one (6 characters or more).
    pub async fn find_run(&self, text: &str) -> Result<Run> {
        let id = if text.starts_with("store://") {
            let key: Key = text.parse()?;
            if key.of != KeyType::Run {
                return Err(Error::invalid("key", text, format!("{text} names a {}, not a run", key.of.as_str()), "keys of runs look like store://<project>/run/<kind>/<id>"));
            }
            key.name.to_string()
        } else {
            text.to_owned()
        };
        if let Ok(id) = id.parse::<RunId>() {
            return self.store.run(id).await?.ok_or_else(|| no_run(id));
        }
        let plain = id.len() >= 6 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-');
        if !plain {
            return Err(Error::invalid("run", text, format!("{text:?} names no run"), "give a key (store://…), an id, or the first 6 or more characters of an id"));
        }
        let mut found = self.store.runs_by_prefix(&id).await?;
        match (found.pop(), found.pop()) {
            (Some(run), None) => Ok(run),
            (Some(_), Some(_)) => Err(Error::invalid("run", text, format!("several runs begin with {text:?}"), "give more of the id")),
            (None, _) => Err(no_run(text)),
        }
    }

    /// The record of a run as it is now.
    pub async fn run(&self, text: &str) -> Result<Run> {
        match self.find_run(text).await {
            Ok(run) => self.look_at(run).await,
            // The store may have lost it; its folder has not.
            Err(Error::NotFound(fault)) => match self.discover_one(text).await? {
                Some(run) => self.look_at(run).await,
                None => Err(Error::NotFound(fault)),
            },
            Err(error) => Err(error),
        }
    }

    /// Runs as they are now, the newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        if let Some(project) = &filter.project {
            self.project_or_default(project.as_str()).await?;
        }
        if let (Some(project), Some(function)) = (&filter.project, &filter.function) {
            self.check_function_name(project, function).await?;
        }
        self.sync_open(filter.project.as_ref()).await?;
        self.store.runs(filter).await
    }

    /// A run's record after a look at what executes it.
    pub(super) async fn look_at(&self, run: Run) -> Result<Run> {
        if run.state == State::Stopped {
            return Box::pin(self.look_at_stopped(run)).await;
        }
        if run.state.is_final() {
            return Ok(run);
        }
        if Self::is_inline(&run) {
            return Ok(self.look_inline(&run).await?.unwrap_or(run));
        }
        match self.backend(run.backend.as_str()) {
            Ok(backend) if backend.reaches(&run) => self.look(backend.as_ref(), &run).await,
            _ => Ok(run),
        }
    }

    /// A name that no function and no run has is a mistake, not an empty list.
    async fn check_function_name(&self, project: &Name, function: &Name) -> Result<()> {
        let filter = RunFilter { project: Some(project.clone()), function: Some(function.clone()), limit: Some(1), ..RunFilter::default() };
        if self.store.runs(&filter).await?.is_empty() {
            self.function(project.as_str(), function.as_str(), None).await?;
        }
        Ok(())
    }
}
