//! A `SELECT record FROM …`, put together from the filters that are set.

use super::database::{Statement, Value};

/// The query so far.
pub struct Select {
    table: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Select {
    /// Every record of a table.
    pub fn from(table: &'static str) -> Self {
        Self { table, conditions: Vec::new(), values: Vec::new() }
    }

    /// Only those for which `comparison` (a column and an operator, such as `state =`) holds; no value, no condition.
    pub fn only(&mut self, comparison: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.values.push(value.into());
            self.conditions.push(format!("{comparison} ${}", self.values.len()));
        }
    }

    /// A condition without a parameter: partial indexes are only used for those.
    pub fn literal(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    /// The whole, the greatest of `column` first.
    pub fn newest_first(self, column: &str, limit: Option<u32>) -> Statement {
        let conditions = if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) };
        let limit = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        Statement::new(format!("SELECT record FROM {}{conditions} ORDER BY {column} DESC{limit}", self.table), self.values)
    }
}
