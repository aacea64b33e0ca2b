//! Steps *observe* and *finish*: what is on the board becomes news of a run; with its end, its results are fetched.

use std::sync::PoisonError;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use super::confirm::{confirm, find};
use super::diagnose::ended;
use super::followed::Followed;
use super::name::MAIN;
use super::news::{self, Stand, Verdict};
use super::pack::slots_at;
use super::results::{Channels, Results};
use super::seen::{JobEnd, SeenPod};
use super::watch::Sight;
use super::{Cluster, Kubernetes, logs, name, provenance, recover, stop, timing};
use crate::backend::News;
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;
use crate::secrets::Redactor;

/// What ends within this time is read at its end only: one request is enough then.
const SHORT: Duration = Duration::from_secs(2);
/// How old a run without a Job must be, in seconds, before it counts as never handed over: the request of a client that was killed may still be on its way.
const HANDED_OVER: f64 = 2.0;
/// The same, for one of another machine's clients, which cannot be seen to have ended.
const AFAR: f64 = 600.0;

impl Kubernetes {
    pub(super) async fn collect(&self, cluster: &Cluster, run: &Run) -> Result<News> {
        let sight = confirm(&cluster.access, run, cluster.watches.board.sight_of(run)).await?;
        let mut events = news::events(run, &sight, now());
        timing::note(run, &sight, &mut events, now());
        let end = match news::stand(run, &sight) {
            Stand::Open => {
                stop::go_on(&cluster.access, run, &sight).await?;
                self.give_up(cluster, run, &sight).await?
            }
            Stand::Absent => self.absent(cluster, run).await?,
            Stand::Held { end } => self.held(cluster, run, end.is_some()).await?,
            Stand::Stopped { pod } => {
                let results = self.results(cluster, run, &sight, pod.as_deref()).await?.unwrap_or_default();
                events.extend(results.events);
                let mut end = results.end.filter(|end| end.state == State::Stopped).unwrap_or_else(stopped);
                // Whoever resumes it does so later than that, whatever the clocks say.
                end.time = end.time.max(sight.job.as_ref().and_then(|job| job.stopped).unwrap_or_default());
                Some(end)
            }
            Stand::GivenUp(why) => Some(End { error: Some(*why), ..End::at(State::Error, now()) }),
            Stand::Gone { pod } => {
                let results = self.results(cluster, run, &sight, pod.as_deref()).await?.unwrap_or_default();
                events.extend(results.events);
                let asked = asked(run, &sight);
                // Told to end, the runner cannot know by whom.
                match results.end.filter(|end| asked || end.state != State::Stopped) {
                    Some(told) => Some(told),
                    None if asked => Some(stopped()),
                    None => Some(self.deleted(cluster).await),
                }
            }
            Stand::Ended { pod, end, complete } => {
                let results = self.results(cluster, run, &sight, pod.as_deref()).await?.unwrap_or_default();
                let mut ended = match results.end.filter(|told| complete || asked(run, &sight) || told.state != State::Stopped) {
                    Some(told) => told,
                    None if !complete && asked(run, &sight) => stopped(),
                    None if complete && sight.job.as_ref().is_some_and(|job| job.calls) => lost(),
                    None if complete => completed(pod.as_deref(), end.as_ref().map_or_else(now, |end| end.time)),
                    None => self.explained(cluster, run, &sight, pod.as_deref(), end.as_ref()).await,
                };
                let again = match &mut ended.error {
                    Some(failure) if !complete => recover::with_more_memory(&cluster.access, &cluster.watches.board, run, &sight, failure).await?,
                    _ => None,
                };
                let known = |said: &String| run.history.iter().any(|step| step.message.as_ref() == Some(said));
                if !again.as_ref().is_some_and(known) {
                    events.extend(results.events);
                    events.extend(again.clone().map(|message| Event::Notice { time: now(), message }));
                }
                again.is_none().then_some(ended)
            }
        };
        // With what is written anyway.
        if end.is_some() || events.iter().any(|event| matches!(event, Event::Running { .. })) {
            events.extend(provenance::event(run, &sight, now()));
        }
        if let Some(mut end) = end {
            events.extend(timing::of_none(run, &sight, now()));
            end.time = end.time.min(now());
            events.push(Event::End(Box::new(end)));
        }
        let folded = run.folded + events.len() as u64;
        Ok(News { events, folded, more: false })
    }

    /// The end of a run that has waited long enough to begin, if it has.
    async fn give_up(&self, cluster: &Cluster, run: &Run, sight: &Sight) -> Result<Option<End>> {
        let Verdict { over, due } = news::verdict(run, sight, now());
        if let Some(followed) = self.followed.lock().unwrap_or_else(PoisonError::into_inner).get(&run.id) {
            let begins = self.read_live(cluster, run, sight, followed);
            followed.look_in(due.into_iter().chain(begins).reduce(f64::min));
        }
        let (Some(failure), Some(job)) = (over, &sight.job) else { return Ok(None) };
        // Nothing of it must begin once its record has ended.
        stop::give_up(&cluster.access, run, &job.name, &failure).await?;
        Ok(Some(End { error: Some(failure), ..End::at(State::Error, now()) }))
    }

    /// Reads live what a run prints that does not end at once. Gives in how many seconds that is to begin.
    fn read_live(&self, cluster: &Cluster, run: &Run, sight: &Sight, followed: &Followed) -> Option<f64> {
        if !news::pods(run, sight).iter().any(|pod| news::prints(pod)) {
            return None;
        }
        let left = SHORT.saturating_sub(followed.prints_for());
        if left.is_zero() {
            self.logs.stream(&cluster.access, &cluster.watches.board, run, followed.signal());
        }
        Some(left.as_secs_f64()).filter(|left| *left > 0.0)
    }

    /// The end of a run that says nothing itself, with the last that it printed.
    async fn explained(&self, cluster: &Cluster, run: &Run, sight: &Sight, pod: Option<&SeenPod>, end: Option<&JobEnd>) -> End {
        let mut found = ended::found(sight, pod, end);
        if found.error.as_ref().is_some_and(|failure| failure.cause == "PodDeleted")
            && let Some(said) = cluster.access.is_terminating().await
        {
            return ended::deleted(Some(&said), now());
        }
        if let (Some(failure), Some(pod)) = (&mut found.error, pod.filter(|pod| !pod.gone)) {
            let redactor = Redactor::of(run);
            failure.log = logs::last_lines(&cluster.access, pod).await.iter().map(|line| redactor.text(line)).collect();
        }
        found
    }

    /// The end of a run whose Job is gone.
    async fn deleted(&self, cluster: &Cluster) -> End {
        ended::deleted(cluster.access.is_terminating().await.as_deref(), now())
    }

    /// What came back from a pod that has ended.
    async fn results(&self, cluster: &Cluster, run: &Run, sight: &Sight, pod: Option<&SeenPod>) -> Result<Option<Results>> {
        // What an image's own program leaves as its last words is no message of ours.
        let Some(pod) = pod.filter(|pod| pod.container(name::RESULTS).is_some()) else { return Ok(None) };
        let folder = self.folder(run.id);
        let channels = Channels { access: &cluster.access, artifacts: &self.artifacts, slots: slots_at(run), folder: &folder };
        let message = pod.container(MAIN).and_then(|main| main.ended.as_ref()).map_or("", |ended| ended.message.as_str());
        let told = match channels.collect(&pod.name, message).await {
            Err(Error::Invalid(fault)) => {
                let mut end = End::found("ResultsLost", &fault.message, fault.cure.as_deref().unwrap_or_default(), now());
                end.attempts = 1;
                return Ok(Some(Results { events: Vec::new(), end: Some(end) }));
            }
            other => other?,
        };
        let mut told = match told {
            None if !pod.gone => channels.remains(&pod.name).await?,
            told => told,
        };
        if let Some(Results { events, end }) = &mut told {
            timing::told(run, sight, pod, events, end.as_mut(), now());
        }
        Ok(told)
    }

    /// A run that has no Job: not yet, never, or no more.
    async fn absent(&self, cluster: &Cluster, run: &Run) -> Result<Option<End>> {
        let age = now() - run.created.as_duration().as_secs_f64();
        if run.state != State::Created {
            // It was there, and nobody looked while it went.
            return Ok(if self.is_absent(cluster, run).await? { Some(self.deleted(cluster).await) } else { None });
        }
        if self.is_handed_over_by_somebody(run) || !self.is_absent(cluster, run).await? {
            return Ok(None);
        }
        if age < HANDED_OVER {
            tokio::time::sleep(std::time::Duration::from_secs_f64(HANDED_OVER - age.max(0.0))).await;
            if !self.is_absent(cluster, run).await? {
                return Ok(None);
            }
        }
        Ok(Some(not_started()))
    }

    /// A run whose Job is held back. Where its client is gone nobody lets it go any more (the secrets were the client's to give), so nothing of it stays.
    async fn held(&self, cluster: &Cluster, run: &Run, given_up: bool) -> Result<Option<End>> {
        if !given_up && self.is_handed_over_by_somebody(run) {
            return Ok(None);
        }
        // Unless it was let go an instant ago, by a request of a client that was killed right after.
        if !given_up && !stop::remove_held(&cluster.access, &name::of_run(run)).await? {
            return Ok(None);
        }
        Ok(Some(not_started()))
    }

    /// Whether the client that recorded the run may still be about to hand it over.
    pub(super) fn is_handed_over_by_somebody(&self, run: &Run) -> bool {
        // Whether a client lives is seen in its own home only.
        let is = |field: &str, value: &str| run.reference.get(field).and_then(serde_json::Value::as_str) == Some(value);
        if is("host", &self.host) && is("home", &self.home) { self.clients.is_alive(&run.client) } else { now() - run.created.as_duration().as_secs_f64() < AFAR }
    }

    /// Asked of the API server itself: the board may be a little behind.
    async fn is_absent(&self, cluster: &Cluster, run: &Run) -> Result<bool> {
        Ok(find::<Job>(&cluster.access, run, &name::of_run(run)).await?.is_none())
    }
}

pub(super) fn not_started() -> End {
    End::found(
        "NotStarted",
        "the run was recorded, but its client ended before anything was started",
        "nothing ran and nothing is left to run: start it again with run.reproduce()",
        now(),
    )
}

/// Whether somebody asked for its end.
fn asked(run: &Run, sight: &Sight) -> bool {
    sight.job.as_ref().is_some_and(|job| news::was_stopped(run, job))
}

fn stopped() -> End {
    End::found_in(State::Stopped, "Stopped", "it was stopped", now())
}

fn now() -> f64 {
    time::now().as_duration().as_secs_f64()
}

/// The end of a function that has returned, nobody knows what.
fn lost() -> End {
    let mut end = End::found(
        "ResultsLost",
        "it completed, but its pod went before its results had been fetched",
        "see who deletes pods there, and run it again; a client that waits fetches the results at once",
        now(),
    );
    end.attempts = 1;
    end
}

/// The end of a container that says nothing itself: its exit code was 0.
fn completed(pod: Option<&SeenPod>, time: f64) -> End {
    let ended = pod.and_then(|pod| pod.container(MAIN)?.ended.clone()).unwrap_or_default();
    End {
        started: ended.started,
        seconds: ended.started.zip(ended.finished).map(|(started, finished)| finished - started),
        exit_code: Some(0),
        attempts: 1,
        shape: Some("none".into()),
        ..End::at(State::Completed, ended.finished.unwrap_or(time))
    }
}
