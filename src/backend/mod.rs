//! Backend: executes a Plan somewhere and reports what happens there.
//!
//! To add a place to run: one folder with an `impl Backend`, one line in the engine's list ([`crate::engine::Engine::open`]).

pub mod kubernetes;
pub mod local;
mod signed;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::event::Event;
use crate::model::function::Function;
use crate::model::name::{Name, RunId};
use crate::model::plan::Plan;
use crate::model::run::Run;

/// A run with all that its lowering reads, besides its function.
pub struct Load {
    pub run: Run,
    pub plan: Plan,
    /// The run's inputs, resolved, as they are found where it executes.
    pub inputs: Map<String, Value>,
    /// The folder in which the client staged input values.
    pub staging: Option<PathBuf>,
    /// Presigned URLs under which its files may be put.
    pub slots: Vec<String>,
    /// Where its code is fetched from (`url`, `sha256`), where that does not travel along.
    pub code: Option<Value>,
    /// When these and those of its inputs expire, in seconds since the epoch.
    pub until: Option<f64>,
    /// How many pieces of luggage go with it.
    pub pieces: usize,
    /// Whether what its item of a fan-out has for itself travels in the luggage.
    pub apart: bool,
}

impl Load {
    /// As it was asked for; how it gets to its place is not known yet.
    #[must_use]
    pub fn new(run: Run, plan: Plan, inputs: Map<String, Value>, staging: Option<PathBuf>) -> Self {
        Self { run, plan, inputs, staging, slots: Vec::new(), code: None, until: None, pieces: 0, apart: false }
    }
}

/// What goes along with a lowered plan and is in no record.
#[derive(Default)]
pub struct Luggage {
    /// By the name of their environment variable.
    pub secrets: BTreeMap<String, String>,
    /// Files, packed, in pieces as large as the place takes them.
    pub pieces: Vec<Bytes>,
    /// Files that go to the artifact store first: their path there, and where they are.
    pub uploads: Vec<(String, PathBuf)>,
    /// The code, where it goes there, too: its path, the same for the same code, and what it holds.
    pub code: Option<(String, Bytes)>,
}

impl std::fmt::Debug for Luggage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values must reach no log.
        f.debug_struct("Luggage").field("secrets", &self.secrets.keys()).field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// What happened since the record was last folded.
#[derive(Debug, Default)]
pub struct News {
    pub events: Vec<Event>,
    /// What the record's `folded` becomes.
    pub folded: u64,
    /// There is more than one takes at a time.
    pub more: bool,
}

/// A line that a run printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Seconds since the epoch.
    #[serde(rename = "t")]
    pub time: f64,
    /// `stdout`, `stderr`, `logging` or `runner`.
    #[serde(rename = "s")]
    pub stream: String,
    /// The attempt.
    #[serde(rename = "a", default)]
    pub attempt: u32,
    /// The text, without its line break.
    #[serde(rename = "m")]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logger: Option<String>,
    /// The container that printed it, where that is not the main one.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The pod that printed it, of those of a service.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// A request to a service.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A place to run.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Its name, as in `on="…"`.
    fn name(&self) -> &'static str;

    /// Whether what executes there executes in an image.
    fn uses_images(&self) -> bool {
        false
    }

    /// Whether it tells of every service whether it answers, not only of those that say so themselves.
    fn knows_readiness(&self) -> bool {
        false
    }

    /// Whether all runs of a fan-out are lowered and handed over as one.
    fn gathers(&self, _plan: &Plan) -> bool {
        false
    }

    /// From now on runs are also looked for there. `place`: as in [`Backend::reference`].
    fn visit(&self, _place: &Map<String, Value>) -> Result<()> {
        Ok(())
    }

    /// What will identify the execution, known beforehand. `place`: where exactly, as the caller said (the keys are the backend's own).
    fn reference(&self, run: &Run, plan: &Plan, place: &Map<String, Value>) -> Result<Map<String, Value>>;

    /// Before *lower*: how code and inputs that lie on this machine get there. Nothing is sent yet; what cannot get there is an error.
    async fn pack(&self, _function: &Function, _loads: &mut [Load], _luggage: &mut Luggage) -> Result<()> {
        Ok(())
    }

    /// Step *lower*, pure: what will be handed over. `loads` has one run, or all of one fan-out where the backend gathers them.
    fn lower(&self, function: &Function, loads: &[Load]) -> Result<Value>;

    /// After *lower*: an error says that the place would refuse it in the end, where that would show only once much was made.
    async fn preflight(&self, _loads: &[Load], _lowered: &Value) -> Result<()> {
        Ok(())
    }

    /// How many hand-overs may go on at a time.
    fn parallel(&self) -> usize {
        1
    }

    /// Step *execute*. Doing it twice for one run executes it once. After an error it is certain that it will never be executed.
    async fn execute(&self, function: &Function, loads: &[Load], lowered: &Value, luggage: Luggage) -> Result<()>;

    /// Instead of *execute*: it will never be called for this run.
    fn abandon(&self, run: &Run, why: &Error);

    /// Checks with the place itself, without leaving anything there, that it would take what was lowered. Gives what it would make of it.
    async fn rehearse(&self, _loads: &[Load], lowered: &Value, _luggage: &Luggage) -> Result<Vec<Value>> {
        let mut frozen = lowered.clone();
        signed::hide(&mut frozen);
        Ok(vec![frozen])
    }

    /// What was handed over of a run, as far as it is still there. Values of secrets are not in it.
    async fn manifest(&self, _run: &Run) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }

    /// Whether a run that waits for others waits there by itself. Else [`Backend::release`] starts it.
    fn waits(&self) -> bool {
        true
    }

    /// Whether a run was handed over and is held back until [`Backend::release`].
    async fn holds(&self, _run: &Run) -> Result<bool> {
        Ok(false)
    }

    /// Starts runs that were handed over before what they wait for had ended. `lowered` has all their inputs. Doing it twice is the same as once.
    async fn release(&self, _loads: &[Load], _lowered: &Value, _luggage: Luggage) -> Result<()> {
        Ok(())
    }

    /// Whether the execution can be looked at from here (another machine's processes cannot).
    fn reaches(&self, run: &Run) -> bool;

    /// Step *observe*: what happened since `run.folded`.
    async fn news(&self, run: &Run) -> Result<News>;

    /// From now on `changed` tells of this run. Called before the first look at its news.
    fn follow(&self, run: &Run);

    /// Returns when something may have happened to the run.
    async fn changed(&self, id: RunId);

    /// The run is no longer of interest to `changed`.
    fn forget(&self, id: RunId);

    /// Ends the execution gracefully; the end is reported as any other. Doing it twice is the same as once.
    async fn stop(&self, run: &Run) -> Result<()>;

    /// Whether a run that was stopped can go on as the same run.
    fn resumes(&self, _run: &Run) -> bool {
        false
    }

    /// Whether a run that was stopped goes on all the same: somebody with another store has resumed it.
    async fn goes_on(&self, _run: &Run) -> Result<bool> {
        Ok(false)
    }

    /// Lets a stopped run go on. Doing it twice is the same as once.
    async fn resume(&self, _run: &Run) -> Result<()> {
        Ok(())
    }

    /// Asks a service that executes there.
    async fn invoke(&self, run: &Run, _call: Call) -> Result<Answer> {
        Err(Error::conflict(format!("the service {} is not asked through its place to run ({})", run.function, self.name()), "ask it by its URL: run.url"))
    }

    /// Has so many replicas of a service.
    async fn scale(&self, run: &Run, _replicas: u32) -> Result<()> {
        Err(Error::conflict(
            format!("the service {} executes where there is one of it ({})", run.function, self.name()),
            "serve it on=\"kubernetes\"; here serving={\"workers\": 4} has more processes",
        ))
    }

    /// Serves another version. `lowered` is that of the new one.
    async fn update(&self, loads: &[Load], _lowered: &Value, _luggage: Luggage) -> Result<()> {
        let name = loads.first().map_or("", |load| load.run.function.as_str());
        Err(Error::conflict(
            format!("the service {name} cannot be updated where it executes ({})", self.name()),
            "serve it on=\"kubernetes\", or stop it and start the new version",
        ))
    }

    /// The log from a byte on, and where to go on from.
    async fn log(&self, run: &Run, from: u64) -> Result<(Vec<u8>, u64)>;

    /// The folder below which the paths in output descriptors lie.
    fn outputs(&self, run: &Run) -> PathBuf;

    /// All runs that are found there, the oldest first.
    async fn discover(&self) -> Result<Vec<RunId>>;

    /// The record of a run that is found there, as it was handed over. None where there is none that can be read.
    async fn find(&self, id: RunId) -> Result<Option<Run>>;

    /// The function version that a run is of, where it is found there, too.
    async fn version(&self, run: &Run) -> Option<Function>;

    /// Removes what is kept of a project that is deleted, besides its runs.
    fn remove_project(&self, project: &Name) -> Result<()>;

    /// Removes what is left of an ended run.
    async fn remove(&self, run: &Run) -> Result<()>;

    /// Removes what belongs to nothing any more. `open`: the runs that have not ended. Gives what was (or, with `dry_run`, would be) removed.
    async fn sweep(&self, open: &HashSet<RunId>, dry_run: bool) -> Result<Vec<String>>;

    /// Starts what waits and could run.
    async fn kick(&self) -> Result<()>;

    /// The folder for values that a client materialises before it submits.
    fn staging(&self) -> &Path;
}
