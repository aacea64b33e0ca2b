//! Garbage collection: folders of runs that ended long ago, and what killed clients left.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Engine;
use crate::error::Result;
use crate::model::name::RunId;
use crate::model::run::Input;
use crate::model::time;
use crate::store::RunFilter;

/// What was (or would be) removed.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub struct Collected {
    /// Keys of runs whose folder went. Their record, log and outputs stay.
    pub runs: Vec<String>,
    /// Other paths.
    pub paths: Vec<String>,
}

impl Engine {
    /// Removes the folders of runs that ended at least `age` ago, and what belongs to nothing any more. With `dry_run` it only says what.
    pub async fn gc(&self, age: Duration, dry_run: bool) -> Result<Collected> {
        self.sync().await?;
        let mut collected = Collected::default();
        let now = time::now().as_duration();
        let age = jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX);
        let needed = self.needed().await?;
        let open: HashSet<RunId> = self.store.runs(&RunFilter { open: true, ..RunFilter::default() }).await?.iter().map(|run| run.id).collect();
        for backend in &self.backends {
            for id in backend.discover().await? {
                let Some(run) = self.store.run(id).await? else { continue };
                let ended = run.history.last().map_or(run.updated, |last| last.time).as_duration();
                if run.state.is_final() && now.saturating_sub(ended) >= age && !needed.contains_key(&id) {
                    if !dry_run {
                        backend.remove(&run).await?;
                    }
                    collected.runs.push(run.key);
                }
            }
            collected.paths.extend(backend.sweep(&open, dry_run).await?);
        }
        Ok(collected)
    }

    /// The runs whose folder may still be read, each with the key of one that has not ended and reads it.
    pub(super) async fn needed(&self) -> Result<HashMap<RunId, String>> {
        let mut needed = HashMap::new();
        for open in self.store.runs(&RunFilter { open: true, ..RunFilter::default() }).await? {
            for input in open.spec.inputs.values() {
                if let Input::Run { run, .. } = input {
                    needed.insert(*run, open.key.clone());
                }
            }
        }
        Ok(needed)
    }
}
