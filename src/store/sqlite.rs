//! SQLite: write-ahead log, one writer thread, a few readers.
//!
//! All writes of a process go through one thread. It takes what is waiting as one transaction (each batch a savepoint of its own), so many
//! submissions share a commit; other processes wait their turn through SQLite's own lock for as long as it takes.
//!
//! `synchronous = NORMAL`: a commit survives the death of the process, not a power cut; what runs is journalled in its folder too.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tokio::sync::oneshot;

use super::database::{Database, Row, Statement, Value};
use super::fork;
use crate::error::{Error, Result};

/// How long one process waits for the others' commits, unless `RUNWRIGHT_BUSY_SECONDS` says otherwise. Not "for ever": a lock held by a hung
/// process must be told.
const BUSY: Duration = Duration::from_mins(1);
/// How many batches share a commit at most.
const SHARED: usize = 256;

type Reply = oneshot::Sender<Result<Vec<u64>>>;

/// A database file.
pub struct Sqlite {
    connections: Arc<Connections>,
    writer: Mutex<Sender<(Vec<Statement>, Reply)>>,
    born: fork::Born,
}

/// The connections of this process: opened when needed, closed while it forks.
struct Connections {
    path: PathBuf,
    busy: Duration,
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
}

impl fork::Closes for Connections {
    fn close(&self) {
        lock(&self.writer).take();
        lock(&self.readers).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sqlite {
    /// Opens or makes the file and its folder.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::store(format!("the folder {} cannot be made: {error}", folder.display()), "set RUNWRIGHT_HOME to a folder that you may write to"))?;
        }
        let connections = Arc::new(Connections { path: path.to_owned(), busy: busy()?, writer: Mutex::new(None), readers: Mutex::new(Vec::new()) });
        fork::register(&connections);
        {
            let _inside = fork::enter();
            *lock(&connections.writer) = Some(connections.connect()?);
        }
        let (sender, receiver) = channel();
        let for_thread = connections.clone();
        std::thread::Builder::new()
            .name("runwright-store".into())
            .spawn(move || write_all(&for_thread, &receiver))
            .map_err(|error| Error::store(format!("the store's thread cannot be started: {error}"), "too many threads or too little memory on this machine"))?;
        Ok(Self { connections, writer: Mutex::new(sender), born: fork::Born::now() })
    }

    fn read(&self, statement: &Statement) -> Result<Vec<Row>> {
        self.born.check()?;
        let _inside = fork::enter();
        let connections = &self.connections;
        let idle = lock(&connections.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connections.connect()?,
        };
        let rows = read_rows(&connection, statement).map_err(|error| explain(&error, &connections.path));
        lock(&connections.readers).push(connection);
        rows
    }
}

#[async_trait]
impl Database for Sqlite {
    async fn execute(&self, batch: Vec<Statement>) -> Result<Vec<u64>> {
        self.born.check()?;
        let (reply, answer) = oneshot::channel();
        let gone = || Error::store("the store's thread has ended", "restart this Python process");
        lock(&self.writer).send((batch, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    async fn check(&self) -> Result<String> {
        let rows = self.read(&Statement::new("PRAGMA quick_check(1)", Vec::new()))?;
        let found = rows.first().map_or(Ok("nothing"), |row| row.text(0))?;
        if found == "ok" {
            return Ok(format!("SQLite {}", rusqlite::version()));
        }
        Err(Error::store(
            format!("the store {} is damaged: {found}", self.connections.path.display()),
            "move it away and call `runwright sync`: the runs are found again in their folders",
        ))
    }

    async fn query(&self, statement: Statement) -> Result<Vec<Row>> {
        // Indexed reads of a local file take microseconds: a hop to another thread would cost more than it saves.
        self.read(&statement)
    }
}

/// How long to wait for other processes.
fn busy() -> Result<Duration> {
    const NAME: &str = "RUNWRIGHT_BUSY_SECONDS";
    let Some(text) = std::env::var_os(NAME) else { return Ok(BUSY) };
    let text = text.to_string_lossy();
    // SQLite counts milliseconds in 31 bits; a day is as good as for ever.
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.0..=86400.0).contains(seconds));
    let seconds =
        seconds.ok_or_else(|| Error::invalid(NAME, &text, format!("{NAME}={text} is not a number of seconds"), "give a number from 0 to 86400, or leave it out for 60"))?;
    Ok(Duration::from_secs_f64(seconds))
}

impl Connections {
    fn connect(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let prepare = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(self.busy)?;
            connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 268435456; PRAGMA cache_size = -16000;")?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        // Two processes that switch a new file to WAL at once: SQLite answers "busy" without waiting.
        let until = Instant::now() + self.busy;
        loop {
            match prepare() {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                other => return other.map_err(|error| explain(&error, &self.path)),
            }
        }
    }
}

fn write_all(connections: &Connections, waiting: &Receiver<(Vec<Statement>, Reply)>) {
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        while jobs.len() < SHARED
            && let Ok(next) = waiting.try_recv()
        {
            jobs.push(next);
        }
        // Who was interrupted while waiting for its turn must not find the write done later all the same.
        jobs.retain(|(_, reply)| !reply.is_closed());
        let (batches, replies): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        match write_with(connections, &batches) {
            Ok(outcomes) => {
                for (outcome, reply) in outcomes.into_iter().zip(replies) {
                    // Who asked may have gone; the write stands all the same.
                    let _ = reply.send(outcome.map_err(|error| explain(&error, &connections.path)));
                }
            }
            Err(error) => replies.into_iter().for_each(|reply| drop(reply.send(Err(error.again())))),
        }
    }
}

/// What each batch of a transaction came to.
type Outcomes = Vec<rusqlite::Result<Vec<u64>>>;

fn write_with(connections: &Connections, batches: &[Vec<Statement>]) -> Result<Outcomes> {
    let _inside = fork::enter();
    let mut slot = lock(&connections.writer);
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => connections.connect()?,
    };
    let outcomes = write_shared(&mut connection, batches).map_err(|error| explain(&error, &connections.path));
    *slot = Some(connection);
    outcomes
}

/// One transaction for all batches; a batch that fails is undone alone.
fn write_shared(connection: &mut Connection, batches: &[Vec<Statement>]) -> rusqlite::Result<Outcomes> {
    let mut transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(batches.len());
    for batch in batches {
        let savepoint = transaction.savepoint()?;
        let outcome = write_batch(&savepoint, batch);
        match &outcome {
            Ok((_, true)) => savepoint.commit()?,
            // Dropped: rolled back.
            Ok((_, false)) | Err(_) => drop(savepoint),
        }
        match outcome {
            // On a full disk SQLite may undo the whole transaction; what came after it would be written on its own.
            Err(error) if transaction.is_autocommit() => return Err(error),
            outcome => outcomes.push(outcome.map(|(changed, _)| changed)),
        }
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn write_batch(connection: &Connection, batch: &[Statement]) -> rusqlite::Result<(Vec<u64>, bool)> {
    let mut changed = Vec::with_capacity(batch.len());
    for statement in batch {
        let mut prepared = connection.prepare_cached(&statement.sql)?;
        let count = prepared.execute(rusqlite::params_from_iter(&statement.parameters))?;
        changed.push(count as u64);
        if statement.must_change && count != 1 {
            return Ok((changed, false));
        }
    }
    Ok((changed, true))
}

fn read_rows(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query(rusqlite::params_from_iter(&statement.parameters))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                _ => Value::Null,
            })
        });
        found.push(Row(values.collect::<rusqlite::Result<_>>()?));
    }
    Ok(found)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Integer(number) => ToSqlOutput::Owned(SqlValue::Integer(*number)),
        })
    }
}

/// SQLite's code, as what a user can do about it.
fn explain(error: &rusqlite::Error, path: &Path) -> Error {
    let file = path.display();
    let (what, cure) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ("is locked by another process", "end the process that holds it (`fuser` on the file names it), or wait longer: RUNWRIGHT_BUSY_SECONDS; nothing was written")
        }
        Some(ErrorCode::DiskFull) => ("cannot be written: the disk is full", "free some room; what is running goes on and is recorded afterwards"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ("is damaged", "move it away and call `runwright sync`: the runs are found again in their folders"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ("may not be written", "give yourself the right, or set RUNWRIGHT_HOME to another folder"),
        Some(ErrorCode::CannotOpen) => ("cannot be opened", "check that the path exists and may be written, or set RUNWRIGHT_HOME to another folder"),
        Some(ErrorCode::SystemIoFailure) => ("cannot be read or written", "check the disk; if it is full, free some room"),
        _ => ("refused a statement", "if this was not caused by another program's change to the file, it is a fault of Runwright; please report it"),
    };
    Error::store(format!("the store {file} {what}: {error}"), cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(value: &str) -> Vec<Statement> {
        vec![Statement::new("INSERT INTO t (x) VALUES ($1)", vec![value.into()])]
    }

    fn database() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = Connection::open(folder.path().join("db")).expect("a database");
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x TEXT UNIQUE)").expect("a table");
        (folder, connection)
    }

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("a count")
    }

    #[test]
    fn a_batch_that_fails_is_undone_alone() {
        let (_folder, mut connection) = database();
        let half = [write("b"), write("a")].concat();
        let unmet = vec![write("c").remove(0), Statement::new("UPDATE t SET x = 'z' WHERE x = 'nobody'", Vec::new()).must_change()];
        let outcomes = write_shared(&mut connection, &[write("a"), half, unmet, write("d")]).expect("a commit");
        assert_eq!(outcomes.iter().map(std::result::Result::is_ok).collect::<Vec<_>>(), [true, false, true, true]);
        assert_eq!(outcomes[2].as_ref().expect("counts"), &[1, 0]);
        assert_eq!(rows(&connection), 2);
    }

    #[test]
    fn on_a_full_disk_all_or_nothing_is_written_and_later_it_goes_on() {
        let (_folder, mut connection) = database();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a count");
        connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |row| row.get::<_, i64>(0)).expect("a limit");
        let large = "x".repeat(100_000);
        let outcome = write_shared(&mut connection, &[write("a"), write(&large), write("b")]);
        let told = outcome.map_or(0, |outcomes| outcomes.iter().filter(|outcome| outcome.is_ok()).count());
        assert_eq!(usize::try_from(rows(&connection)).expect("a count"), told, "what is written is what was said to be");
        assert!(connection.is_autocommit(), "no transaction is left open");
        write_shared(&mut connection, &[write("c")]).expect("there is room for it").remove(0).expect("written");
    }
}
