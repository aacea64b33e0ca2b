//! Runs that wait for others, at a place that cannot wait by itself: whoever follows them starts them when their inputs are there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::model::event::{End, Event, fold};
use crate::model::name::RunId;
use crate::model::run::{Input, Run};
use crate::model::state::State;
use crate::model::time;
use crate::store::RunFilter;

/// How long to wait before a release that failed (no connection) is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What this process is about to release, by run or fan-out.
#[derive(Default)]
pub struct Releases(Mutex<HashSet<RunId>>);

impl Engine {
    /// Starts a run as soon as what it waits for has ended, and not before; one task for all runs of a fan-out.
    pub(super) fn release_later(self: &Arc<Self>, backend: &Arc<dyn Backend>, run: &Run) {
        if backend.waits() || upstreams(run).is_empty() || !matches!(run.state, State::Created | State::Pending) {
            return;
        }
        let id = run.spec.map.as_ref().map_or(run.id, |_| run.id.map());
        if self.releases.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            let (engine, backend, run) = (self.clone(), backend.clone(), run.clone());
            tokio::spawn(async move {
                while let Err(error) = engine.release_when_ready(backend.as_ref(), &run).await {
                    if matches!(error, Error::Invalid(_) | Error::NotFound(_)) {
                        engine.refuse(backend.as_ref(), &run, &End::not_started(&error)).await;
                        break;
                    }
                    tokio::time::sleep(AGAIN).await;
                }
                engine.releases.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            });
        }
    }

    async fn release_when_ready(self: &Arc<Self>, backend: &dyn Backend, run: &Run) -> Result<()> {
        for upstream in self.upstreams_of_all(run).await? {
            self.wait_for_end(upstream, None).await?;
        }
        self.release_now(backend, run).await.map(drop)
    }

    /// Starts a run if it is held back and all that it waits for has ended. False where something has not.
    pub(super) async fn release_now(&self, backend: &dyn Backend, run: &Run) -> Result<bool> {
        if backend.waits() || upstreams(run).is_empty() || !backend.holds(run).await? {
            return Ok(true);
        }
        for id in self.upstreams_of_all(run).await? {
            let upstream = self.find_run(&id.to_string()).await?;
            if !upstream.state.is_final() {
                return Ok(false);
            }
            if upstream.state != State::Completed {
                let why = upstream.error.as_ref().map_or("", |error| error.message.as_str());
                let message = format!("run {id}, which this one needs, did not complete ({}; {why})", upstream.state);
                let end = End::found("UpstreamFailed", &message, "repair that run, then run this one again", time::now().as_duration().as_secs_f64());
                self.refuse(backend, run, &end).await;
                return Ok(true);
            }
        }
        let runs = self.together(run).await?;
        let function = self.known_function(run.project.as_str(), run.function.as_str(), Some(run.version.as_str())).await?;
        let (loads, lowered, luggage) = self.parcel_again(backend, function, runs).await?;
        backend.release(&loads, &lowered, luggage).await?;
        Ok(true)
    }

    /// What the run, or any run of its fan-out, waits for.
    async fn upstreams_of_all(&self, run: &Run) -> Result<Vec<RunId>> {
        Ok(self.together(run).await?.iter().flat_map(upstreams).collect())
    }

    /// The run, or all runs of its fan-out in their order.
    async fn together(&self, run: &Run) -> Result<Vec<Run>> {
        let Some(map) = &run.spec.map else { return Ok(vec![run.clone()]) };
        let mut runs = self.store.runs(&RunFilter { map: Some(map.id.clone()), ..RunFilter::default() }).await?;
        runs.sort_by_key(|run| run.id);
        Ok(runs)
    }

    /// It will never start: that is recorded, then nothing is left of it there.
    async fn refuse(&self, backend: &dyn Backend, run: &Run, end: &End) {
        for run in self.together(run).await.unwrap_or_else(|_| vec![run.clone()]) {
            // Best effort: a store that fails now is written by the next look.
            let _ = self.store.update_run(run.id, |run| fold(run, Event::End(Box::new(end.clone()))).map(|()| true)).await;
        }
        let _ = backend.remove(run).await;
    }
}

fn upstreams(run: &Run) -> Vec<RunId> {
    let of = |input: &Input| if let Input::Run { run, .. } = input { Some(*run) } else { None };
    run.spec.inputs.values().filter_map(of).collect()
}
