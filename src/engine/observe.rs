//! Step 6, *observe*: what the backend reports is folded into the record, and whoever waits is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::Engine;
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::model::event::fold;
use crate::model::name::RunId;
use crate::model::run::Run;
use crate::model::state::State;

/// How often the store is asked about a run that executes where this process cannot look (on another machine of the team).
const AFAR: Duration = Duration::from_secs(2);

/// A look that took longer than this (a long record, a slow database) is followed by a pause of several times that: each look at a run that
/// reports all the time writes its whole record.
const LONG: Duration = Duration::from_millis(25);
const PAUSES: u32 = 4;
const LONGEST: Duration = Duration::from_secs(1);

/// How long to wait before a look that failed by something that passes (a place that does not answer) is taken again: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// What a follower last saw. Of a run that goes on only what tells whether its record changed: there may be thousands.
#[derive(Debug, Clone)]
pub enum Seen {
    Going {
        state: State,
        updated: Timestamp,
        folded: u64,
        /// Whether there is something to wait for still.
        awaited: bool,
    },
    Ended(Box<Run>),
    /// The record could not be written or the run not be looked at; the run itself goes on.
    Failed(Arc<Error>),
}

impl Seen {
    fn of(run: &Run) -> Self {
        if run.state.is_final() {
            Self::Ended(Box::new(run.clone()))
        } else {
            Self::Going { state: run.state, updated: run.updated, folded: run.folded, awaited: run.is_awaited() }
        }
    }
}

/// The runs that this process follows, one task each.
#[derive(Default)]
pub struct Followers(Mutex<HashMap<RunId, watch::Receiver<Seen>>>);

impl Engine {
    /// Follows a run from now on. All who wait for it share one follower.
    pub fn follow(self: &Arc<Self>, run: &Run) -> watch::Receiver<Seen> {
        let mut followers = self.followers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = followers.get(&run.id) {
            return seen.clone();
        }
        let (sender, receiver) = watch::channel(Seen::of(run));
        if !run.state.is_final() {
            followers.insert(run.id, receiver.clone());
            let backend = self.backend(run.backend.as_str()).ok().filter(|backend| backend.reaches(run)).cloned();
            if let Some(backend) = &backend {
                backend.follow(run);
                self.release_later(backend, run);
            }
            tokio::spawn(self.clone().follow_to_end(run.id, backend, sender));
        }
        receiver
    }

    async fn follow_to_end(self: Arc<Self>, id: RunId, backend: Option<Arc<dyn Backend>>, sender: watch::Sender<Seen>) {
        let mut again = AGAIN.0;
        let last = loop {
            let began = Instant::now();
            // A look needs much room, and is over soon: of each of thousands that wait only the waiting is kept.
            let seen = match Box::pin(self.look_afresh(backend.as_deref(), id)).await {
                Ok(run) => Seen::of(&run),
                // The run goes on where it is, and so does this.
                Err(error) if error.passes() => {
                    tokio::time::sleep(again).await;
                    again = (again * 2).min(AGAIN.1);
                    continue;
                }
                Err(error) => Seen::Failed(Arc::new(error)),
            };
            again = AGAIN.0;
            let Seen::Going { state, .. } = seen else { break seen };
            // Nobody listening is no reason to stop: the record is kept up to date all the same.
            let _ = sender.send(seen);
            let Some(backend) = &backend else {
                tokio::time::sleep(AFAR).await;
                continue;
            };
            if began.elapsed() > LONG {
                tokio::time::sleep((began.elapsed() * PAUSES).min(LONGEST)).await;
            }
            backend.changed(id).await;
            if state == State::Pending {
                // Runners take what waits; should all of them have been killed, whoever waits starts one. Best effort: the next who waits tries again.
                let _ = backend.kick().await;
            }
        };
        if let Some(backend) = &backend {
            backend.forget(id);
        }
        self.followers.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let _ = sender.send(last);
    }

    /// The record as it is now. Nothing of it is kept between two looks.
    async fn look_afresh(&self, backend: Option<&dyn Backend>, id: RunId) -> Result<Run> {
        let run = self.find_run(&id.to_string()).await?;
        match backend {
            Some(backend) => self.look(backend, &run).await,
            None => Ok(run),
        }
    }

    /// One look: news are folded into the record, an end is finished. Gives the newest record.
    pub(super) async fn look(&self, backend: &dyn Backend, run: &Run) -> Result<Run> {
        let mut run = run.clone();
        loop {
            if run.state.is_final() {
                return Ok(run);
            }
            let mut news = backend.news(&run).await?;
            if news.events.is_empty() && news.folded == run.folded {
                return Ok(run);
            }
            let finished = self.take_in(backend, &run, &mut news.events).await?;
            let from = run.folded;
            let folded = self
                .store
                .update_run_with(run.id, &finished.entities, |record| {
                    // Another client folded meanwhile: look again from where it came to.
                    if record.state.is_final() || record.folded != from {
                        return Ok(false);
                    }
                    for event in news.events.clone() {
                        fold(record, event)?;
                    }
                    record.folded = news.folded;
                    finished.note(record);
                    Ok(true)
                })
                .await?;
            run = folded;
            // What came meanwhile is for the next look: one that reports all the time would be looked at for ever.
            if run.folded >= news.folded && !news.more {
                return Ok(run);
            }
        }
    }

    /// Waits for the end, of a service until it answers or is known not to come to, `timeout` at most. Gives the newest record, ended or not.
    pub async fn wait(self: &Arc<Self>, id: RunId, timeout: Option<Duration>) -> Result<Run> {
        self.wait_until(id, timeout, true).await
    }

    /// Waits for the end, of a service too, `timeout` at most.
    pub(super) async fn wait_for_end(self: &Arc<Self>, id: RunId, timeout: Option<Duration>) -> Result<Run> {
        self.wait_until(id, timeout, false).await
    }

    async fn wait_until(self: &Arc<Self>, id: RunId, timeout: Option<Duration>, answers: bool) -> Result<Run> {
        let run = self.find_run(&id.to_string()).await?;
        if run.state.is_final() || (answers && !run.is_awaited()) {
            return Ok(run);
        }
        let mut seen = self.follow(&run);
        let ended = async {
            loop {
                let now = seen.borrow_and_update().clone();
                match now {
                    Seen::Ended(run) => return Ok(*run),
                    Seen::Failed(error) => return Err(Error::store(format!("run {id} is not followed any more: {error}"), "mend that, then wait again; the run itself goes on")),
                    Seen::Going { awaited: false, .. } if answers => {
                        // It may have been scaled since that was seen.
                        let run = self.find_run(&id.to_string()).await?;
                        if !run.is_awaited() {
                            return Ok(run);
                        }
                    }
                    Seen::Going { .. } => {}
                }
                if seen.changed().await.is_err() {
                    return self.find_run(&id.to_string()).await;
                }
            }
        };
        match timeout {
            None => ended.await,
            Some(timeout) => match tokio::time::timeout(timeout, ended).await {
                Ok(run) => run,
                Err(_) => self.find_run(&id.to_string()).await,
            },
        }
    }

    /// Returns when the record changed since `seen`, or after `timeout`: for displays that update in place.
    pub async fn next_change(self: &Arc<Self>, run: &Run, timeout: Duration) -> Result<Run> {
        if run.state.is_final() {
            return Ok(run.clone());
        }
        let mut seen = self.follow(run);
        let newer = |seen: &Seen| match seen {
            Seen::Going { state, updated, folded, .. } => *updated != run.updated || *folded != run.folded || *state != run.state,
            Seen::Ended(_) | Seen::Failed(_) => true,
        };
        let _ = tokio::time::timeout(timeout, seen.wait_for(newer)).await;
        self.find_run(&run.id.to_string()).await
    }

    /// Whether this process follows the run.
    pub(super) fn is_followed(&self, id: RunId) -> bool {
        self.followers.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }
}
