//! Store: the database of projects, functions, runs and entities, and the artifact store for bytes.
//!
//! The SQL of each noun is written once (`projects`, `functions`, `runs`, `entities`); [`database::Database`] is the little that SQLite and PostgreSQL
//! do differently. Records are whole JSON documents; the columns beside them are what is searched by.

pub mod artifacts;
pub mod database;
mod entities;
pub mod fork;
mod functions;
mod postgres;
mod projects;
mod runs;
mod schema;
mod select;
mod sqlite;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use entities::EntityFilter;
pub use runs::{RunFilter, no_run};

use crate::error::{Error, Result};
use database::{Database, Row, Statement};

/// The database.
pub struct Store {
    database: Box<dyn Database>,
    /// Where it is, for people; a password in it is left out.
    pub place: String,
}

impl Store {
    /// Opens `sqlite:///path`, a plain path or `postgresql://…`, and brings its schema up to date. `home` holds the default, `runwright.db`.
    pub async fn open(url: Option<&str>, home: &Path) -> Result<Self> {
        let (database, place): (Box<dyn Database>, String) = match url {
            None => {
                let path = home.join("runwright.db");
                (Box::new(sqlite::Sqlite::open(&path)?), path.display().to_string())
            }
            Some(url) if url.starts_with("postgresql://") || url.starts_with("postgres://") => (Box::new(postgres::Postgres::open(url).await?), without_password(url)),
            Some(url) => {
                let path = url.strip_prefix("sqlite://").unwrap_or(url);
                if path.contains("://") {
                    return Err(Error::invalid(
                        "RUNWRIGHT_STORE",
                        without_password(url),
                        format!("{:?} is no store that Runwright knows", without_password(url)),
                        "use a path, sqlite:///path or postgresql://user@host/database",
                    ));
                }
                (Box::new(sqlite::Sqlite::open(Path::new(path))?), path.to_owned())
            }
        };
        schema::migrate(database.as_ref()).await?;
        Ok(Self { database, place })
    }

    /// Whether clients on other machines may use it, too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.place.starts_with("postgres")
    }

    /// Looks whether the database is whole. Gives what it is, for people.
    pub async fn check(&self) -> Result<String> {
        self.database.check().await
    }

    async fn change(&self, sql: &'static str, parameters: Vec<database::Value>) -> Result<u64> {
        let changed = self.database.execute(vec![Statement::new(sql, parameters)]).await?;
        Ok(changed.into_iter().sum())
    }
}

/// A record as its column holds it.
fn to_json(record: &impl Serialize) -> Result<String> {
    serde_json::to_string(record).map_err(|error| Error::store(format!("a record cannot be written as JSON: {error}"), "this is a fault of Runwright; please report it"))
}

/// The record in a row's only (or first) column.
fn from_row<T: DeserializeOwned>(row: &Row) -> Result<T> {
    serde_json::from_str(row.text(0)?)
        .map_err(|error| Error::store(format!("a record in the store cannot be read: {error}"), "it was written by another version of Runwright; update, or open another store"))
}

fn from_rows<T: DeserializeOwned>(rows: &[Row]) -> Result<Vec<T>> {
    rows.iter().map(from_row).collect()
}

fn without_password(url: &str) -> String {
    url::Url::parse(url).map_or_else(
        |_| format!("{}://…", url.split("://").next().unwrap_or_default()),
        |mut parsed| {
            // Both fail only for URLs that cannot have them, and then there is nothing to hide.
            let _ = parsed.set_password(None);
            parsed.set_query(None);
            parsed.to_string()
        },
    )
}
