//! `run show`: everything about a run on one page.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::super::console::{Console, Style};
use super::super::{Outcome, SUCCESS, text};
use super::{failure_text, painted, seconds, timeline};
use crate::engine::Engine;
use crate::model::run::{Input, Run};
use crate::model::time;

/// The options of `run show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Its key, its id, or the first 6 or more characters of its id
    run: String,
    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let run = engine.run(&self.run).await?;
        if self.json {
            console.json(&run)?;
        } else {
            let page = page(&run, console);
            console.line(&page)?;
        }
        Ok(SUCCESS)
    }
}

fn page(run: &Run, console: &Console) -> String {
    let mut page = String::new();
    section(&mut page, console, "", &head(run, console));
    section(&mut page, console, "parameters", &run.spec.parameters.iter().map(|(name, value)| (name.clone(), text::value(value))).collect::<Vec<_>>());
    section(&mut page, console, "inputs", &run.spec.inputs.iter().map(|(name, input)| (name.clone(), input_text(input))).collect::<Vec<_>>());
    section(&mut page, console, "options", &options(run));
    section(&mut page, console, "results", &run.results.iter().map(|(name, value)| (name.clone(), text::value(value))).collect::<Vec<_>>());
    section(&mut page, console, "outputs", &run.outputs.iter().map(|(name, key)| (name.clone(), key.clone())).collect::<Vec<_>>());
    section(&mut page, console, "reads", &run.reads.iter().map(|key| (key.clone(), String::new())).collect::<Vec<_>>());
    section(&mut page, console, "metrics", &metrics(run));
    let history: Vec<_> = run
        .history
        .iter()
        .map(|step| (clock(step.time, console), format!("{:<9}  {}", step.state.as_str(), step.message.as_deref().unwrap_or_default()).trim_end().to_owned()))
        .collect();
    section(&mut page, console, "history", &history);
    section(&mut page, console, "timeline", &timeline::chart(run));
    section(&mut page, console, "provenance", &run.provenance.iter().map(|(name, value)| (name.clone(), text::value(value))).collect::<Vec<_>>());
    if let Some(failure) = &run.error {
        let _ = write!(page, "\n{}\n", console.paint(Style::Bold, "error"));
        for line in failure_text(failure).lines() {
            let _ = writeln!(page, "  {line}");
        }
        let evidence = [("exit code", failure.exit_code.map(|code| code.to_string())), ("signal", failure.signal.clone())];
        for (name, value) in evidence {
            if let Some(value) = value {
                let _ = writeln!(page, "  {name} {value}");
            }
        }
    }
    page.trim_end().to_owned()
}

fn head(run: &Run, console: &Console) -> Vec<(String, String)> {
    let took = seconds(run).map(|seconds| format!(" ({})", text::took(seconds))).unwrap_or_default();
    let mut lines = vec![
        ("run".to_owned(), run.key.clone()),
        ("function".into(), format!("{} ({} {}, version {})", run.function, run.kind, run.action, run.version.short())),
        ("state".into(), format!("{}{took}", painted(console, run.state))),
        ("created".into(), format!("{} ({})", clock(run.created, console), text::ago(run.created, time::now()))),
        ("place".into(), run.backend.to_string()),
    ];
    lines.extend(run.reference.iter().map(|(name, value)| (format!("  {name}"), text::value(value))));
    if let Some(service) = run.service.as_ref().filter(|_| !run.state.is_final()) {
        lines.push(("service".into(), super::standing(service)));
        lines.extend(service.failure.as_ref().map(|failure| ("  fails".to_owned(), format!("{}: {}", failure.cause, failure.message))));
    }
    if run.attempts > 1 {
        lines.push(("attempts".into(), run.attempts.to_string()));
    }
    if let Some(map) = &run.spec.map {
        lines.push(("map".into(), format!("{} ({} of {})", map.id, map.index + 1, map.of)));
    }
    if !run.spec.labels.is_empty() {
        lines.push(("labels".into(), run.spec.labels.join(", ")));
    }
    lines
}

/// What was asked for beside the arguments.
fn options(run: &Run) -> Vec<(String, String)> {
    let spec = &run.spec;
    let mut lines = Vec::new();
    if let Ok(Value::Object(resources)) = serde_json::to_value(&spec.resources) {
        lines.extend(resources.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), text::value(value))));
    }
    lines.extend(spec.envs.iter().map(|(name, value)| (format!("env {name}"), value.clone())));
    lines.extend(spec.secrets.iter().map(|(name, reference)| (format!("secret {name}"), reference.clone())));
    lines.extend(spec.timeout.map(|timeout| ("timeout".to_owned(), text::took(timeout))));
    if spec.retries.limit > 0 {
        lines.push(("retries".into(), spec.retries.limit.to_string()));
    }
    lines.extend(spec.extra.iter().map(|(name, value)| (name.clone(), text::value(value))));
    lines
}

/// The last value of each metric, and how many there are.
fn metrics(run: &Run) -> Vec<(String, String)> {
    let line = |(name, points): (&String, &Vec<crate::model::run::Point>)| {
        let last = points.last()?;
        let count = if points.len() > 1 { format!("  (last of {})", points.len()) } else { String::new() };
        Some((name.clone(), format!("{}{count}", last.value)))
    };
    run.metrics.iter().filter_map(line).collect()
}

fn input_text(input: &Input) -> String {
    match input {
        Input::Entity { key, .. } => key.clone(),
        Input::Run { run, output: Some(output) } => format!("{output} of run {run}"),
        Input::Run { run, output: None } => format!("what run {run} returned"),
        Input::Value { descriptor } => {
            let of = descriptor.get("of").or_else(|| descriptor.get("kind")).map(text::value).unwrap_or_default();
            let size = descriptor.get("size").and_then(Value::as_u64).map(|size| format!(", {}", text::bytes(size))).unwrap_or_default();
            format!("a value ({of}{size})")
        }
    }
}

fn clock(time: Timestamp, console: &Console) -> String {
    if console.is_terminal { text::local(time) } else { time.to_string() }
}

fn section(page: &mut String, console: &Console, title: &str, lines: &[(String, String)]) {
    if lines.is_empty() {
        return;
    }
    let indent = if title.is_empty() { "" } else { "  " };
    if !title.is_empty() {
        let _ = write!(page, "\n{}\n", console.paint(Style::Bold, title));
    }
    let width = lines.iter().map(|(name, _)| console::measure_text_width(name)).max().unwrap_or(0);
    for (name, value) in lines {
        let room = " ".repeat(width - console::measure_text_width(name));
        // A value of several lines stays below its first.
        let value = value.replace('\n', &format!("\n{}", " ".repeat(indent.len() + width + 2)));
        let _ = writeln!(page, "{}", format!("{indent}{name}{room}  {value}").trim_end());
    }
}
