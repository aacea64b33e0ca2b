//! `sync`: the store is brought up to date with what really runs.

use std::sync::Arc;

use clap::Args;

use super::console::Console;
use super::{Outcome, SUCCESS};
use crate::engine::Engine;

/// The options of `sync`.
#[derive(Debug, Args)]
pub struct Sync {
    /// Print {"found", "updated"} as JSON
    #[arg(long)]
    json: bool,
}

impl Sync {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let synced = engine.sync().await?;
        if self.json {
            console.json(&synced)?;
        } else {
            console.line(&format!("{} runs found that the store did not have, {} brought up to date", synced.found, synced.updated))?;
        }
        Ok(SUCCESS)
    }
}
