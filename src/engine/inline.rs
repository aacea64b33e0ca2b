//! Inline runs: executed by the caller, in its own process, tracked by two writes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::Engine;
use super::record::{Request, cache_key};
use crate::error::{Error, Result};
use crate::model::event::{End, Event, fold};
use crate::model::function::Function;
use crate::model::plan::Plan;
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;
use crate::model::workload::Process;

/// The name under which inline runs stand in records.
pub const INLINE: &str = "inline";

/// What the caller needs to execute an inline run.
pub struct Begun {
    pub run: Run,
    /// The inputs, resolved.
    pub inputs: Map<String, Value>,
    /// The values of its secrets.
    pub secrets: BTreeMap<String, String>,
    /// The declared outputs.
    pub outputs: Option<Vec<String>>,
    /// It was found among the finished runs: there is nothing to execute.
    pub cached: bool,
}

impl Engine {
    /// Records an inline run as RUNNING.
    pub async fn begin_inline(&self, request: Request) -> Result<Begun> {
        let project = self.project_or_default(&request.project).await?;
        let function = self.function(&request.project, &request.function, request.version.as_deref()).await?;
        self.begin_inline_of(&project, &function, request).await
    }

    /// The same, of a function at hand.
    pub async fn begin_inline_of(&self, project: &crate::model::project::Project, function: &Function, request: Request) -> Result<Begun> {
        let cache = request.cache;
        let mut run = self.record(project, function, request, INLINE)?;
        let inputs = self.resolve_inputs(function, &mut run).await?;
        let plan = self.runtimes.get(function.kind.as_str())?.translate(function, run.action.as_str(), &run.spec)?;
        let Plan::Task(workload) = plan else {
            return Err(Error::invalid("inline", &run.action, format!("{}: only tasks run inline", run.action), "leave inline=True out"));
        };
        let Process::Call(call) = workload.process else {
            return Err(Error::invalid("inline", &run.kind, format!("a {} function is not Python: it cannot run inline", run.kind), "leave inline=True out"));
        };
        if cache {
            run.cache_key = Some(cache_key(&run, &inputs));
            if let Some(run) = self.cached(&run).await? {
                return Ok(Begun { run, inputs, secrets: BTreeMap::new(), outputs: call.outputs, cached: true });
            }
        }
        let secrets = super::secrets::values(&run)?;
        run.reference.insert("host".into(), self.provenance.host.clone().into());
        run.reference.insert("home".into(), self.home.display().to_string().into());
        run.attempts = 1;
        run.transition(State::Running, time::now(), None)?;
        self.clients.announce()?;
        self.store.insert_runs(std::slice::from_ref(&run)).await?;
        Ok(Begun { run, inputs, secrets, outputs: call.outputs, cached: false })
    }

    /// Ends an inline run. `folder` is where its outputs were written.
    pub async fn finish_inline(&self, mut run: Run, events: Vec<Event>, end: Value, folder: &Path) -> Result<Run> {
        let end: End = serde_json::from_value(end)
            .map_err(|error| Error::backend(format!("the end of an inline run cannot be read: {error}"), "this is a fault of Runwright; please report it"))?;
        for event in &events {
            if let Event::Entity { entity, .. } = event {
                self.take_logged(&run, entity, folder).await?;
            }
        }
        run.outputs = self.take_outputs(&run, &end.outputs, folder).await?;
        for event in events {
            fold(&mut run, event)?;
        }
        fold(&mut run, Event::End(Box::new(end)))?;
        if self.store.write_first_revision(&run).await? {
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
