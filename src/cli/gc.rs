//! `gc`: removes the folders of runs that ended long ago, and what belongs to nothing any more.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::console::Console;
use super::{Outcome, SUCCESS, text};
use crate::engine::Engine;

/// The options of `gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Only of runs that ended this long ago: 12h, 7d, 2w
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = text::parse_duration)]
    older_than: Duration,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Print {"runs": keys, "paths": paths} as JSON
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let collected = engine.gc(self.older_than, self.dry_run).await?;
        if self.json {
            console.json(&collected)?;
            return Ok(SUCCESS);
        }
        for key in &collected.runs {
            console.line(&format!("folder of {key}"))?;
        }
        for path in &collected.paths {
            console.line(path)?;
        }
        let verb = if self.dry_run { "would be removed" } else { "removed" };
        console.tell(&format!("{verb}: the folders of {} runs (records, logs and outputs stay), {} left-overs", collected.runs.len(), collected.paths.len()));
        Ok(SUCCESS)
    }
}
