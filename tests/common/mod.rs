//! An engine for tests, and a place to run where nothing runs: what it reports is what the test tells it to.

#![allow(clippy::expect_used, dead_code)] // It is a test; not every one uses all of it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runwright::backend::local::Settings;
use runwright::backend::{Backend, Load, Luggage, News, kubernetes};
use runwright::engine::define::Definition;
use runwright::engine::record::Request;
use runwright::engine::{Configuration, Engine};
use runwright::error::{Error, Result};
use runwright::model::event::Event;
use runwright::model::function::Function;
use runwright::model::name::{Name, RunId};
use runwright::model::plan::Plan;
use runwright::model::run::Run;
use serde_json::{Map, Value, json};
use tokio::sync::Barrier;

/// A backend that says what it is told to say.
pub struct Fake {
    pub folder: PathBuf,
    pub events: Mutex<Vec<Event>>,
    /// Who asks for news has them when this many do.
    pub together: Mutex<Option<Arc<Barrier>>>,
    /// The next who asks has the news as they were before this while.
    pub slow: Mutex<Option<Duration>>,
    /// How long every look takes.
    pub delay: Mutex<Duration>,
    pub looks: Mutex<usize>,
    pub discovered: Mutex<Vec<Run>>,
}

impl Fake {
    pub fn new(folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            events: Mutex::default(),
            together: Mutex::default(),
            slow: Mutex::default(),
            delay: Mutex::default(),
            looks: Mutex::default(),
            discovered: Mutex::default(),
        })
    }

    /// Reports an event, as the runner's JSON.
    pub fn report(&self, event: Value) {
        self.events.lock().expect("events").push(serde_json::from_value(event).expect("an event"));
    }

    /// Reports the end.
    pub fn end(&self, end: Value) {
        let end = serde_json::from_value(end).expect("an end");
        self.events.lock().expect("events").push(Event::End(Box::new(end)));
    }
}

#[async_trait]
impl Backend for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn lower(&self, _: &Function, loads: &[Load]) -> Result<Value> {
        Ok(json!({"record": loads[0].run, "inputs": loads[0].inputs}))
    }
    fn reference(&self, _: &Run, _: &Plan, _: &Map<String, Value>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }
    async fn execute(&self, _: &Function, loads: &[Load], _: &Value, _: Luggage) -> Result<()> {
        self.discovered.lock().expect("runs").push(loads[0].run.clone());
        Ok(())
    }
    fn abandon(&self, _: &Run, _: &Error) {}
    fn reaches(&self, _: &Run) -> bool {
        true
    }
    async fn news(&self, run: &Run) -> Result<News> {
        *self.looks.lock().expect("looks") += 1;
        let all = self.events.lock().expect("events").clone();
        let from = usize::try_from(run.folded).expect("a number");
        let news = News { events: all[from.min(all.len())..].to_vec(), folded: all.len() as u64, more: false };
        let delay = *self.delay.lock().expect("delay");
        tokio::time::sleep(delay).await;
        let slow = self.slow.lock().expect("slow").take();
        if let Some(slow) = slow {
            tokio::time::sleep(slow).await;
        }
        let together = self.together.lock().expect("together").clone();
        if let Some(together) = together {
            together.wait().await;
        }
        Ok(news)
    }
    fn follow(&self, _: &Run) {}
    async fn changed(&self, _: RunId) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fn forget(&self, _: RunId) {}
    async fn stop(&self, _: &Run) -> Result<()> {
        Ok(())
    }
    async fn log(&self, _: &Run, from: u64) -> Result<(Vec<u8>, u64)> {
        Ok((Vec::new(), from))
    }
    fn outputs(&self, _: &Run) -> PathBuf {
        self.folder.clone()
    }
    async fn discover(&self) -> Result<Vec<RunId>> {
        Ok(self.discovered.lock().expect("runs").iter().map(|run| run.id).collect())
    }
    async fn find(&self, id: RunId) -> Result<Option<Run>> {
        Ok(self.discovered.lock().expect("runs").iter().find(|run| run.id == id).cloned())
    }
    async fn version(&self, _: &Run) -> Option<Function> {
        None
    }
    fn remove_project(&self, _: &Name) -> Result<()> {
        Ok(())
    }
    async fn remove(&self, run: &Run) -> Result<()> {
        self.discovered.lock().expect("runs").retain(|known| known.id != run.id);
        Ok(())
    }
    async fn sweep(&self, _: &HashSet<RunId>, _: bool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn kick(&self) -> Result<()> {
        Ok(())
    }
    fn staging(&self) -> &Path {
        &self.folder
    }
}

/// A client of the store in `home`.
pub async fn engine(home: &Path, others: Vec<Arc<dyn Backend>>) -> Arc<Engine> {
    let runner = Box::new(|| Err(Error::backend("there is no runner here", "it is a test")));
    let local = Settings { python: "python3".into(), runner, concurrency: 1 };
    Engine::open(Configuration {
        home: home.to_owned(),
        store: None,
        artifacts: None,
        url_lifetime: None,
        local,
        kubernetes: no_cluster(),
        profiles: Map::new(),
        others,
        session: Map::new(),
    })
    .await
    .expect("an engine")
}

/// For tests that have to do with no cluster.
pub fn no_cluster() -> kubernetes::Settings {
    kubernetes::Settings { image: "none".into(), runner: Box::new(|| Err(Error::backend("there is no runner here", "it is a test"))) }
}

/// A function `f` without parameters that are known.
pub async fn define(engine: &Engine) -> Function {
    let spec = json!({"source": {"handler": "functions:f", "files": {"functions.py": "def f(): ..."}}}).as_object().expect("an object").clone();
    let definition = Definition { project: "default".into(), name: "f".into(), kind: "python".into(), spec, description: String::new(), labels: Vec::new() };
    engine.define(definition).await.expect("a function")
}

/// What asks for a run of it, with more fields.
pub fn request(more: &Value) -> Request {
    let mut request = json!({"project": "default", "function": "f", "on": "fake"});
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    serde_json::from_value(request).expect("a request")
}

/// A record that was not submitted.
pub async fn record(engine: &Engine) -> Run {
    let function = define(engine).await;
    let id = RunId::new();
    let now = "2026-01-01T00:00:00Z";
    serde_json::from_value(json!({
        "id": id, "key": format!("store://default/run/python/{id}"), "project": "default", "function": "f", "kind": "python", "version": function.version,
        "action": "job", "spec": {}, "backend": "fake", "client": "nobody", "state": "CREATED", "history": [{"state": "CREATED", "time": now}], "created": now, "updated": now
    }))
    .expect("a record")
}
