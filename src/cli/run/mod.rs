//! `run`: a function of a file (`run FILE:FUNCTION`), or one run (`run show RUN`).

mod delete;
mod logs;
mod manifest;
mod progress;
mod resume;
mod show;
mod start;
mod stop;
pub(super) mod timeline;
mod wait;

use clap::error::ErrorKind;
use clap::{Args, Subcommand};

use super::console::{Console, Style};
use super::{Host, Outcome, RUN_FAILED, SUCCESS, text};
use crate::error::{Error, did_you_mean};
use crate::model::run::{Failure, Run, Service};
use crate::model::state::State;

/// `run …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, arg_required_else_help = true)]
#[command(override_usage = "runwright run [OPTIONS] <FILE:FUNCTION>\n       runwright run <show|manifest|logs|wait|stop|resume|delete> <RUN>")]
pub struct RunCommand {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    start: Option<start::Start>,
}

/// What can be done with one run.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Show everything about a run
    Show(show::Show),
    /// Print what was handed over of a run, as YAML
    Manifest(manifest::Manifest),
    /// Print what a run printed
    Logs(logs::Logs),
    /// Wait until a run has ended, a service until it answers
    Wait(wait::Wait),
    /// Stop a run: TERM, and KILL after its grace
    Stop(stop::Stop),
    /// Let a stopped run begin anew, as the same run
    Resume(resume::Resume),
    /// Delete a run's record, folder and log; what it made stays
    Delete(delete::Delete),
}

impl RunCommand {
    pub fn execute(self, host: &dyn Host, console: &mut Console) -> Outcome {
        match (self.verb, self.start) {
            (Some(Verb::Show(show)), _) => host.wait(Box::pin(show.execute(host.engine()?, console))),
            (Some(Verb::Manifest(manifest)), _) => host.wait(Box::pin(manifest.execute(host.engine()?, console))),
            (Some(Verb::Logs(logs)), _) => host.wait(Box::pin(logs.execute(host.engine()?, console))),
            (Some(Verb::Wait(wait)), _) => host.wait(Box::pin(wait.execute(host.engine()?, console))),
            (Some(Verb::Stop(stop)), _) => host.wait(Box::pin(stop.execute(host.engine()?, console))),
            (Some(Verb::Resume(resume)), _) => host.wait(Box::pin(resume.execute(host.engine()?, console))),
            (Some(Verb::Delete(delete)), _) => host.wait(Box::pin(delete.execute(host.engine()?, console))),
            (None, Some(start)) => start.execute(host, console),
            // The parser asks for one of them.
            (None, None) => Err(Error::invalid("run", "", "run needs a target", "give FILE:FUNCTION, or show, manifest, logs, wait, stop, resume or delete and a run").into()),
        }
    }
}

/// A word after `run` that is neither a verb nor a target. Found before the parser takes it for a target and complains about what follows it.
pub fn check_verb(arguments: &[String], command: &mut clap::Command) -> Result<(), clap::Error> {
    let [first, word, ..] = arguments else { return Ok(()) };
    if first != "run" || word.starts_with('-') || word.contains(':') {
        return Ok(());
    }
    let Some(run) = command.find_subcommand_mut("run") else { return Ok(()) };
    let verbs: Vec<&str> = run.get_subcommands().map(clap::Command::get_name).chain(["help"]).collect();
    if verbs.contains(&word.as_str()) {
        return Ok(());
    }
    let message = format!("{word:?} is neither FILE:FUNCTION nor a command of run{}\n  → commands are: {}", did_you_mean(word, verbs.iter().copied()), verbs.join(", "));
    Err(run.error(ErrorKind::InvalidSubcommand, message))
}

/// The exit code that tells how a run ended.
fn exit_code(run: &Run) -> i32 {
    let answers = !run.state.is_final() && run.service.as_ref().is_some_and(Service::is_ready);
    if run.state == State::Completed || answers { SUCCESS } else { RUN_FAILED }
}

/// How long it executed, or has executed so far; None before it began.
pub(super) fn seconds(run: &Run) -> Option<f64> {
    run.seconds.or_else(|| {
        let started = run.reached(State::Running)?;
        let until = if run.state.is_final() { run.history.last()?.time } else { crate::model::time::now() };
        Some(until.duration_since(started).as_secs_f64())
    })
}

/// Tells how a run ended: `COMPLETED in 3.2 s`, and why it did not complete.
fn tell_end(console: &Console, run: &Run) {
    let time = seconds(run).map(|seconds| format!(" in {}", text::took(seconds))).unwrap_or_default();
    if let Some(service) = run.service.as_ref().filter(|_| !run.state.is_final()) {
        match &service.failure {
            None => console.tell(&format!("service {} (run {}): {}", run.function, run.id, standing(service))),
            Some(failure) => console.tell(&format!("error: the service {} (run {}) does not come to answer: {}", run.function, run.id, failure_text(failure))),
        }
        return;
    }
    match &run.error {
        Some(failure) if run.state != State::Completed => {
            console.tell(&format!("error: run {} of {} ended as {}{time}: {}", run.id, run.function, run.state, failure_text(failure)));
        }
        _ => console.tell(&format!("run {} of {} {}{time}", run.id, run.function, run.state)),
    }
}

/// How many of a service answer, and where.
fn standing(service: &Service) -> String {
    let place = service.url.as_ref().filter(|_| service.ready > 0).map(|url| format!(" at {url}")).unwrap_or_default();
    format!("{} of {} answer{place}", service.ready, service.replicas)
}

/// Cause, message, traceback (or the last lines of the log) and cure.
fn failure_text(failure: &Failure) -> String {
    let mut text = format!("{}: {}", failure.cause, failure.message);
    match &failure.traceback {
        Some(traceback) => {
            text.push('\n');
            text.push_str(traceback.trim_end());
        }
        None if !failure.log.is_empty() => {
            text.push_str("\nlast log lines:");
            failure.log.iter().for_each(|line| {
                text.push_str("\n  ");
                text.push_str(line);
            });
        }
        None => {}
    }
    if let Some(cure) = &failure.cure {
        text.push_str("\n  → ");
        text.push_str(cure);
    }
    text
}

/// A state in its colour.
fn painted(console: &Console, state: State) -> String {
    console.paint(Style::of(state), state.as_str())
}

/// What is said when Ctrl-C ends the command, not the run.
fn goes_on(run: &Run) -> String {
    format!("run {0} goes on; `runwright run wait {0}` waits for it, `runwright run stop {0}` stops it", run.id)
}
