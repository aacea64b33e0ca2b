//! Logs of runs: what their containers print, one after the other, with the kubelet's times, as the lines that the local runner writes.
//!
//! Pods vanish, and their logs with them. So this process reads live what the runs that it follows print, for some at a time; what others print is read
//! when somebody asks for it, and at the end. What was read before goes on where it stopped ([`cursor`]), so that the log of a run only ever grows at its end.

mod cursor;
mod line;
mod plan;
mod spool;
mod tail;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use tokio::sync::{Notify, Semaphore};

use super::apply::Access;
use super::name::{BEGINS, MAIN};
use super::seen::SeenPod;
use super::watch::Board;
use crate::error::{Error, Result};
use crate::model::name::RunId;
use crate::model::run::Run;
use tail::Tail;

/// How many runs are read live without anybody asking for their logs.
const EAGER: usize = 64;
/// How many of the last lines explain an end.
const LAST: i64 = 20;
/// How long a stop waits until the run's last lines are being read.
const CONNECTING: Duration = Duration::from_secs(3);

/// The logs that this process reads.
pub struct Logs {
    folder: PathBuf,
    tails: Mutex<HashMap<RunId, Arc<Tail>>>,
    permits: Arc<Semaphore>,
}

impl Logs {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, tails: Mutex::default(), permits: Arc::new(Semaphore::new(EAGER)) }
    }

    fn known(&self, id: RunId) -> Option<Arc<Tail>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// That of a run whose log is kept until it is forgotten.
    fn kept(&self, access: &Access, board: &Arc<Board>, run: &Run) -> Arc<Tail> {
        let make = || Arc::new(Tail::new(access.clone(), board.clone(), run.clone(), &self.folder));
        self.tails.lock().unwrap_or_else(PoisonError::into_inner).entry(run.id).or_insert_with(make).clone()
    }

    /// The log from a byte on, and where to go on from. `signal`: of a run that is followed, which is told of new lines from now on.
    pub async fn read(&self, access: &Access, board: &Arc<Board>, run: &Run, from: u64, signal: Option<Arc<Notify>>) -> Result<(Vec<u8>, u64)> {
        let tail = match &signal {
            Some(_) => self.kept(access, board, run),
            None => self.known(run.id).unwrap_or_else(|| Arc::new(Tail::new(access.clone(), board.clone(), run.clone(), &self.folder))),
        };
        tail.catch_up().await?;
        if signal.is_some() && tail.is_open() {
            tail.go_live(signal, None);
        }
        tail.spool.read(from).map_err(|error| Error::store(format!("a log cannot be read: {error}"), "check the disk of RUNWRIGHT_HOME"))
    }

    /// Reads a run live that is followed and prints, while there are not too many.
    pub fn stream(&self, access: &Access, board: &Arc<Board>, run: &Run, signal: Arc<Notify>) {
        if self.known(run.id).is_some_and(|tail| tail.is_live()) {
            return;
        }
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            self.kept(access, board, run).go_live(Some(signal), Some(permit));
        }
    }

    /// Before a run is stopped: its last lines are read as they come, for its pod vanishes with the end.
    pub async fn stream_the_last(&self, access: &Access, board: &Arc<Board>, run: &Run) {
        let tail = self.kept(access, board, run);
        if !tail.is_live() && tail.is_open() {
            tail.go_live(None, None);
            tail.connected(CONNECTING).await;
        }
    }

    /// It is not of interest any more.
    pub fn forget(&self, id: RunId) {
        if let Some(tail) = self.tails.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
            tail.stop();
        }
    }
}

/// The last that the main container printed. Empty where it cannot be had.
pub async fn last_lines(access: &Access, pod: &SeenPod) -> Vec<String> {
    let params = LogParams { container: Some(MAIN.into()), tail_lines: Some(LAST), ..LogParams::default() };
    let text = access.api::<Pod>().logs(&pod.name, &params).await.unwrap_or_default();
    text.lines().filter(|line| *line != BEGINS).map(str::to_owned).collect()
}
