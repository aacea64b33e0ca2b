//! `run FILE:FUNCTION`: saves the function's version, runs it, shows what it prints, and tells how it ended.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};

use super::super::console::Console;
use super::super::{Call, Failure, Host, Outcome, SUCCESS, Target, default_project, text, typed};
use super::logs::stream;
use super::{exit_code, goes_on, tell_end};
use crate::backend::LogLine;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::run::Run;

/// The options of `run FILE:FUNCTION`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag of its own.
pub struct Start {
    /// The function to run: train.py:train, a folder (src:module:function), or git+https://…#ref:module:function
    #[arg(value_name = "FILE:FUNCTION", value_parser = target)]
    target: String,
    /// A parameter, typed by the function's signature; JSON where the signature takes it
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", value_parser = text::pair)]
    parameters: Vec<(String, String)>,
    /// An input, by the key of a dataitem, artifact, model or run
    #[arg(long = "input", value_name = "NAME=KEY", value_parser = text::pair)]
    inputs: Vec<(String, String)>,
    /// Wait for the end and print what the run prints (the default)
    #[arg(long, conflicts_with = "detach")]
    wait: bool,
    /// Print the run's key and return
    #[arg(short, long)]
    detach: bool,
    /// Check it as far as the place to run, and print what would be handed over as YAML
    #[arg(long, conflicts_with_all = ["detach", "inline", "wait"])]
    dry_run: bool,
    /// Execute in this process, for debugging
    #[arg(long, conflicts_with_all = ["detach", "on", "timeout", "retries"])]
    inline: bool,
    /// The place to run
    #[arg(long, value_name = "PLACE")]
    on: Option<String>,
    /// The profile whose resources and the like it has, where it does not say them itself
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// How long an attempt may take: 90, 30s, 15m, 12h
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = text::parse_duration)]
    timeout: Option<Duration>,
    /// How many attempts may follow a failed one
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    retries: Option<u32>,
    /// An environment variable of the run
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = text::pair)]
    envs: Vec<(String, String)>,
    /// A secret that the run has in its environment: of the project, or an environment variable of here
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
    /// What the function needs, as in requirements.txt
    #[arg(short, long = "requirement", value_name = "REQUIREMENT")]
    requirements: Vec<String>,
    /// A label to find the run by
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// What the function is called; its own name by default
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where it belongs (RUNWRIGHT_PROJECT, default)
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Print the run's record as JSON; what the run prints goes to standard error
    #[arg(long)]
    json: bool,
}

fn target(text: &str) -> Result<String> {
    match text.rsplit_once(':') {
        Some((file, function)) if !file.is_empty() && !function.is_empty() => Ok(text.to_owned()),
        _ => Err(Error::invalid("target", text, format!("{text:?} is not FILE:FUNCTION"), format!("name the function too: {}:FUNCTION", text.trim_end_matches(':')))),
    }
}

impl Start {
    pub fn execute(self, host: &dyn Host, console: &mut Console) -> Outcome {
        let target =
            Target { project: self.project.clone().unwrap_or_else(default_project), target: self.target.clone(), name: self.name.clone(), requirements: self.requirements.clone() };
        let function = host.define(&target)?;
        let call = Call {
            parameters: typed::parameters(function.signature().as_ref(), &self.parameters)?,
            inputs: named("--input", &self.inputs)?,
            options: self.options()?,
            aside: self.json,
        };
        if self.dry_run {
            return super::manifest::print(&host.rehearse(&function, &call)?, self.json, console);
        }
        let run = host.start(&function, &call)?;
        if self.detach {
            return if self.json { console.json(&run) } else { console.line(&run.key) }.map(|()| SUCCESS);
        }
        if !self.json {
            console.tell(&format!("run {} of {} (version {})", run.key, run.function, run.version.short()));
        }
        console.on_interrupt(goes_on(&run));
        let engine = host.engine()?;
        host.wait(Box::pin(async move {
            // An inline run has printed already what it printed.
            if !self.inline {
                self.follow(&engine, &run, console).await?;
            }
            let run = engine.wait(run.id, None).await?;
            self.tell(console, &run)?;
            Ok(exit_code(&run))
        }))
    }

    /// Prints what the run prints, until it has ended.
    async fn follow(&self, engine: &Arc<Engine>, run: &Run, console: &mut Console) -> std::result::Result<(), Failure> {
        let print = |console: &mut Console, line: &LogLine| {
            if self.json {
                console.tell(&line.message);
                return Ok(());
            }
            console.line(&line.message)
        };
        match stream(engine, run.id, console, print).await {
            // `| head` has read enough; how the run ends is still to be told.
            Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    fn tell(&self, console: &mut Console, run: &Run) -> std::result::Result<(), Failure> {
        tell_end(console, run);
        if self.json {
            return console.json(run);
        }
        for (name, value) in &run.results {
            console.tell(&format!("  {name} = {}", text::value(value)));
        }
        for (name, key) in &run.outputs {
            console.tell(&format!("  {name} → {key}"));
        }
        Ok(())
    }

    /// The options of `Function.run` that were given.
    fn options(&self) -> Result<Map<String, Value>> {
        let mut options = Map::new();
        let mut set = |name: &str, value: Value| options.insert(name.to_owned(), value);
        if let Some(on) = &self.on {
            set("on", on.as_str().into());
        }
        if let Some(profile) = &self.profile {
            set("profile", profile.as_str().into());
        }
        if let Some(timeout) = self.timeout {
            set("timeout", timeout.as_secs_f64().into());
        }
        if let Some(retries) = self.retries {
            set("retries", retries.into());
        }
        if !self.envs.is_empty() {
            set("envs", named("--env", &self.envs)?.into());
        }
        if !self.secrets.is_empty() {
            set("secrets", self.secrets.clone().into());
        }
        if !self.labels.is_empty() {
            set("labels", self.labels.clone().into());
        }
        if self.inline {
            set("inline", true.into());
        }
        Ok(options)
    }
}

/// Pairs as an object; a name given twice is a mistake.
fn named(option: &str, pairs: &[(String, String)]) -> Result<Map<String, Value>> {
    let mut all = Map::new();
    for (name, value) in pairs {
        if all.insert(name.clone(), value.as_str().into()).is_some() {
            return Err(Error::invalid(option, name, format!("{option} {name}=… is given twice"), "give it once"));
        }
    }
    Ok(all)
}
