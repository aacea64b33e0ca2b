//! PostgreSQL, for teams: the same tables and the same SQL.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};

use super::database::{Database, Row, Statement, Value};
use super::fork;
use crate::error::{Error, Result};

/// How often a transaction is tried again after a serialisation failure, a deadlock or a lost connection.
const TRIES: u32 = 5;

/// A database on a server. One connection: its requests are pipelined, and a client has few at a time.
pub struct Postgres {
    url: String,
    client: Mutex<Option<Arc<Client>>>,
    /// A transaction is several statements; two must not mix on the one connection.
    transaction: Mutex<()>,
    born: fork::Born,
}

impl Postgres {
    /// Connects.
    pub async fn open(url: &str) -> Result<Self> {
        let postgres = Self { url: url.to_owned(), client: Mutex::new(None), transaction: Mutex::new(()), born: fork::Born::now() };
        postgres.client().await.map_err(|error| explain(&error))?;
        Ok(postgres)
    }

    /// The live connection; a new one where the last was lost.
    async fn client(&self) -> std::result::Result<Arc<Client>, tokio_postgres::Error> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        // The task ends with the connection; its error reaches whoever has a request under way.
        tokio::spawn(connection);
        let client = Arc::new(client);
        *slot = Some(client.clone());
        Ok(client)
    }

    async fn execute_once(&self, batch: &[Statement]) -> std::result::Result<Vec<u64>, tokio_postgres::Error> {
        let _alone = self.transaction.lock().await;
        let client = self.client().await?;
        client.batch_execute("BEGIN").await?;
        match execute_all(&client, batch).await {
            Ok((changed, true)) => client.batch_execute("COMMIT").await.map(|()| changed),
            Ok((changed, false)) => client.batch_execute("ROLLBACK").await.map(|()| changed),
            Err(error) => {
                // The first error is the one to report.
                let _ = client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        }
    }

    async fn query_once(&self, statement: &Statement) -> std::result::Result<Vec<Row>, tokio_postgres::Error> {
        let client = self.client().await?;
        let rows = client.query(statement.sql.as_ref(), &parameters(statement)).await?;
        rows.iter()
            .map(|row| {
                let values = row.columns().iter().enumerate().map(|(at, column)| {
                    Ok(if *column.type_() == Type::TEXT {
                        row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text)
                    } else {
                        row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Integer)
                    })
                });
                values.collect::<std::result::Result<_, _>>().map(Row)
            })
            .collect()
    }
}

#[async_trait]
impl Database for Postgres {
    async fn execute(&self, batch: Vec<Statement>) -> Result<Vec<u64>> {
        self.born.check()?;
        let mut tries = 0;
        loop {
            match self.execute_once(&batch).await {
                Err(error) if tries < TRIES && is_passing(&error) => pause(&mut tries).await,
                other => return other.map_err(|error| explain(&error)),
            }
        }
    }

    async fn check(&self) -> Result<String> {
        let rows = self.query(Statement::new("SELECT current_setting('server_version')", Vec::new())).await?;
        Ok(format!("PostgreSQL {}", rows.first().map_or(Ok("of an unknown version"), |row| row.text(0))?))
    }

    async fn query(&self, statement: Statement) -> Result<Vec<Row>> {
        self.born.check()?;
        let mut tries = 0;
        loop {
            match self.query_once(&statement).await {
                Err(error) if tries < TRIES && is_passing(&error) => pause(&mut tries).await,
                other => return other.map_err(|error| explain(&error)),
            }
        }
    }
}

async fn execute_all(client: &Client, batch: &[Statement]) -> std::result::Result<(Vec<u64>, bool), tokio_postgres::Error> {
    let mut changed = Vec::with_capacity(batch.len());
    for statement in batch {
        let count = client.execute(statement.sql.as_ref(), &parameters(statement)).await?;
        changed.push(count);
        if statement.must_change && count != 1 {
            return Ok((changed, false));
        }
    }
    Ok((changed, true))
}

fn parameters(statement: &Statement) -> Vec<&(dyn ToSql + Sync)> {
    statement.parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

async fn pause(tries: &mut u32) {
    *tries += 1;
    tokio::time::sleep(Duration::from_millis(50 << *tries)).await;
}

/// Whether the same batch may succeed a moment later. A batch whose COMMIT was cut off may stand already: every statement of the store can be repeated.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || error
            .code()
            .is_some_and(|code| [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::ADMIN_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code))
}

fn explain(error: &tokio_postgres::Error) -> Error {
    let detail = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
    let cure = match error.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => "check the user and password in RUNWRIGHT_STORE",
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => "create the database first (createdb), or name another in RUNWRIGHT_STORE",
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => "the user in RUNWRIGHT_STORE needs the right to create and write tables in this database",
        _ => "check that the server in RUNWRIGHT_STORE is up and reached from here",
    };
    Error::store(format!("the PostgreSQL store: {detail}"), cure)
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) => text.as_str().to_sql(ty, out),
            Self::Integer(number) => number.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TEXT || *ty == Type::INT8
    }

    to_sql_checked!();
}
