//! `doctor`: checks that everything works here, each line with a cure where it does not.

mod capacity;
mod kubernetes;
mod machine;
mod runs;
mod stores;
mod trial;

use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::console::{Console, Style};
use super::{Facts, Failure, Host, Outcome, Place, RUN_FAILED, SUCCESS};
use crate::backend::kubernetes::inspect::Inspection;
use crate::engine::Engine;
use crate::error::Error;

/// The place that this machine is.
const LOCAL: &str = "local";

/// The options of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print {"ok", "checks": [{"name", "status", "message", "cure"}]} as JSON
    #[arg(long)]
    json: bool,
    /// Check a place to run other than this machine: kubernetes, kubernetes:CONTEXT/NAMESPACE
    #[arg(long, value_name = "PLACE")]
    on: Option<String>,
    /// Run something tiny there, too, and say how long each step took
    #[arg(long, requires = "on")]
    run: bool,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// It works, though not as well as it could.
    Warn,
    Fail,
}

/// A check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    message: String,
    cure: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, message: message.into(), cure: None }
    }

    fn warn(name: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, message: message.into(), cure: Some(cure.into()) }
    }

    fn fail(name: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, message: message.into(), cure: Some(cure.into()) }
    }

    /// A check that ended in an error.
    fn error(name: &'static str, error: &Error) -> Self {
        let text = error.to_string();
        // An error shows its cure on a line of its own.
        let (message, cure) = text.split_once("\n  → ").map_or((text.as_str(), None), |(message, cure)| (message, Some(cure.to_owned())));
        Self { name, status: Status::Fail, message: message.to_owned(), cure }
    }
}

/// What was found so far. Each check is shown as soon as it is done.
struct Report<'a> {
    console: &'a mut Console,
    json: bool,
    checks: Vec<Check>,
}

impl Report<'_> {
    fn add(&mut self, check: Check) -> Result<(), Failure> {
        if !self.json {
            let (word, style) = match check.status {
                Status::Ok => ("ok  ", Style::Good),
                Status::Warn => ("warn", Style::Going),
                Status::Fail => ("fail", Style::Bad),
            };
            let cure = check.cure.as_ref().map(|cure| format!("\n      → {cure}")).unwrap_or_default();
            let line = format!("{}  {:<9}  {}{cure}", self.console.paint(style, word), check.name, check.message);
            self.console.line(&line)?;
        }
        self.checks.push(check);
        Ok(())
    }

    fn failed(&self) -> usize {
        self.checks.iter().filter(|check| check.status == Status::Fail).count()
    }

    fn end(self) -> Outcome {
        let failed = self.failed();
        if self.json {
            self.console.json(&serde_json::json!({"ok": failed == 0, "checks": self.checks}))?;
        } else if failed > 0 {
            self.console.tell(&format!("error: {failed} of {} checks failed", self.checks.len()));
        }
        Ok(if failed == 0 { SUCCESS } else { RUN_FAILED })
    }
}

impl Doctor {
    pub fn execute(self, host: &dyn Host, console: &mut Console) -> Outcome {
        let facts = host.facts()?;
        let place = self.on.as_ref().map(|on| host.place(on)).transpose()?.filter(|place| place.on != LOCAL);
        let mut report = Report { console, json: self.json, checks: Vec::new() };
        report.add(machine::python(&facts))?;
        report.add(machine::home(&facts.home))?;
        match place {
            Some(place) => self.elsewhere(host, &facts, report, &place),
            None => Self::here(host, &facts, report),
        }
    }

    fn here(host: &dyn Host, facts: &Facts, mut report: Report<'_>) -> Outcome {
        report.add(machine::clock(&facts.home))?;
        report.add(machine::git())?;
        report.add(machine::installer(facts))?;
        let Some(engine) = engine(host, &mut report)? else { return report.end() };
        host.wait(Box::pin(async move {
            report.add(stores::database(&engine).await)?;
            report.add(stores::artifacts(&engine).await)?;
            report.add(trial::here(&engine).await)?;
            profiles(&mut report, &engine)?;
            report.add(runs::open_runs(&engine).await)?;
            report.add(runs::left_overs(&engine).await)?;
            report.end()
        }))
    }

    fn elsewhere(&self, host: &dyn Host, facts: &Facts, mut report: Report<'_>, place: &Place) -> Outcome {
        // Everything else needs it.
        let Some(engine) = engine(host, &mut report)? else { return report.end() };
        host.wait(Box::pin(async move {
            report.add(stores::database(&engine).await)?;
            report.add(stores::artifacts(&engine).await)?;
            profiles(&mut report, &engine)?;
            let inspection = Inspection::open(&place.place).await;
            if kubernetes::look(&mut report, inspection, facts).await? {
                report.add(trial::rehearse(&engine, place).await)?;
                if self.run && report.failed() == 0 {
                    report.add(trial::run(&engine, place).await)?;
                }
            }
            report.end()
        }))
    }
}

/// The names that runs may give as `profile=`, where there are any. What they say was checked when they were read.
fn profiles(report: &mut Report<'_>, engine: &Engine) -> Result<(), Failure> {
    if engine.profiles.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = engine.profiles.keys().map(String::as_str).collect();
    report.add(Check::ok("profiles", names.join(", ")))
}

/// The engine; None where its store cannot be opened, which is told.
fn engine(host: &dyn Host, report: &mut Report<'_>) -> Result<Option<Arc<Engine>>, Failure> {
    match host.engine() {
        Ok(engine) => Ok(Some(engine)),
        Err(Failure::Engine(error)) => {
            report.add(Check::error("store", &error))?;
            Ok(None)
        }
        Err(other) => Err(other),
    }
}
