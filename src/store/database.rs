//! What the store asks of a database: run a batch of statements in one transaction, and read rows.
//!
//! The SQL is common to SQLite and PostgreSQL: parameters are `$1`, `$2`, … numbered in the order of their first appearance (SQLite numbers
//! them so), `ON CONFLICT` for idempotence, text and big integers only.

use async_trait::async_trait;

use crate::error::{Error, Result};

/// A database.
#[async_trait]
pub trait Database: Send + Sync {
    /// Runs the statements in one transaction: all of them or none. Gives the number of rows that each changed.
    ///
    /// A statement that must change exactly one row and does not undoes all of them; its count, 0, then ends the list.
    async fn execute(&self, batch: Vec<Statement>) -> Result<Vec<u64>>;

    /// Looks whether what it holds is whole. Gives what it is, for people.
    async fn check(&self) -> Result<String>;

    /// Reads rows.
    async fn query(&self, statement: Statement) -> Result<Vec<Row>>;
}

/// SQL and its parameters.
#[derive(Debug, Clone)]
pub struct Statement {
    pub sql: std::borrow::Cow<'static, str>,
    pub parameters: Vec<Value>,
    /// The whole batch is undone unless this one changes exactly one row.
    pub must_change: bool,
}

impl Statement {
    pub fn new(sql: impl Into<std::borrow::Cow<'static, str>>, parameters: Vec<Value>) -> Self {
        Self { sql: sql.into(), parameters, must_change: false }
    }

    #[must_use]
    pub fn must_change(mut self) -> Self {
        self.must_change = true;
        self
    }
}

/// A value of a column or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Integer(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a result.
#[derive(Debug, Clone)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// The text in a column.
    pub fn text(&self, column: usize) -> Result<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(unexpected(column, other)),
        }
    }

    /// The number in a column.
    pub fn integer(&self, column: usize) -> Result<i64> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => Ok(*number),
            other => Err(unexpected(column, other)),
        }
    }
}

fn unexpected(column: usize, value: Option<&Value>) -> Error {
    Error::store(format!("column {column} of a row holds {value:?}"), "the store was changed by another program or another version of Runwright")
}
