//! PostgreSQL, for teams: the same tables and the same SQL.

mod connect;

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Transaction};

use super::database::{Database, Row, Statement, Value};
use super::fork;
use crate::error::{Error, Result};
use connect::Address;

/// How long a statement is tried again after a serialisation failure, a deadlock or a lost connection: longer than a server takes to restart.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many statements of a transaction are under way at a time.
const PIPELINE: usize = 256;

/// A database on a server.
pub struct Postgres {
    address: Address,
    /// Transactions, one at a time: on one connection they would mix.
    writer: Mutex<Option<Client>>,
    /// Reads, on a connection of their own: they neither wait for a transaction nor see half of one. Many at a time, pipelined.
    reader: Mutex<Option<Arc<Client>>>,
    born: fork::Born,
}

type Outcome<T> = std::result::Result<T, tokio_postgres::Error>;

impl Postgres {
    /// Connects.
    pub async fn open(url: &str) -> Result<Self> {
        let postgres = Self { address: Address::parse(url)?, writer: Mutex::default(), reader: Mutex::default(), born: fork::Born::now() };
        postgres.reader().await.map_err(|error| explain(&error))?;
        Ok(postgres)
    }

    /// The live connection for reads; a new one where the last was lost.
    async fn reader(&self) -> Outcome<Arc<Client>> {
        let mut slot = self.reader.lock().await;
        if let Some(client) = slot.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = Arc::new(self.address.connect().await?);
        *slot = Some(client.clone());
        Ok(client)
    }

    async fn execute_once(&self, batch: &[Statement]) -> Outcome<Vec<u64>> {
        let mut slot = self.writer.lock().await;
        let client = match &mut *slot {
            Some(client) if !client.is_closed() => client,
            lost => lost.insert(self.address.connect().await?),
        };
        // Dropped before its end (an error, a caller that is cancelled) it is rolled back.
        let transaction = client.transaction().await?;
        match execute_all(&transaction, batch).await? {
            (changed, true) => transaction.commit().await.map(|()| changed),
            (changed, false) => transaction.rollback().await.map(|()| changed),
        }
    }

    async fn query_once(&self, statement: &Statement) -> Outcome<Vec<Row>> {
        let rows = self.reader().await?.query_typed(statement.sql.as_ref(), &parameters(statement)).await?;
        rows.iter()
            .map(|row| {
                let values = row.columns().iter().enumerate().map(|(at, column)| {
                    Ok(if *column.type_() == Type::TEXT {
                        row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text)
                    } else {
                        row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Integer)
                    })
                });
                values.collect::<Outcome<_>>().map(Row)
            })
            .collect()
    }
}

#[async_trait]
impl Database for Postgres {
    async fn execute(&self, batch: Vec<Statement>) -> Result<Vec<u64>> {
        self.born.check()?;
        let mut patience = Patience::new();
        loop {
            match self.execute_once(&batch).await {
                Err(error) if is_passing(&error) && patience.pause().await => {}
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
        let mut patience = Patience::new();
        loop {
            match self.query_once(&statement).await {
                Err(error) if is_passing(&error) && patience.pause().await => {}
                other => return other.map_err(|error| explain(&error)),
            }
        }
    }
}

/// The statements go to the server together: a batch costs a few round trips, not one a statement.
async fn execute_all(transaction: &Transaction<'_>, batch: &[Statement]) -> Outcome<(Vec<u64>, bool)> {
    let mut changed = Vec::with_capacity(batch.len());
    for part in batch.chunks(PIPELINE) {
        let running = part.iter().map(|statement| async { transaction.execute_typed(statement.sql.as_ref(), &parameters(statement)).await });
        // After a failure the server refuses what follows; the first error is the one that tells why.
        for (count, statement) in join_all(running).await.into_iter().zip(part) {
            changed.push(count?);
            if statement.must_change && changed.last() != Some(&1) {
                return Ok((changed, false));
            }
        }
    }
    Ok((changed, true))
}

fn parameters(statement: &Statement) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let type_of = |value: &Value| if matches!(value, Value::Integer(_)) { Type::INT8 } else { Type::TEXT };
    statement.parameters.iter().map(|value| (value as &(dyn ToSql + Sync), type_of(value))).collect()
}

/// What is left of the time for further tries.
struct Patience {
    since: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { since: Instant::now(), pause: Duration::from_millis(25) }
    }

    /// Waits before another try; false where it has been tried long enough.
    async fn pause(&mut self) -> bool {
        if self.since.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        true
    }
}

/// Whether the same batch may succeed a moment later. A batch whose COMMIT was cut off may stand already: every statement of the store can be
/// repeated (an update of a revision then finds another one, and the change is made anew on what it finds).
fn is_passing(error: &tokio_postgres::Error) -> bool {
    const STATES: [SqlState; 5] =
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    let refused = || error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).is_some_and(|io| io.get_ref().is_none());
    match error.code() {
        Some(code) => STATES.contains(code),
        None => error.is_closed() || refused(),
    }
}

fn explain(error: &tokio_postgres::Error) -> Error {
    let detail = error.as_db_error().map_or_else(|| whole(error), |db| db.message().to_owned());
    let cure = match error.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => "check the user and password in RUNWRIGHT_STORE",
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => "create the database first (createdb), or name another in RUNWRIGHT_STORE",
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => "the user in RUNWRIGHT_STORE needs the right to create and write tables in this database",
        None if detail.contains("certificate") => {
            "name the file (PEM) of the authority that signed the server's certificate with sslrootcert=/path in RUNWRIGHT_STORE, or with SSL_CERT_FILE; the host in RUNWRIGHT_STORE must be the certificate's"
        }
        None if detail.contains("TLS") => "switch TLS on at the server (ssl = on), or use sslmode=prefer or sslmode=disable in RUNWRIGHT_STORE",
        _ => "check that the server in RUNWRIGHT_STORE is up and reached from here",
    };
    Error::store(format!("the PostgreSQL store: {detail}"), cure)
}

/// An error with its causes: of itself it says little.
fn whole(error: &tokio_postgres::Error) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.iter().any(|known| known.contains(&text)) {
            said.push(text);
        }
        cause = error.source();
    }
    said.join(": ")
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
