//! Whether something was carried out whose answer was lost; and hand-overs of which that is not known for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::apply::Access;
use super::hand_over::HandOver;
use super::name;
use super::watch::Board;
use crate::backend::News;
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::run::Run;
use crate::model::time;

/// How long a caller waits for a hand-over to become certain; then it goes on without the caller.
const LONG: Duration = Duration::from_secs(30);

/// Raised where an answer was lost, with what went wrong.
#[derive(Clone)]
pub struct Doubt(Arc<watch::Sender<Option<String>>>);

impl Default for Doubt {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl Doubt {
    pub fn raise(&self, why: &str) {
        self.0.send_replace(Some(why.to_owned()));
    }

    pub fn is_raised(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Returns when it has been there for long, with what was said last.
    async fn for_long(&self) -> String {
        // It never fails: the sender is here.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
        tokio::time::sleep(LONG).await;
        self.0.borrow().clone().unwrap_or_default()
    }
}

/// How a hand-over stands that its caller does not wait for any more.
#[derive(Debug)]
enum Outcome {
    Unknown(String),
    Refused(Error),
}

/// The hand-overs of this process that are not certain, or came to nothing, by Job.
#[derive(Default)]
pub struct HandOvers(Mutex<HashMap<String, Outcome>>);

impl HandOvers {
    fn set(&self, job: &str, outcome: Option<Outcome>) {
        let mut outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Some(outcome) => drop(outcomes.insert(job.to_owned(), outcome)),
            None => drop(outcomes.remove(job)),
        }
    }

    /// It will never be handed over.
    pub fn refuse(&self, job: &str, why: &Error) {
        self.set(job, Some(Outcome::Refused(why.again())));
    }

    /// Hands over, and waits until it is certain that this was done; or, where answers are lost for long, lets it go on by itself.
    pub async fn carry_out(self: &Arc<Self>, access: &Access, board: &Arc<Board>, what: HandOver) -> Result<()> {
        let (access, doubt, name) = (access.clone(), Doubt::default(), what.name());
        let told = doubt.clone();
        // A task of its own: it goes on when whoever asked for it does not.
        let mut work = tokio::spawn(async move { Box::pin(what.carry_out(&access, &told)).await });
        let broken = |error: tokio::task::JoinError| Err(Error::backend(format!("a hand-over broke off: {error}"), "this is a fault of Runwright; please report it"));
        let why = tokio::select! {
            outcome = &mut work => return outcome.unwrap_or_else(broken),
            why = doubt.for_long() => why,
        };
        self.set(&name, Some(Outcome::Unknown(why)));
        let (hand_overs, board) = (self.clone(), board.clone());
        tokio::spawn(async move {
            let outcome = work.await.unwrap_or_else(broken);
            hand_overs.set(&name, outcome.err().map(Outcome::Refused));
            board.tell(&name);
        });
        Ok(())
    }

    /// What there is to say of a run because of its hand-over. None where its Job says all.
    pub fn news(&self, run: &Run, board: &Board) -> Option<News> {
        let job = name::of_run(run);
        let outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let events = match outcomes.get(&job)? {
            Outcome::Refused(error) => vec![Event::End(Box::new(End::not_started(error)))],
            Outcome::Unknown(_) if board.sight(&job).is_there() => return None,
            Outcome::Unknown(why) => {
                let message = format!("it is not known yet whether it was handed over ({why}); this is tried again for as long as the process that submitted it lives");
                let said = run.history.iter().any(|step| step.message.as_ref() == Some(&message));
                if said { Vec::new() } else { vec![Event::Notice { time: time::now().as_duration().as_secs_f64(), message }] }
            }
        };
        Some(News { folded: run.folded + events.len() as u64, events, more: false })
    }
}
