//! A namespace that is in use: a client for it, its watches, and the runner in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::apply::Access;
use super::name;
use super::watch::Watches;
use crate::error::{Error, Result};
use crate::model::run::Run;

/// How long the runner is believed to be there: another client's `gc` removes it from a namespace without runs.
const RUNNER: Duration = Duration::from_mins(1);

/// The runner, as pods get it.
pub struct Runner {
    /// The ConfigMap.
    pub name: String,
    pub zip: Bytes,
}

/// A namespace that is in use.
pub struct Cluster {
    pub access: Access,
    pub watches: Watches,
    /// When this process saw last that the runner is there, or that it could not be put there.
    pub runner: tokio::sync::Mutex<Option<(Instant, Result<()>)>>,
}

impl Cluster {
    /// Sees to it that the runner is there, asking no more often than it must.
    pub async fn provide(&self, runner: &Runner) -> Result<()> {
        let began = Instant::now();
        let mut seen = self.runner.lock().await;
        match &*seen {
            Some((when, Ok(()))) if when.elapsed() < RUNNER => return Ok(()),
            // While this one waited, another found that it cannot be: no need to wait as long again.
            Some((when, Err(error))) if *when > began => return Err(error.again()),
            _ => {}
        }
        let outcome = self.access.put_runner(&runner.name, runner.zip.clone()).await;
        let answer = outcome.as_ref().map_err(Error::again).copied();
        *seen = Some((Instant::now(), outcome));
        answer
    }

    /// The Job that stands for the run now. Where it cannot be looked at (the watches fail), the first.
    pub async fn newest_job(&self, run: &Run) -> String {
        let _ = self.watches.ready().await;
        self.watches.board.sight_of(run).job.map_or_else(|| name::of_run(run), |job| job.name)
    }
}

/// A namespace that is open.
pub struct ClusterRef(pub Arc<OnceCell<Cluster>>);

impl std::ops::Deref for ClusterRef {
    type Target = Cluster;
    fn deref(&self) -> &Cluster {
        // It was initialised before this was made, and a cell is never emptied.
        self.0.get().unwrap_or_else(|| unreachable!())
    }
}
