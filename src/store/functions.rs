//! Functions and their versions in the store.

use super::database::{Statement, Value};
use super::{Store, from_rows, to_json};
use crate::error::Result;
use crate::model::function::Function;
use crate::model::name::Name;
use crate::model::time;

impl Store {
    /// Writes a version. One that exists is left as it is, but becomes the newest again.
    pub async fn put_function(&self, function: &Function) -> Result<()> {
        // After all others, even where the clock went back.
        let sql = "INSERT INTO functions (project, name, version, saved, record) SELECT $1, $2, $3, CASE WHEN $4 > newest THEN $4 ELSE newest + 1 END, $5 \
                   FROM (SELECT COALESCE(MAX(saved), 0) AS newest FROM functions WHERE project = $1 AND name = $2) AS others WHERE TRUE \
                   ON CONFLICT (project, name, version) DO UPDATE SET saved = excluded.saved";
        let values =
            vec![function.project.as_str().into(), function.name.as_str().into(), function.version.as_str().into(), time::now().as_microsecond().into(), to_json(function)?.into()];
        self.change(sql, values).await.map(drop)
    }

    /// Writes a version that was lost, in its place by age: it does not become the newest.
    pub async fn restore_function(&self, function: &Function) -> Result<()> {
        let sql = "INSERT INTO functions (project, name, version, saved, record) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, name, version) DO NOTHING";
        let saved = function.created.as_microsecond();
        let values = vec![function.project.as_str().into(), function.name.as_str().into(), function.version.as_str().into(), saved.into(), to_json(function)?.into()];
        self.change(sql, values).await.map(drop)
    }

    /// The version whose digest begins with `version`, or the newest.
    pub async fn function(&self, project: &Name, name: &Name, version: Option<&str>) -> Result<Option<Function>> {
        // Digests are hexadecimal, so a prefix is a range: from itself to itself followed by what sorts after every digit.
        let (from, to) = version.map_or((String::new(), "g".into()), |prefix| (prefix.to_owned(), format!("{prefix}g")));
        let sql = "SELECT record FROM functions WHERE project = $1 AND name = $2 AND version >= $3 AND version <= $4 ORDER BY saved DESC LIMIT 1";
        let values = vec![project.as_str().into(), name.as_str().into(), from.into(), to.into()];
        Ok(from_rows(&self.database.query(Statement::new(sql, values)).await?)?.pop())
    }

    /// All versions of one function, the newest first.
    pub async fn versions(&self, project: &Name, name: &Name) -> Result<Vec<Function>> {
        let sql = "SELECT record FROM functions WHERE project = $1 AND name = $2 ORDER BY saved DESC";
        from_rows(&self.database.query(Statement::new(sql, vec![project.as_str().into(), name.as_str().into()])).await?)
    }

    /// The newest version of every function of a project, by name.
    pub async fn functions(&self, project: &Name) -> Result<Vec<Function>> {
        let sql =
            "SELECT record FROM functions f WHERE project = $1 AND saved = (SELECT MAX(saved) FROM functions g WHERE g.project = f.project AND g.name = f.name) ORDER BY name";
        from_rows(&self.database.query(Statement::new(sql, vec![project.as_str().into()])).await?)
    }

    /// Deletes one version, or all. Says how many went.
    pub async fn delete_function(&self, project: &Name, name: &Name, version: Option<&str>) -> Result<u64> {
        let mut values: Vec<Value> = vec![project.as_str().into(), name.as_str().into()];
        match version {
            Some(version) => {
                values.push(version.into());
                self.change("DELETE FROM functions WHERE project = $1 AND name = $2 AND version = $3", values).await
            }
            None => self.change("DELETE FROM functions WHERE project = $1 AND name = $2", values).await,
        }
    }
}
