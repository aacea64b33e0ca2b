//! Resume: a run that was stopped goes on, where its place can do that.

use std::sync::Arc;

use super::Engine;
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;

impl Engine {
    /// Lets a stopped run begin anew, as the same run. Gives its record.
    pub async fn resume(self: &Arc<Self>, text: &str) -> Result<Run> {
        let run = self.run(text).await?;
        if run.state != State::Stopped {
            return Err(Error::conflict(format!("run {} is {}; only a stopped one can be resumed", run.id, run.state), "start it again with run.reproduce()"));
        }
        let backend = self.backend(run.backend.as_str())?.clone();
        if !backend.resumes(&run) {
            return Err(Error::conflict(format!("run {} cannot be resumed where it executed ({})", run.id, run.backend), "start it again with run.reproduce()"));
        }
        // Recorded first: whoever follows it finishes what this client may not come to do.
        let resumed = self.reopen(&run).await?;
        backend.resume(&resumed).await?;
        drop(self.follow(&resumed));
        Ok(resumed)
    }

    /// A stopped run as it is now: another client, with a store of its own, may have resumed it.
    pub(super) async fn look_at_stopped(&self, run: Run) -> Result<Run> {
        let Ok(backend) = self.backend(run.backend.as_str()) else { return Ok(run) };
        // Where it cannot be looked at, it is as it was seen last.
        if !backend.resumes(&run) || !backend.goes_on(&run).await.unwrap_or(false) {
            return Ok(run);
        }
        let reopened = self.reopen(&run).await?;
        self.look(backend.as_ref(), &reopened).await
    }

    async fn reopen(&self, run: &Run) -> Result<Run> {
        self.store
            .update_run(run.id, |run| {
                if run.state == State::Stopped {
                    run.transition(State::Resume, time::now(), None)?;
                    run.error = None;
                }
                Ok(true)
            })
            .await
    }
}
