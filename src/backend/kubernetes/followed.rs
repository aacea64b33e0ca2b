//! A run that this process follows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::name;
use super::watch::Board;
use crate::model::run::Run;

/// Told of what happens to its Jobs, until it is dropped.
pub struct Followed {
    board: Arc<Board>,
    /// By the names under which they are on the board.
    jobs: Vec<String>,
    signal: Arc<Notify>,
    /// When it is to be looked at even if nothing happens.
    due: Mutex<Option<Instant>>,
    /// When it was first seen to print.
    prints: Mutex<Option<Instant>>,
}

impl Followed {
    pub fn new(board: Arc<Board>, run: &Run) -> Self {
        let mut jobs = vec![name::of_run(run)];
        if name::gathered(run).is_some() {
            jobs.push(name::of_item(run.id));
        }
        let followed = Self { board, jobs, signal: Arc::default(), due: Mutex::default(), prints: Mutex::default() };
        for job in &followed.jobs {
            followed.board.follow(job, &followed.signal);
        }
        followed
    }

    /// What tells that something happened.
    pub fn signal(&self) -> Arc<Notify> {
        self.signal.clone()
    }

    /// It prints: for how long already, as far as it was seen here.
    pub fn prints_for(&self) -> Duration {
        self.prints.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now).elapsed()
    }

    /// It is to be looked at in so many seconds.
    pub fn look_in(&self, seconds: Option<f64>) {
        let due = seconds.and_then(|seconds| Instant::now().checked_add(Duration::try_from_secs_f64(seconds).ok()?));
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
    }

    /// What tells that something happened, and how long to wait for it at most.
    pub fn next(&self) -> (Arc<Notify>, Option<Duration>) {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        (self.signal.clone(), due.map(|due| due.saturating_duration_since(Instant::now())))
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        for job in &self.jobs {
            self.board.forget(job, &self.signal);
        }
    }
}
