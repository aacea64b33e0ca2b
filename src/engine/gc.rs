//! Garbage collection: folders of runs that ended long ago, and what killed clients left.

use std::time::Duration;

use super::Engine;
use crate::error::Result;
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
        for backend in &self.backends {
            for found in backend.discover().await? {
                let Some(run) = self.store.run(found.id).await? else { continue };
                let ended = run.history.last().map_or(run.updated, |last| last.time).as_duration();
                if run.state.is_final() && now.saturating_sub(ended) >= jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX) && !self.is_needed(&run).await? {
                    if !dry_run {
                        backend.remove(&run).await?;
                    }
                    collected.runs.push(run.key);
                }
            }
            collected.paths.extend(backend.sweep(dry_run).await?);
        }
        Ok(collected)
    }

    /// Whether a run that has not ended reads this one's folder.
    async fn is_needed(&self, run: &crate::model::run::Run) -> Result<bool> {
        let open = self.store.runs(&RunFilter { project: Some(run.project.clone()), open: true, ..RunFilter::default() }).await?;
        Ok(open.iter().flat_map(|open| open.spec.inputs.values()).any(|input| matches!(input, crate::model::run::Input::Run { run: id, .. } if *id == run.id)))
    }
}
