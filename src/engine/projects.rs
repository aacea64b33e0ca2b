//! Projects: found, made, deleted.

use serde_json::Map;

use super::Engine;
use crate::error::{Error, Result, did_you_mean};
use crate::model::name::Name;
use crate::model::project::Project;
use crate::model::time;
use crate::store::RunFilter;

/// The project of those who name none.
pub const DEFAULT: &str = "default";

impl Engine {
    /// The project of that name; the error tells of close ones.
    pub async fn project(&self, name: &str) -> Result<Project> {
        let name = Name::parse("project", name)?;
        if let Some(project) = self.store.project(&name).await? {
            return Ok(project);
        }
        let known: Vec<String> = self.store.projects().await?.into_iter().map(|project| project.name.to_string()).collect();
        Err(Error::not_found(
            "project",
            &name,
            format!("there is no project {:?}{}", name.as_str(), did_you_mean(name.as_str(), known.iter().map(String::as_str))),
            "make it with rw.get_or_create_project(…)",
        ))
    }

    /// The project of that name, made if need be.
    pub async fn get_or_create_project(&self, name: &str) -> Result<Project> {
        let name = Name::parse("project", name)?;
        if let Some(project) = self.store.project(&name).await? {
            return Ok(project);
        }
        let now = time::now();
        let project = Project { name, description: String::new(), labels: Vec::new(), secrets: Map::new(), created: now, updated: now };
        self.store.put_project(&project).await?;
        Ok(project)
    }

    /// As [`Self::project`], but the default one always exists.
    pub async fn project_or_default(&self, name: &str) -> Result<Project> {
        if name == DEFAULT { self.get_or_create_project(name).await } else { self.project(name).await }
    }

    /// Deletes a project with its functions, runs and entities, their bytes too. Refused while runs go on.
    pub async fn delete_project(&self, name: &str) -> Result<()> {
        let project = self.project(name).await?;
        self.sync_open(Some(&project.name)).await?;
        let open = self.store.runs(&RunFilter { project: Some(project.name.clone()), open: true, limit: Some(1), ..RunFilter::default() }).await?;
        if let Some(run) = open.first() {
            return Err(Error::conflict(format!("project {name} has runs that go on, for one {}", run.key), "stop them first, or wait for them"));
        }
        let runs = self.store.runs(&RunFilter { project: Some(project.name.clone()), ..RunFilter::default() }).await?;
        let needed = self.needed().await?;
        if let Some((run, reader)) = runs.iter().find_map(|run| needed.get(&run.id).map(|reader| (run, reader))) {
            return Err(Error::conflict(format!("project {name} has a run that {reader} reads, which has not ended: {}", run.key), "stop that one first, or wait for it"));
        }
        // The record goes last: who is interrupted may begin again.
        for run in runs {
            if let Ok(backend) = self.backend(run.backend.as_str()) {
                backend.remove(&run).await?;
            }
        }
        for backend in &self.backends {
            backend.remove_project(&project.name)?;
        }
        self.artifacts.delete(project.name.as_str()).await?;
        self.store.delete_project(&project.name).await.map(drop)
    }

    /// Changes a project's description, labels or secrets' references.
    pub async fn update_project(&self, project: Project) -> Result<Project> {
        self.project(project.name.as_str()).await?;
        let project = Project { updated: time::now(), ..project };
        self.store.put_project(&project).await?;
        Ok(project)
    }
}
