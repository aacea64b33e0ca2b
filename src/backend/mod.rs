//! Backend: executes a Plan somewhere and reports what happens there.
//!
//! To add a place to run: one folder with an `impl Backend`, one line in the engine's list ([`crate::engine::Engine::open`]).

pub mod local;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::event::Event;
use crate::model::function::Function;
use crate::model::name::{Name, RunId};
use crate::model::plan::Plan;
use crate::model::run::Run;

/// What goes along with a lowered plan and is in no record: secret values, and the folder in which the client staged input values.
#[derive(Default)]
pub struct Luggage {
    pub secrets: BTreeMap<String, String>,
    pub staging: Option<PathBuf>,
}

impl std::fmt::Debug for Luggage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values must reach no log.
        f.debug_struct("Luggage").field("secrets", &self.secrets.keys()).field("staging", &self.staging).finish()
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
}

/// A place to run.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Its name, as in `on="…"`.
    fn name(&self) -> &'static str;

    /// Step *lower*, pure: what will be handed over. `inputs` are the run's inputs, resolved.
    fn lower(&self, function: &Function, run: &Run, plan: &Plan, inputs: &Map<String, Value>) -> Result<Value>;

    /// What will identify the execution, known beforehand.
    fn reference(&self, run: &Run) -> Map<String, Value>;

    /// Step *execute*. Doing it twice for one run executes it once. After an error it is certain that it will never be executed.
    async fn execute(&self, function: &Function, run: &Run, lowered: &Value, luggage: Luggage) -> Result<()>;

    /// Instead of *execute*: it will never be called for this run.
    fn abandon(&self, run: &Run, why: &Error);

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

    /// The log from a byte on, and where to go on from.
    async fn log(&self, run: &Run, from: u64) -> Result<(Vec<u8>, u64)>;

    /// The folder below which the paths in output descriptors lie.
    fn outputs(&self, run: &Run) -> PathBuf;

    /// All runs that are found there, the oldest first.
    async fn discover(&self) -> Result<Vec<RunId>>;

    /// The record of a run that is found there, as it was handed over. None where there is none that can be read.
    async fn find(&self, id: RunId) -> Result<Option<Run>>;

    /// The function version that a run is of, where it is found there, too.
    fn version(&self, run: &Run) -> Option<Function>;

    /// Removes what is kept of a project that is deleted, besides its runs.
    fn remove_project(&self, project: &Name) -> Result<()>;

    /// Removes what is left of an ended run.
    async fn remove(&self, run: &Run) -> Result<()>;

    /// Removes what belongs to nothing any more. Gives what was (or, with `dry_run`, would be) removed.
    async fn sweep(&self, dry_run: bool) -> Result<Vec<String>>;

    /// Starts what waits and could run.
    async fn kick(&self) -> Result<()>;

    /// The folder for values that a client materialises before it submits.
    fn staging(&self) -> &Path;
}
