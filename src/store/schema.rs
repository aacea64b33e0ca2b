//! The schema, as steps that are each applied once, in order. A step that was released is never edited.

use super::database::{Database, Statement};
use crate::error::{Error, Result};

pub(super) const STEPS: &[&[&str]] = &[&[
    "CREATE TABLE projects (name TEXT PRIMARY KEY, record TEXT NOT NULL)",
    "CREATE TABLE functions (project TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, saved BIGINT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (project, name, version))",
    "CREATE INDEX functions_newest ON functions (project, name, saved)",
    "CREATE TABLE runs (id TEXT PRIMARY KEY, project TEXT NOT NULL, function TEXT NOT NULL, state TEXT NOT NULL, cache_key TEXT, map TEXT, \
     revision BIGINT NOT NULL, record TEXT NOT NULL)",
    "CREATE INDEX runs_of_project ON runs (project, id)",
    "CREATE INDEX runs_of_function ON runs (project, function, id)",
    "CREATE INDEX runs_in_state ON runs (project, function, state, id)",
    "CREATE INDEX runs_open ON runs (id) WHERE state NOT IN ('COMPLETED', 'ERROR', 'STOPPED')",
    "CREATE INDEX runs_open_of_project ON runs (project, id) WHERE state NOT IN ('COMPLETED', 'ERROR', 'STOPPED')",
    "CREATE INDEX runs_of_state ON runs (project, state, id)",
    "CREATE INDEX runs_cached ON runs (project, cache_key, state, id) WHERE cache_key IS NOT NULL",
    "CREATE INDEX runs_of_map ON runs (map, id) WHERE map IS NOT NULL",
    "CREATE TABLE entities (key TEXT PRIMARY KEY, project TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, saved BIGINT NOT NULL, \
     producer TEXT, record TEXT NOT NULL)",
    "CREATE INDEX entities_newest ON entities (project, type, name, saved)",
    "CREATE INDEX entities_of_run ON entities (producer) WHERE producer IS NOT NULL",
    "CREATE TABLE reads (key TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (key, run))",
]];

/// Brings the database up to date. Several clients may do so at once.
pub async fn migrate(database: &dyn Database) -> Result<()> {
    let newest = STEPS.len();
    // Read first: a store that is up to date is opened without a write, so also while another process holds its lock.
    let done = if let Ok(done) = applied(database).await {
        done
    } else {
        let made = database.execute(vec![Statement::new("CREATE TABLE IF NOT EXISTS schema_steps (step BIGINT PRIMARY KEY)", Vec::new())]).await;
        match applied(database).await {
            Ok(done) => done,
            // PostgreSQL refuses all but one of several clients that make the table at once; then it is there.
            Err(error) => return Err(made.err().unwrap_or(error)),
        }
    };
    if done > newest {
        return Err(Error::store(
            format!("the store has schema {done}, this version of Runwright knows {newest}"),
            "update Runwright (pip install -U runwright), or open another store with RUNWRIGHT_STORE",
        ));
    }
    for (at, statements) in STEPS.iter().enumerate().skip(done) {
        // Taking the number first makes a second client wait, then fail on it and undo nothing of its own.
        let number = i64::try_from(at + 1).unwrap_or(i64::MAX);
        let mut batch = vec![Statement::new("INSERT INTO schema_steps (step) VALUES ($1)", vec![number.into()])];
        batch.extend(statements.iter().map(|sql| Statement::new(*sql, Vec::new())));
        if let Err(error) = database.execute(batch).await
            && applied(database).await? <= at
        {
            return Err(error);
        }
    }
    Ok(())
}

async fn applied(database: &dyn Database) -> Result<usize> {
    let rows = database.query(Statement::new("SELECT COALESCE(MAX(step), 0) FROM schema_steps", Vec::new())).await?;
    let step = rows.first().map_or(Ok(0), |row| row.integer(0))?;
    Ok(usize::try_from(step).unwrap_or(0))
}
