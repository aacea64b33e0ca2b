//! `run delete`: forgets a run that has ended.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::super::console::Console;
use super::super::{Outcome, SUCCESS};
use crate::engine::Engine;

/// The options of `run delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// Its key, its id, or the first 6 or more characters of its id
    run: String,
    /// Print {"deleted": key} as JSON
    #[arg(long)]
    json: bool,
}

impl Delete {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let run = engine.run(&self.run).await?;
        engine.delete_run(&run.id.to_string()).await?;
        if self.json {
            console.json(&json!({"deleted": run.key}))?;
        } else {
            console.line(&format!("deleted {}", run.key))?;
        }
        Ok(SUCCESS)
    }
}
