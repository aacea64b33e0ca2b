//! `run wait`: returns when a run has ended, a service also when it answers, and tells how by the exit code.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::super::console::Console;
use super::super::{Outcome, text};
use super::{exit_code, goes_on, progress, tell_end};
use crate::engine::Engine;
use crate::error::Error;

/// The options of `run wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// Its key, its id, or the first 6 or more characters of its id
    run: String,
    /// How long to wait at most: 90, 30s, 15m, 12h
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = text::parse_duration)]
    timeout: Option<Duration>,
    /// Print the run's record as JSON
    #[arg(long)]
    json: bool,
}

impl Wait {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let run = engine.run(&self.run).await?;
        console.on_interrupt(goes_on(&run));
        let run = if console.errors_on_terminal { progress::wait(&engine, run, self.timeout).await? } else { engine.wait(run.id, self.timeout).await? };
        if run.is_awaited() {
            let timeout = self.timeout.unwrap_or_default();
            return Err(Error::conflict(format!("run {} is {} after {}", run.id, run.state, text::took(timeout.as_secs_f64())), goes_on(&run)).into());
        }
        tell_end(console, &run);
        if self.json {
            console.json(&run)?;
        }
        Ok(exit_code(&run))
    }
}
