//! `run logs`: what a run printed, and prints.

use std::sync::Arc;

use clap::Args;

use super::super::console::Console;
use super::super::{Failure, Outcome, SUCCESS, text};
use super::goes_on;
use crate::backend::LogLine;
use crate::engine::Engine;
use crate::model::name::RunId;
use crate::model::time::from_seconds;

/// The options of `run logs`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag of its own.
pub struct Logs {
    /// Its key, its id, or the first 6 or more characters of its id
    run: String,
    /// Go on until the run ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "LINES", allow_negative_numbers = true)]
    tail: Option<usize>,
    /// Say when each line was printed
    #[arg(short, long)]
    timestamps: bool,
    /// Say which pod of a service printed each line
    #[arg(short, long)]
    pods: bool,
    /// Print a JSON object a line: t (seconds since the epoch), s (stream), a (attempt), m (text), p (pod, of a service)
    #[arg(long, conflicts_with_all = ["timestamps", "pods"])]
    json: bool,
}

impl Logs {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let run = engine.run(&self.run).await?;
        let first = engine.log(run.id, 0, false).await?;
        let skipped = self.tail.map_or(0, |tail| first.lines.len().saturating_sub(tail));
        for line in &first.lines[skipped..] {
            self.print(console, line)?;
        }
        if self.follow && !first.complete {
            console.on_interrupt(goes_on(&run));
            stream_from(&engine, run.id, first.next, console, |console, line| self.print(console, line)).await?;
        }
        Ok(SUCCESS)
    }

    fn print(&self, console: &mut Console, line: &LogLine) -> Result<(), Failure> {
        if self.json {
            return console.line(&serde_json::to_string(line).map_err(std::io::Error::from)?);
        }
        let pod = line.pod.as_ref().filter(|_| self.pods).map(|pod| format!("[{pod}] ")).unwrap_or_default();
        if self.timestamps {
            let time = from_seconds(line.time);
            let time = if console.is_terminal { text::local(time) } else { time.to_string() };
            return console.line(&format!("{time} {pod}{}", line.message));
        }
        console.line(&format!("{pod}{}", line.message))
    }
}

/// Prints every line of a run's log, as it comes, until the run has ended.
pub async fn stream(engine: &Arc<Engine>, id: RunId, console: &mut Console, print: impl Fn(&mut Console, &LogLine) -> Result<(), Failure>) -> Result<(), Failure> {
    stream_from(engine, id, 0, console, print).await
}

async fn stream_from(engine: &Arc<Engine>, id: RunId, mut from: u64, console: &mut Console, print: impl Fn(&mut Console, &LogLine) -> Result<(), Failure>) -> Result<(), Failure> {
    loop {
        let piece = engine.log(id, from, true).await?;
        for line in &piece.lines {
            print(console, line)?;
        }
        if piece.complete {
            return Ok(());
        }
        from = piece.next;
    }
}
