//! The command line. One file a command; THE list of commands is [`Command`].
//!
//! Arguments are parsed before anything else happens: help, the version, a misspelt option and `completion` open no store. What needs Python (code that
//! is captured, an engine that is configured by Python's settings) goes through [`Host`].
//!
//! Exit codes: [`SUCCESS`], [`RUN_FAILED`], [`USAGE`], [`OTHER`], [`INTERRUPTED`]. Standard output carries what was asked for and nothing else.

// Doc comments of options are the help that people read in a terminal.
#![allow(clippy::doc_markdown)]

mod artifacts;
mod completion;
mod console;
mod diff;
mod doctor;
mod functions;
mod gc;
mod rbac;
mod run;
mod runs;
mod sync;
mod table;
mod text;
mod typed;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::console::Console;
use crate::engine::Engine;
use crate::engine::projects::DEFAULT;
use crate::error::Error;
use crate::model::function::Function;
use crate::model::run::Run;

/// What was asked for is done.
pub const SUCCESS: i32 = 0;
/// The run did not complete, or a check of `doctor` failed.
pub const RUN_FAILED: i32 = 1;
/// The arguments are wrong; nothing was created.
pub const USAGE: i32 = 2;
/// Anything else: something does not exist, the store is not reached, …
pub const OTHER: i32 = 3;
/// Ctrl-C. Runs go on.
pub const INTERRUPTED: i32 = 130;

/// Why a command ends without an exit code of its own.
#[derive(Debug)]
pub enum Failure {
    Engine(Error),
    /// Standard output cannot be written.
    Output(std::io::Error),
    /// Ctrl-C.
    Interrupted,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

/// The exit code of a command.
pub type Outcome = Result<i32, Failure>;

/// A command at work.
pub type Work<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// What the process that this runs in does for the command line.
pub trait Host {
    /// The engine, opened at the first call.
    fn engine(&self) -> Result<Arc<Engine>, Failure>;

    /// Saves the version of a function that a file holds. Nothing of the file is imported.
    fn define(&self, target: &Target) -> Result<Function, Failure>;

    /// Starts a run of a version.
    fn start(&self, function: &Function, call: &Call) -> Result<Run, Failure>;

    /// Where `--on` says that something is to run.
    fn place(&self, on: &str) -> Result<Place, Failure>;

    /// What starting a run of a version would hand over.
    fn rehearse(&self, function: &Function, call: &Call) -> Result<Vec<Value>, Failure>;

    /// What is known of the Python that this runs in, and where things are kept. Opens nothing.
    fn facts(&self) -> Result<Facts, Failure>;

    /// Carries out what waits, with an ear for Ctrl-C.
    fn wait(&self, work: Work<'_>) -> Outcome;
}

/// The Python of this process.
#[derive(Debug, Deserialize)]
pub struct Facts {
    /// The folder of everything local.
    pub home: PathBuf,
    pub executable: String,
    pub version: String,
    /// It can make virtual environments.
    pub venv: bool,
    /// The image that was set for Python functions which name none.
    pub image: Option<String>,
}

/// A place to run, as a request has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    pub on: String,
    #[serde(default)]
    pub place: Map<String, Value>,
}

/// Where the code of a function is.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    pub project: String,
    /// `FILE:FUNCTION`.
    pub target: String,
    pub name: Option<String>,
    pub requirements: Vec<String>,
}

/// How a function is run: its arguments, and the options of `Function.run` that were given.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Call {
    pub parameters: Map<String, Value>,
    /// Keys by parameter.
    pub inputs: Map<String, Value>,
    pub options: Map<String, Value>,
    /// Standard output is for the record: what an inline run prints goes to standard error.
    pub aside: bool,
}

/// Tracked runs of data-science functions, on this machine.
#[derive(Debug, Parser)]
#[command(name = "runwright", version, max_term_width = 120, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 success, 1 the run failed, 2 wrong arguments, 3 another error, 130 Ctrl-C (runs go on).\n\
    Settings: RUNWRIGHT_HOME, RUNWRIGHT_STORE, RUNWRIGHT_ARTIFACTS, RUNWRIGHT_PROJECT, RUNWRIGHT_CONCURRENCY, NO_COLOR.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// THE list of commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// List runs, the newest first
    #[command(visible_alias = "ls")]
    Runs(runs::Runs),
    /// Run a function of a file, or look at and act on one run
    Run(Box<run::RunCommand>),
    /// List functions, or show the source of one
    Functions(functions::Functions),
    /// List artifacts, dataitems and models, or show one with its lineage
    Artifacts(artifacts::Artifacts),
    /// Show what tells two runs apart
    Diff(diff::Diff),
    /// Bring the store up to date with what really runs
    Sync(sync::Sync),
    /// Remove the folders of runs that ended long ago, and what belongs to nothing
    Gc(gc::Gc),
    /// Check that everything works here, and say how to mend what does not
    Doctor(doctor::Doctor),
    /// Print the smallest Role that runs on Kubernetes need
    Rbac(rbac::Rbac),
    /// Print the completion script of a shell
    Completion(completion::Completion),
}

/// Runs a command and gives the exit code.
pub fn main(host: &dyn Host, arguments: &[String]) -> i32 {
    let command = match parse(arguments) {
        Ok(cli) => cli.command,
        Err(error) => {
            // A closed pipe: nobody is there to be told.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let mut console = Console::new();
    let outcome = execute(host, command, &mut console);
    console.end(outcome)
}

fn execute(host: &dyn Host, command: Command, console: &mut Console) -> Outcome {
    match command {
        Command::Runs(runs) => host.wait(Box::pin(runs.execute(host.engine()?, console))),
        Command::Run(run) => run.execute(host, console),
        Command::Functions(functions) => host.wait(Box::pin(functions.execute(host.engine()?, console))),
        Command::Artifacts(artifacts) => host.wait(Box::pin(artifacts.execute(host.engine()?, console))),
        Command::Diff(diff) => host.wait(Box::pin(diff.execute(host.engine()?, console))),
        Command::Sync(sync) => host.wait(Box::pin(sync.execute(host.engine()?, console))),
        Command::Gc(gc) => host.wait(Box::pin(gc.execute(host.engine()?, console))),
        Command::Doctor(doctor) => doctor.execute(host, console),
        Command::Rbac(rbac) => rbac.execute(console),
        Command::Completion(completion) => completion.execute(&mut Cli::command(), console),
    }
}

fn parse(arguments: &[String]) -> Result<Cli, clap::Error> {
    run::check_verb(arguments, &mut Cli::command())?;
    Cli::try_parse_from(std::iter::once("runwright").chain(arguments.iter().map(String::as_str)))
}

/// The project of who names none.
fn default_project() -> String {
    std::env::var("RUNWRIGHT_PROJECT").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_parser_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_parses() {
        for line in [
            "runs",
            "runs --function f --state error --project p --limit 3 --before 0190f3a2 --json",
            "runs --all-projects",
            "run show 0190f3a2",
            "run manifest 0190f3a2 --json",
            "run train.py:train --on kubernetes --dry-run",
            "run logs 0190f3a2 -f --json",
            "run wait 0190f3a2 --timeout 10s",
            "run stop 0190f3a2",
            "run delete 0190f3a2",
            "run train.py:train -p depth=8 -p name=x=y --input di=store://p/dataitem/table/x --timeout 5m --retries 2 --env A=b --secret T",
            "run -p depth=8 train.py:train --inline",
            "run git+https://example.org/repo#main:train --detach --json",
            "functions",
            "functions show f --version 0190f3a2",
            "artifacts --type model --name m",
            "artifacts show store://p/model/sklearn/m",
            "diff 0190f3a2 0190f3a3 --json",
            "sync",
            "gc --older-than 7d --dry-run",
            "doctor --json",
            "doctor --on kubernetes:cluster/team --run",
            "rbac job doctor --namespace team --group scientists",
            "completion bash",
        ] {
            parsed(line).expect(line);
        }
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        for (line, words) in [
            ("rnus", "runs"),
            ("runs --limt 3", "--limit"),
            ("runs --state ERORR", "ERROR"),
            ("runs --project p --all-projects", "cannot be used with"),
            ("run sohw 0190f3a2", "show"),
            ("run train.py", "FILE:FUNCTION"),
            ("run -p a=1 train.py", "FILE:FUNCTION"),
            ("run train.py:f -p depth", "name=value"),
            ("run train.py:f --wait --detach", "cannot be used with"),
            ("run train.py:f --inline --detach", "cannot be used with"),
            ("run wait 0190f3a2 --timeout soon", "30s"),
            ("gc --older-than never", "7d"),
            ("completion tcsh", "bash"),
            ("doctor --run", "--on"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
