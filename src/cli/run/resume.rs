//! `run resume`: lets a stopped run go on.

use std::sync::Arc;

use clap::Args;

use super::super::console::Console;
use super::super::{Outcome, SUCCESS};
use crate::engine::Engine;

/// The options of `run resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// Its key, its id, or the first 6 or more characters of its id
    run: String,
    /// Print the run's record as JSON
    #[arg(long)]
    json: bool,
}

impl Resume {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let run = engine.resume(&self.run).await?;
        if self.json {
            console.json(&run)?;
        } else {
            console.line(&format!("run {} goes on", run.id))?;
        }
        Ok(SUCCESS)
    }
}
