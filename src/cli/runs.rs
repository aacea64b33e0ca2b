//! `runs`: lists runs, the newest first.

use std::sync::Arc;

use clap::Args;

use super::console::{Console, Style};
use super::table::{Cell, Column, Table};
use super::{Outcome, SUCCESS, default_project, text};
use crate::engine::Engine;
use crate::model::name::Name;
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;
use crate::store::RunFilter;

/// The options of `runs`.
#[derive(Debug, Args)]
pub struct Runs {
    /// Only of this function
    #[arg(short, long, value_name = "NAME")]
    function: Option<String>,
    /// Only in this state: CREATED, PENDING, RUNNING, COMPLETED, ERROR or STOPPED
    #[arg(short, long, value_name = "STATE")]
    state: Option<State>,
    /// Only those that have not ended
    #[arg(long, conflicts_with = "state")]
    open: bool,
    /// Of this project (RUNWRIGHT_PROJECT, default)
    #[arg(short, long, value_name = "PROJECT", conflicts_with = "all_projects")]
    project: Option<String>,
    /// Of all projects
    #[arg(short, long)]
    all_projects: bool,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true, default_value_t = 50)]
    limit: u32,
    /// Only those older than this run: the next page
    #[arg(long, value_name = "RUN")]
    before: Option<String>,
    /// Print an array of records as JSON
    #[arg(long)]
    json: bool,
}

impl Runs {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let project = if self.all_projects { None } else { Some(Name::parse("project", &self.project.clone().unwrap_or_else(default_project))?) };
        let before = match &self.before {
            Some(text) => Some(engine.find_run(text).await?.id),
            None => None,
        };
        let filter = RunFilter {
            project,
            function: self.function.as_deref().map(|name| Name::parse("function", name)).transpose()?,
            state: self.state,
            open: self.open,
            before,
            limit: Some(self.limit),
            ..RunFilter::default()
        };
        let runs = engine.runs(&filter).await?;
        if self.json {
            console.json(&runs)?;
        } else if runs.is_empty() {
            console.tell("no runs");
        } else {
            let table = self.table(&runs, console);
            console.table(&table)?;
            if let Some(last) = runs.last().filter(|_| console.is_terminal && runs.len() == self.limit as usize) {
                console.tell(&format!("older ones: --before {}", last.id));
            }
        }
        Ok(SUCCESS)
    }

    fn table(&self, runs: &[Run], console: &Console) -> Table {
        let mut columns = vec![Column::fixed("ID"), Column::elastic("FUNCTION"), Column::fixed("STATE"), Column::fixed("CREATED"), Column::number("TOOK")];
        if self.all_projects {
            columns.insert(1, Column::elastic("PROJECT"));
        }
        let mut table = Table::new(columns);
        let now = time::now();
        for run in runs {
            let took = super::run::seconds(run).map(text::took).unwrap_or_default();
            let created = if console.is_terminal { text::ago(run.created, now) } else { run.created.to_string() };
            let mut cells: Vec<Cell> =
                vec![run.id.to_string().into(), run.function.as_str().into(), Cell::styled(run.state.as_str(), Style::of(run.state)), created.into(), took.into()];
            if self.all_projects {
                cells.insert(1, run.project.as_str().into());
            }
            table.row(cells);
        }
        table
    }
}
