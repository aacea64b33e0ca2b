//! Step 1, *define*: a spec becomes a version of a function.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Engine;
use crate::error::{Error, Result, did_you_mean};
use crate::model::function::Function;
use crate::model::name::{Digest, Name};
use crate::model::time;

/// The versions that were used lately. A version never changes, so what is here need not be asked for again.
#[derive(Default)]
pub struct Versions(Mutex<HashMap<(String, String, String), Arc<Function>>>);

impl Versions {
    /// More than a session uses at a time; beyond it all are forgotten.
    const MOST: usize = 1_000;

    fn get(&self, key: &(String, String, String)) -> Option<Arc<Function>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: (String, String, String), function: Arc<Function>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= Self::MOST {
            all.clear();
        }
        all.insert(key, function);
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A function as it is described.
#[derive(Debug, Deserialize)]
pub struct Definition {
    pub project: String,
    pub name: String,
    pub kind: String,
    pub spec: Map<String, Value>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub labels: Vec<String>,
}

impl Engine {
    /// Checks the spec with its kind's runtime and saves it. The same spec gives the same version.
    pub async fn define(&self, definition: Definition) -> Result<Function> {
        let project = self.project_or_default(&definition.project).await?;
        let name = Name::parse("name", &definition.name)?;
        let runtime = self.runtimes.get(&definition.kind)?;
        runtime.check(&definition.spec)?;
        let kind = Name::parse("kind", runtime.kind())?;
        let version = Function::digest(&kind, &definition.spec);
        let function =
            Function { project: project.name, name, kind, version, spec: definition.spec, description: definition.description, labels: definition.labels, created: time::now() };
        if let Some(newest) = self.store.function(&function.project, &function.name, None).await? {
            if newest.kind != function.kind {
                return Err(Error::invalid(
                    "kind",
                    &function.kind,
                    format!("{} exists already as a function of kind {}", function.name, newest.kind),
                    "give the new one another name, or delete the old one",
                ));
            }
            if newest.version == function.version {
                return Ok(newest);
            }
        }
        self.store.put_function(&function).await?;
        // An older version that is saved again keeps the time at which it was first made.
        let saved = self.store.function(&function.project, &function.name, Some(function.version.as_str())).await?;
        Ok(saved.unwrap_or(function))
    }

    /// The same, without a look into the store where the version was used before.
    pub(super) async fn known_function(&self, project: &str, name: &str, version: Option<&str>) -> Result<Arc<Function>> {
        let Some(version) = version else { return self.function(project, name, None).await.map(Arc::new) };
        let key = (project.to_owned(), name.to_owned(), version.to_owned());
        if let Some(function) = self.versions.get(&key) {
            return Ok(function);
        }
        let function = Arc::new(self.function(project, name, Some(version)).await?);
        self.versions.put(key, function.clone());
        Ok(function)
    }

    /// Deletes a version, or all versions where none is named. Says how many went; runs stay.
    pub async fn delete_function(&self, project: &str, name: &str, version: Option<&str>) -> Result<u64> {
        let function = self.function(project, name, version).await?;
        self.versions.forget();
        self.store.delete_function(&function.project, &function.name, version.is_some().then_some(function.version.as_str())).await
    }

    /// The version of a function that is asked for; the newest where none is.
    pub async fn function(&self, project: &str, name: &str, version: Option<&str>) -> Result<Function> {
        let project = Name::parse("project", project)?;
        let name = Name::parse("function", name)?;
        let version = version.map(Digest::parse).transpose()?;
        if let Some(function) = self.store.function(&project, &name, version.as_ref().map(Digest::as_str)).await? {
            return Ok(function);
        }
        let known: Vec<String> = self.store.functions(&project).await?.into_iter().map(|function| function.name.to_string()).collect();
        let what = version.map_or_else(|| format!("function {name:?}", name = name.as_str()), |version| format!("version {version} of function {:?}", name.as_str()));
        Err(Error::not_found(
            "function",
            &name,
            format!("there is no {what} in project {project}{}", did_you_mean(name.as_str(), known.iter().map(String::as_str))),
            "`runwright functions` lists them",
        ))
    }
}
