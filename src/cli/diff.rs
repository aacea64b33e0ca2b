//! `diff`: what tells two runs apart.

use std::sync::Arc;

use clap::Args;

use super::console::Console;
use super::table::{Column, Table};
use super::{Outcome, SUCCESS, text};
use crate::engine::{Engine, compare};

/// The options of `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The key, the id, or the first 6 or more characters of the id of a run
    left: String,
    /// The same of another run
    right: String,
    /// Print an array of {"path", "left", "right"} as JSON
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let differences = compare(&engine.run(&self.left).await?, &engine.run(&self.right).await?);
        if self.json {
            console.json(&differences)?;
            return Ok(SUCCESS);
        }
        let mut table = Table::new(vec![Column::fixed("WHAT"), Column::elastic("LEFT"), Column::elastic("RIGHT")]);
        for difference in &differences {
            let side = |value: &Option<serde_json::Value>| value.as_ref().map_or_else(|| "-".into(), text::value);
            table.row(vec![difference.path.as_str().into(), side(&difference.left).into(), side(&difference.right).into()]);
        }
        if table.is_empty() {
            console.tell("no differences");
        } else {
            console.table(&table)?;
        }
        Ok(SUCCESS)
    }
}
