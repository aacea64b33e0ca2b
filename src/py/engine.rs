//! The engine's verbs. Each gives a [`Pending`]: sync and async are the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pythonize::{depythonize, pythonize};
use serde_json::{Value, json};

use super::errors::carry;
use super::pending::Pending;
use super::plugin::Plugin;
use super::threads;
use crate::backend::local::Settings;
use crate::backend::{Call, kubernetes};
use crate::engine::define::Definition;
use crate::engine::entities::NewEntity;
use crate::engine::inline::Inline;
use crate::engine::record::Request;
use crate::engine::{Configuration, Engine as Core, compare};
use crate::error::Error;
use crate::model::entity::Entity;
use crate::model::event::{End, Event};
use crate::model::key::KeyType;
use crate::model::name::{Digest, Name, RunId};
use crate::model::project::Project;
use crate::model::run::Run;
use crate::store::{EntityFilter, RunFilter};

/// The engine of this process.
#[pyclass(frozen, module = "runwright._core")]
pub struct Engine(Arc<Core>);

impl Engine {
    pub fn inner(&self) -> Arc<Core> {
        self.0.clone()
    }
}

#[pymethods]
impl Engine {
    /// Opens the store. `runner` is called before the first run and gives the folder that holds the runner's files.
    #[new]
    #[pyo3(signature = (*, home, store, artifacts, url_lifetime, python, runner, concurrency, image, runner_zip, profiles, session))]
    #[allow(clippy::too_many_arguments)] // One a setting, as Python sees them.
    fn open(
        py: Python<'_>,
        home: PathBuf,
        store: Option<String>,
        artifacts: Option<String>,
        url_lifetime: Option<f64>,
        python: PathBuf,
        runner: Py<PyAny>,
        concurrency: u32,
        image: Option<String>,
        runner_zip: Py<PyAny>,
        profiles: &Bound<'_, PyAny>,
        session: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let find = move || Python::attach(|py| runner.call0(py)?.extract::<PathBuf>(py)).map_err(carry);
        let local = Settings { python, runner: Box::new(find), concurrency };
        let session: serde_json::Map<String, Value> = depythonize(session)?;
        let profiles: serde_json::Map<String, Value> = depythonize(profiles)?;
        let find_zip = move || Python::attach(|py| runner_zip.call0(py)?.extract::<PathBuf>(py)).map_err(carry);
        let image = image.unwrap_or_else(|| kubernetes::python_image(session.get("python").and_then(Value::as_str).unwrap_or_default()));
        let kubernetes = kubernetes::Settings { image, runner: Box::new(find_zip) };
        let configuration = Configuration { home, store, artifacts, url_lifetime, local, kubernetes, profiles, others: Vec::new(), session };
        threads::wait(py, Core::open(configuration))?.map(Self).map_err(|error| super::errors::raise(py, &error))
    }

    /// From now on runs are also looked for at that place.
    fn visit(&self, py: Python<'_>, on: &str, place: &Bound<'_, PyAny>) -> PyResult<()> {
        let place: serde_json::Map<String, Value> = depythonize(place)?;
        self.0.backend(on).and_then(|backend| backend.visit(&place)).map_err(|error| super::errors::raise(py, &error))
    }

    /// What a submission would hand over, checked by the place itself.
    fn rehearse(&self, requests: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, requests): (_, Vec<Request>) = (self.0.clone(), depythonize(requests)?);
        Ok(Pending::new(async move { core.rehearse(requests).await }))
    }

    /// What was handed over of a run.
    fn manifest(&self, text: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.manifest(&text).await })
    }

    /// For people: where the store, the artifacts and the local files are.
    fn places(&self) -> (String, String, PathBuf) {
        (self.0.store.place.clone(), self.0.artifacts.place(), self.0.home().to_owned())
    }

    /// The profiles that runs may name: what each says.
    fn profiles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let all: serde_json::Map<String, Value> = self.0.profiles.iter().map(|(name, profile)| (name.clone(), profile.says.clone().into())).collect();
        Ok(pythonize(py, &all)?)
    }

    fn kinds(&self) -> Vec<String> {
        self.0.runtimes.kinds()
    }

    fn actions(&self, py: Python<'_>, kind: &str) -> PyResult<Vec<String>> {
        self.0.runtimes.get(kind).map(|runtime| runtime.actions()).map_err(|error| super::errors::raise(py, &error))
    }

    fn register_runtime(&self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.runtimes.register(Arc::new(Plugin::new(object)?));
        Ok(())
    }

    /// The plan that an action of a function translates into: for authors of runtimes.
    fn translate(&self, function: &Bound<'_, PyAny>, action: Option<String>, run: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (function, run): (crate::model::function::Function, crate::model::run::RunSpec) = (depythonize(function)?, depythonize(run)?);
        let core = self.0.clone();
        Ok(Pending::new(async move {
            let runtime = core.runtimes.get(function.kind.as_str())?;
            let action = crate::runtime::action(runtime.as_ref(), action.as_deref())?.into_owned();
            runtime.translate(&function, &action, &run)
        }))
    }

    fn project(&self, name: String, create: bool) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { if create { core.get_or_create_project(&name).await } else { core.project(&name).await } })
    }

    fn projects(&self) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.store.projects().await })
    }

    fn update_project(&self, project: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, project): (_, Project) = (self.0.clone(), depythonize(project)?);
        Ok(Pending::new(async move { core.update_project(project).await }))
    }

    fn delete_project(&self, name: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.delete_project(&name).await })
    }

    fn define(&self, definition: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, definition): (_, Definition) = (self.0.clone(), depythonize(definition)?);
        Ok(Pending::new(async move { core.define(definition).await }))
    }

    #[pyo3(signature = (project, name, version=None))]
    fn function(&self, project: String, name: String, version: Option<String>) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.function(&project, &name, version.as_deref()).await })
    }

    #[pyo3(signature = (project, name=None))]
    fn functions(&self, project: String, name: Option<String>) -> Pending {
        let core = self.0.clone();
        Pending::new(async move {
            let project = Name::parse("project", &project)?;
            match name {
                Some(name) => core.store.versions(&project, &Name::parse("function", &name)?).await,
                None => core.store.functions(&project).await,
            }
        })
    }

    #[pyo3(signature = (project, name, version=None))]
    fn delete_function(&self, project: String, name: String, version: Option<String>) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.delete_function(&project, &name, version.as_deref()).await })
    }

    /// The folder with a version's code, unpacked if need be.
    fn place_code(&self, function: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, function): (_, crate::model::function::Function) = (self.0.clone(), depythonize(function)?);
        Ok(Pending::new(async move { crate::backend::local::place_code(core.home(), &function) }))
    }

    /// Submits requests together; gives the records.
    fn submit(&self, requests: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, requests): (_, Vec<Request>) = (self.0.clone(), depythonize(requests)?);
        Ok(Pending::whole(async move { core.submit_all(requests).await }))
    }

    /// An id for a run that is to be submitted.
    #[staticmethod]
    fn new_id() -> String {
        RunId::new().to_string()
    }

    /// Records an inline run; gives `{"key", "action", "parameters", "inputs", "envs", "secrets", "outputs"}`, or `{"cached": record}`.
    fn begin_inline(&self, request: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, request): (_, Request) = (self.0.clone(), depythonize(request)?);
        Ok(Pending::new(async move {
            Ok(match core.begin_inline(request).await? {
                Inline::Cached(run) => json!({"cached": run}),
                Inline::ToExecute(task) => json!(task),
            })
        }))
    }

    /// Ends an inline run; `log` is what it printed, as in log.jsonl.
    fn finish_inline(&self, id: &str, events: &Bound<'_, PyAny>, end: &Bound<'_, PyAny>, folder: PathBuf, log: Vec<u8>) -> PyResult<Pending> {
        let (core, id, events, end): (_, String, Vec<Event>, End) = (self.0.clone(), id.to_owned(), depythonize(events)?, depythonize(end)?);
        Ok(Pending::whole(async move { core.finish_inline(id.parse()?, events, end, &folder, log).await }))
    }

    /// The record of a run as it is now.
    fn run(&self, text: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.run(&text).await })
    }

    #[pyo3(signature = (*, project=None, function=None, state=None, map=None, open=false, before=None, limit=None))]
    #[allow(clippy::too_many_arguments)] // One a filter, as Python sees them.
    fn runs(
        &self,
        project: Option<String>,
        function: Option<String>,
        state: Option<String>,
        map: Option<String>,
        open: bool,
        before: Option<String>,
        limit: Option<u32>,
    ) -> Pending {
        let core = self.0.clone();
        Pending::new(async move {
            let filter = RunFilter {
                project: project.map(|name| Name::parse("project", &name)).transpose()?,
                function: function.map(|name| Name::parse("function", &name)).transpose()?,
                state: state.map(|state| state.parse()).transpose()?,
                map,
                cache_key: None,
                open,
                before: before.map(|id| id.parse::<RunId>()).transpose()?,
                limit,
            };
            core.runs(&filter).await
        })
    }

    /// Waits for the end, `timeout` seconds at most; gives the newest record.
    #[pyo3(signature = (id, timeout=None))]
    fn wait(&self, id: String, timeout: Option<f64>) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.wait(id.parse()?, seconds("timeout", timeout)?).await })
    }

    /// The next state of a record that differs from `run`, or the same after `timeout` seconds.
    fn next_change(&self, run: &Bound<'_, PyAny>, timeout: f64) -> PyResult<Pending> {
        let (core, run): (_, Run) = (self.0.clone(), depythonize(run)?);
        Ok(Pending::new(async move { core.next_change(&run, seconds("timeout", Some(timeout))?.unwrap_or_default()).await }))
    }

    /// Takes in a record that was exported.
    fn import_run(&self, record: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, record): (_, Run) = (self.0.clone(), depythonize(record)?);
        Ok(Pending::new(async move { core.import_run(record).await }))
    }

    fn stop(&self, text: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.stop(&text).await })
    }

    #[pyo3(signature = (id, method, path, headers, body, timeout))]
    fn invoke(&self, id: String, method: String, path: String, headers: Vec<(String, String)>, body: Option<Vec<u8>>, timeout: Option<f64>) -> Pending {
        let (core, call) = (self.0.clone(), Call { method, path, headers, body: body.unwrap_or_default() });
        Pending::new(async move { core.invoke(&id, call, seconds("timeout", timeout)?).await.map(|answer| (answer.status, answer.headers, answer.body)) })
    }

    fn scale(&self, id: String, replicas: u32) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.scale(&id, replicas).await })
    }

    #[pyo3(signature = (id, version))]
    fn update_service(&self, id: String, version: Option<String>) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.update_service(&id, version.as_deref()).await })
    }

    fn resume(&self, text: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.resume(&text).await })
    }

    fn delete_run(&self, text: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.delete_run(&text).await })
    }

    /// A piece of a log: `(lines, next, complete)`.
    fn log(&self, id: String, start: u64, follow: bool) -> Pending {
        let core = self.0.clone();
        Pending::new(async move {
            let piece = core.log(id.parse()?, start, follow).await?;
            Ok((piece.lines, piece.next, piece.complete))
        })
    }

    /// Saves an entity. `file` is taken into the artifact store; with `keep` it is copied, else it may be linked.
    #[pyo3(signature = (entity, file=None, keep=true))]
    fn save_entity(&self, entity: &Bound<'_, PyAny>, file: Option<PathBuf>, keep: bool) -> PyResult<Pending> {
        let (core, entity): (_, NewEntity) = (self.0.clone(), depythonize(entity)?);
        Ok(Pending::new(async move { core.save_entity(entity, file, keep).await }))
    }

    fn update_entity(&self, entity: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (core, entity): (_, Entity) = (self.0.clone(), depythonize(entity)?);
        Ok(Pending::new(async move { core.update_entity(entity).await }))
    }

    fn entity(&self, key: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.entity(&key).await })
    }

    fn entity_by_name(&self, project: String, r#type: String, name: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.entity_by_name(&project, entity_type(&r#type)?, &name).await })
    }

    #[pyo3(signature = (*, project=None, r#type=None, name=None, producer=None, limit=None))]
    fn entities(&self, project: Option<String>, r#type: Option<String>, name: Option<String>, producer: Option<String>, limit: Option<u32>) -> Pending {
        let core = self.0.clone();
        Pending::new(async move {
            let filter = EntityFilter {
                project: project.map(|name| Name::parse("project", &name)).transpose()?,
                of: r#type.map(|of| entity_type(&of)).transpose()?,
                name: name.map(|name| Name::parse("name", &name)).transpose()?,
                producer,
                limit,
            };
            core.entities(&filter).await
        })
    }

    fn delete_entity(&self, key: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.delete_entity(&key).await })
    }

    /// The path of a file with the entity's bytes.
    #[pyo3(signature = (key, folder=None))]
    fn fetch_entity(&self, key: String, folder: Option<PathBuf>) -> Pending {
        let core = self.0.clone();
        Pending::new(async move {
            let entity = core.entity(&key).await?;
            core.fetch_entity(&entity, folder.as_deref()).await
        })
    }

    fn lineage(&self, key: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.lineage(&key).await })
    }

    /// The differences of two runs: `[{"path", "left", "right"}]`.
    fn compare(&self, left: String, right: String) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { Ok(compare(&core.run(&left).await?, &core.run(&right).await?)) })
    }

    fn sync(&self) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.sync().await })
    }

    /// Removes what ended `age` seconds ago or belongs to nothing.
    fn gc(&self, age: f64, dry_run: bool) -> Pending {
        let core = self.0.clone();
        Pending::new(async move { core.gc(seconds("age", Some(age))?.unwrap_or_default(), dry_run).await })
    }

    /// The bytes behind a URL that the artifact store's crate understands (`s3://…`).
    #[staticmethod]
    fn read_url(url: String) -> Pending {
        Pending::bytes(async move {
            let (folder, file) = url.rsplit_once('/').ok_or_else(|| Error::invalid("url", &url, format!("{url:?} is no URL of a file"), "use s3://bucket/path/file"))?;
            let bytes = crate::store::artifacts::Artifacts::open(folder)?.get(file).await?;
            bytes.ok_or_else(|| Error::not_found("url", &url, format!("there is nothing at {url}"), "check the bucket and the path"))
        })
    }

    /// The digest of a JSON value in canonical form.
    #[staticmethod]
    fn digest(value: &Bound<'_, PyAny>) -> PyResult<String> {
        let value: Value = depythonize(value)?;
        Ok(Digest::of_json(&value).as_str().to_owned())
    }
}

fn seconds(field: &str, value: Option<f64>) -> crate::error::Result<Option<Duration>> {
    value
        .map(|value| {
            Duration::try_from_secs_f64(value)
                .map_err(|_| Error::invalid(field, value, format!("{field}={value} is not a number of seconds"), "give a number of seconds, 0 or more"))
        })
        .transpose()
}

fn entity_type(text: &str) -> crate::error::Result<KeyType> {
    serde_json::from_value(text.into()).map_err(|_| Error::invalid("type", text, format!("there is no entity type {text:?}"), "use artifact, dataitem or model"))
}
