//! Runs in the store.

use super::database::{Statement, Value};
use super::select::Select;
use super::{Store, entities, from_row, from_rows, to_json};
use crate::error::{Error, Result};
use crate::model::entity::Entity;
use crate::model::name::{Digest, Name, RunId};
use crate::model::run::Run;
use crate::model::state::State;

/// Which runs to list. Every `None` means any.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub project: Option<Name>,
    pub function: Option<Name>,
    pub state: Option<State>,
    /// The id of a fan-out.
    pub map: Option<String>,
    pub cache_key: Option<Digest>,
    /// Only those that have not ended.
    pub open: bool,
    /// Only those older than this one: the next page.
    pub before: Option<RunId>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// How often an update is tried again because another client changed the record meanwhile.
const TRIES: usize = 100;

impl Store {
    /// Writes new runs, all or none.
    pub async fn insert_runs(&self, runs: &[Run]) -> Result<()> {
        let sql = "INSERT INTO runs (id, project, function, state, cache_key, map, revision, record) VALUES ($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT (id) DO NOTHING";
        let mut batch = Vec::with_capacity(runs.len());
        for run in runs {
            batch.push(Statement::new(
                sql,
                vec![
                    run.id.to_string().into(),
                    run.project.as_str().into(),
                    run.function.as_str().into(),
                    run.state.as_str().into(),
                    run.cache_key.as_ref().map(Digest::as_str).into(),
                    run.spec.map.as_ref().map(|map| map.id.as_str()).into(),
                    to_json(run)?.into(),
                ],
            ));
            batch.extend(reads(run));
        }
        self.database.execute(batch).await.map(drop)
    }

    /// The run of that id.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>> {
        Ok(self.run_and_revision(id).await?.map(|(run, _)| run))
    }

    /// Whether there is a run of that id.
    pub async fn has_run(&self, id: RunId) -> Result<bool> {
        Ok(!self.database.query(Statement::new("SELECT revision FROM runs WHERE id = $1", vec![id.to_string().into()])).await?.is_empty())
    }

    async fn run_and_revision(&self, id: RunId) -> Result<Option<(Run, i64)>> {
        let rows = self.database.query(Statement::new("SELECT record, revision FROM runs WHERE id = $1", vec![id.to_string().into()])).await?;
        rows.first().map(|row| Ok((from_row(row)?, row.integer(1)?))).transpose()
    }

    /// Changes a record: read, `change`, written if nobody else did meanwhile, else again. `change` says whether there is anything to write.
    pub async fn update_run(&self, id: RunId, change: impl Fn(&mut Run) -> Result<bool> + Send + Sync) -> Result<Run> {
        self.update_run_with(id, &[], change).await
    }

    /// The same; what the run made is written with it, or neither.
    pub async fn update_run_with(&self, id: RunId, made: &[Entity], change: impl Fn(&mut Run) -> Result<bool> + Send + Sync) -> Result<Run> {
        for _ in 0..TRIES {
            let (mut run, revision) = self.run_and_revision(id).await?.ok_or_else(|| no_run(id))?;
            if !change(&mut run)? || self.write_run(&run, revision, made).await? {
                return Ok(run);
            }
        }
        Err(Error::store(format!("run {id} is changed by others all the time"), "try again"))
    }

    /// Writes a record that nobody else can have changed (its revision is the first), with what the run made: the second half of an inline run.
    pub async fn write_first_revision(&self, run: &Run, made: &[Entity]) -> Result<bool> {
        self.write_run(run, 0, made).await
    }

    async fn write_run(&self, run: &Run, revision: i64, made: &[Entity]) -> Result<bool> {
        let sql = "UPDATE runs SET state = $1, revision = revision + 1, record = $2 WHERE id = $3 AND revision = $4";
        let values: Vec<Value> = vec![run.state.as_str().into(), to_json(run)?.into(), run.id.to_string().into(), revision.into()];
        let mut batch = vec![Statement::new(sql, values).must_change()];
        batch.extend(reads(run));
        for entity in made {
            batch.push(entities::put(entity)?);
        }
        Ok(self.database.execute(batch).await?.first() == Some(&1))
    }

    /// Runs, the newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        from_rows(&self.database.query(list(filter)).await?)
    }

    /// The ids of the runs that have not ended, of a project or of all.
    pub async fn open_runs(&self, project: Option<&Name>) -> Result<Vec<RunId>> {
        let rows = self.database.query(open(project)).await?;
        rows.iter().map(|row| row.text(0)?.parse()).collect()
    }

    /// Runs whose id begins with `prefix`, two at most: enough to tell that it is not unique.
    pub async fn runs_by_prefix(&self, prefix: &str) -> Result<Vec<Run>> {
        let sql = "SELECT record FROM runs WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 2";
        from_rows(&self.database.query(Statement::new(sql, vec![prefix.into(), format!("{prefix}g").into()])).await?)
    }

    /// Deletes a run's record. Says whether there was one.
    pub async fn delete_run(&self, id: RunId) -> Result<bool> {
        let id = || vec![id.to_string().into()];
        let changed = self.database.execute(vec![Statement::new("DELETE FROM runs WHERE id = $1", id()), Statement::new("DELETE FROM reads WHERE run = $1", id())]).await?;
        Ok(changed.first() == Some(&1))
    }
}

fn open(project: Option<&Name>) -> Statement {
    const OPEN: &str = "state NOT IN ('COMPLETED', 'ERROR', 'STOPPED')";
    match project {
        Some(project) => Statement::new(format!("SELECT id FROM runs WHERE project = $1 AND {OPEN} ORDER BY id DESC"), vec![project.as_str().into()]),
        None => Statement::new(format!("SELECT id FROM runs WHERE {OPEN} ORDER BY id DESC"), Vec::new()),
    }
}

fn list(filter: &RunFilter) -> Statement {
    let mut select = Select::from("runs");
    select.only("project =", filter.project.as_ref().map(Name::as_str));
    select.only("function =", filter.function.as_ref().map(Name::as_str));
    select.only("map =", filter.map.as_deref());
    select.only("cache_key =", filter.cache_key.as_ref().map(Digest::as_str));
    select.only("id <", filter.before.map(|id| id.to_string()));
    if filter.open {
        select.literal("state NOT IN ('COMPLETED', 'ERROR', 'STOPPED')");
    }
    select.only("state =", filter.state.map(State::as_str));
    select.newest_first("id", filter.limit)
}

fn reads(run: &Run) -> impl Iterator<Item = Statement> {
    let sql = "INSERT INTO reads (key, run) VALUES ($1, $2) ON CONFLICT (key, run) DO NOTHING";
    run.reads.iter().map(move |key| Statement::new(sql, vec![key.as_str().into(), run.id.to_string().into()]))
}

/// The error for an id that no run has.
pub fn no_run(id: impl std::fmt::Display) -> Error {
    Error::not_found("run", &id, format!("there is no run {id}"), "`runwright runs` lists them; `runwright sync` finds those that the store has lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQLite's plan for a query.
    fn plan(connection: &rusqlite::Connection, statement: &Statement) -> String {
        let mut prepared = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).expect("a plan");
        let rows = prepared.query_map(rusqlite::params_from_iter(&statement.parameters), |row| row.get::<_, String>(3)).expect("a plan");
        rows.collect::<rusqlite::Result<Vec<_>>>().expect("its lines").join("; ")
    }

    #[test]
    fn every_list_is_read_from_an_index_in_its_order() {
        let connection = rusqlite::Connection::open_in_memory().expect("a database");
        for sql in super::super::schema::STEPS.iter().flat_map(|step| step.iter()) {
            connection.execute(sql, []).expect("the schema");
        }
        let name = |text: &str| Some(Name::parse("name", text).expect("a name"));
        let all = || RunFilter { limit: Some(100), ..RunFilter::default() };
        for (filter, index) in [
            (all(), "sqlite_autoindex_runs_1"),
            (RunFilter { before: Some(RunId::new()), ..all() }, "sqlite_autoindex_runs_1"),
            (RunFilter { project: name("p"), ..all() }, "runs_of_project"),
            (RunFilter { project: name("p"), function: name("f"), ..all() }, "runs_of_function"),
            (RunFilter { project: name("p"), function: name("f"), before: Some(RunId::new()), ..all() }, "runs_of_function"),
            (RunFilter { project: name("p"), function: name("f"), state: Some(State::Running), ..all() }, "runs_in_state"),
            (RunFilter { project: name("p"), state: Some(State::Error), ..all() }, "runs_of_state"),
            (RunFilter { project: name("p"), state: Some(State::Stopped), before: Some(RunId::new()), ..all() }, "runs_of_state"),
            (RunFilter { open: true, ..all() }, "runs_open"),
            (RunFilter { project: name("p"), open: true, ..all() }, "runs_open_of_project"),
            (RunFilter { map: Some("m".into()), ..all() }, "runs_of_map"),
            (RunFilter { project: name("p"), cache_key: Some(Digest::of(b"")), state: Some(State::Completed), ..all() }, "runs_cached"),
        ] {
            let plan = plan(&connection, &list(&filter));
            assert!(plan.split_whitespace().any(|word| word == index) && !plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
        // Asked before every list.
        for (project, index) in [(name("p"), "runs_open_of_project"), (None, "runs_open")] {
            let plan = plan(&connection, &open(project.as_ref()));
            assert!(plan.split_whitespace().any(|word| word == index), "{plan}");
        }
    }
}
