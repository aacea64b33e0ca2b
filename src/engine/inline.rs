//! Inline runs: executed by the caller, in its own process, tracked by two writes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use super::Engine;
use super::record::{Request, cache_key};
use crate::error::{Error, Result};
use crate::model::event::{End, Event, fold};
use crate::model::name::{Name, RunId};
use crate::model::plan::Plan;
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;
use crate::model::workload::Process;

/// The name under which inline runs stand in records.
pub const INLINE: &str = "inline";

/// The inline runs of this process that have begun and not ended, by which their end needs no look into the store.
#[derive(Default)]
pub struct Begun(Mutex<HashMap<RunId, Run>>);

/// What became of a request.
pub enum Inline {
    /// It was found among the finished runs: there is nothing to execute.
    Cached(Box<Run>),
    /// What the caller needs to execute it.
    ToExecute(Task),
}

/// An inline run, as its caller executes it.
#[derive(serde::Serialize)]
pub struct Task {
    pub key: String,
    pub action: Name,
    pub parameters: Map<String, Value>,
    /// The inputs, resolved.
    pub inputs: Map<String, Value>,
    pub envs: BTreeMap<String, String>,
    /// The values of its secrets.
    pub secrets: BTreeMap<String, String>,
    /// The declared outputs.
    pub outputs: Option<Vec<String>>,
}

impl Engine {
    /// Records an inline run as RUNNING.
    pub async fn begin_inline(&self, request: Request) -> Result<Inline> {
        let project = self.project_or_default(&request.project).await?;
        let function = self.known_function(&request.project, &request.function, request.version.as_deref()).await?;
        let cache = request.cache;
        self.provenance.refresh().await;
        let mut run = self.record(&project, &function, request, INLINE)?;
        let inputs = self.resolve_inputs(self.backend("local")?.as_ref(), &function, &mut run).await?;
        let plan = self.runtimes.get(function.kind.as_str())?.translate(&function, run.action.as_str(), &run.spec)?;
        let Plan::Task(workload) = plan else {
            return Err(Error::invalid("inline", &run.action, format!("{}: only tasks run inline", run.action), "leave inline=True out"));
        };
        let Process::Call(call) = workload.process else {
            return Err(Error::invalid("inline", &run.kind, format!("a {} function is not Python: it cannot run inline", run.kind), "leave inline=True out"));
        };
        if cache {
            run.cache_key = Some(cache_key(&run, &inputs));
            if let Some(run) = self.cached(&run).await? {
                return Ok(Inline::Cached(Box::new(run)));
            }
        }
        let secrets = crate::secrets::values(&run)?;
        run.reference.insert("host".into(), self.provenance.host.clone().into());
        run.reference.insert("home".into(), self.home.display().to_string().into());
        run.attempts = 1;
        run.transition(State::Running, time::now(), None)?;
        self.clients.announce()?;
        self.store.insert_runs(std::slice::from_ref(&run)).await?;
        let task =
            Task { key: run.key.clone(), action: run.action.clone(), parameters: run.spec.parameters.clone(), inputs, envs: run.spec.envs.clone(), secrets, outputs: call.outputs };
        self.inline.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id, run);
        Ok(Inline::ToExecute(task))
    }

    /// Ends an inline run. `folder` is where its outputs were written, `log` what it printed, as in log.jsonl.
    pub async fn finish_inline(&self, id: RunId, mut events: Vec<Event>, end: End, folder: &Path, log: Vec<u8>) -> Result<Run> {
        let begun = self.inline.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let mut run = match begun {
            Some(run) => run,
            // Its caller was interrupted before it had the answer of `begin_inline`.
            None => self.find_run(&id.to_string()).await?,
        };
        if run.state.is_final() {
            return Ok(run);
        }
        events.push(Event::End(Box::new(end)));
        let finished = self.take_entities(&run, &mut events, folder).await?;
        if !log.is_empty() {
            let at = super::finish::log_path(&run);
            self.artifacts.put(&at, log).await?;
            run.log = Some(at);
        }
        for event in events {
            fold(&mut run, event)?;
        }
        finished.note(&mut run);
        if self.store.write_first_revision(&run, &finished.entities).await? {
            return Ok(run);
        }
        // Somebody took it for lost meanwhile.
        self.find_run(&run.id.to_string()).await
    }

    /// The end of an inline run whose process died. None while the process lives, or where that cannot be seen from here.
    pub(super) async fn look_inline(&self, run: &Run) -> Result<Option<Run>> {
        // Others on this machine may share the store: whether their clients live is seen in their home only.
        let is = |field: &str, value: &str| run.reference.get(field).and_then(Value::as_str) == Some(value);
        let here = is("host", &self.provenance.host) && is("home", &self.home.display().to_string());
        if !here || self.clients.is_alive(&run.client) {
            return Ok(None);
        }
        let end = End::found(
            "RunnerLost",
            "the process that ran it inline ended without writing an end",
            "start it again with run.reproduce(), or without inline=True, which survives its client",
            time::now().as_duration().as_secs_f64(),
        );
        self.store.update_run(run.id, |run| if run.state.is_final() { Ok(false) } else { fold(run, Event::End(Box::new(end.clone()))).map(|()| true) }).await.map(Some)
    }

    /// Whether a run is inline.
    pub(super) fn is_inline(run: &Run) -> bool {
        run.backend.as_str() == INLINE
    }
}
