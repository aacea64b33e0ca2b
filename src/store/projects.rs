//! Projects in the store.

use super::database::Statement;
use super::{Store, from_rows, to_json};
use crate::error::Result;
use crate::model::name::Name;
use crate::model::project::Project;

impl Store {
    /// Writes a project, new or changed.
    pub async fn put_project(&self, project: &Project) -> Result<()> {
        let sql = "INSERT INTO projects (name, record) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET record = excluded.record";
        self.change(sql, vec![project.name.as_str().into(), to_json(project)?.into()]).await.map(drop)
    }

    /// The project of that name.
    pub async fn project(&self, name: &Name) -> Result<Option<Project>> {
        let rows = self.database.query(Statement::new("SELECT record FROM projects WHERE name = $1", vec![name.as_str().into()])).await?;
        Ok(from_rows(&rows)?.pop())
    }

    /// All projects, by name.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        from_rows(&self.database.query(Statement::new("SELECT record FROM projects ORDER BY name", Vec::new())).await?)
    }

    /// Deletes a project with all that is recorded in it. Says whether there was one.
    pub async fn delete_project(&self, name: &Name) -> Result<bool> {
        let name = || vec![name.as_str().into()];
        let changed = self
            .database
            .execute(vec![
                Statement::new("DELETE FROM projects WHERE name = $1", name()),
                Statement::new("DELETE FROM functions WHERE project = $1", name()),
                Statement::new("DELETE FROM reads WHERE run IN (SELECT id FROM runs WHERE project = $1)", name()),
                Statement::new("DELETE FROM runs WHERE project = $1", name()),
                Statement::new("DELETE FROM entities WHERE project = $1", name()),
            ])
            .await?;
        Ok(changed.first() == Some(&1))
    }
}
