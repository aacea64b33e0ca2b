//! `run stop`: ends a run, gracefully.

use std::sync::Arc;

use clap::Args;

use super::super::console::Console;
use super::super::{Outcome, SUCCESS};
use crate::engine::Engine;
use crate::model::state::State;

/// The options of `run stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// Its key, its id, or the first 6 or more characters of its id
    run: String,
    /// Print the run's record as JSON
    #[arg(long)]
    json: bool,
}

impl Stop {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let before = engine.run(&self.run).await?;
        let run = engine.stop(&before.id.to_string()).await?;
        if self.json {
            console.json(&run)?;
        } else if before.state.is_final() {
            console.line(&format!("run {} had ended already: {}", run.id, run.state))?;
        } else if run.state == State::Stopped {
            console.line(&format!("run {} is stopped", run.id))?;
        } else {
            console.line(&format!("run {} ended by itself meanwhile: {}", run.id, run.state))?;
        }
        Ok(SUCCESS)
    }
}
