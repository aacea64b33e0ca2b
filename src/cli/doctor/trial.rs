//! A trivial run from end to end, here or elsewhere, in a project of its own that is deleted afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::run::timeline;
use super::super::{Place, text};
use super::{Check, LOCAL, Status, runs};
use crate::engine::Engine;
use crate::engine::record::Request;
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;

/// How long the trial run may take here. It prints a line and returns.
const TRIAL: Duration = Duration::from_mins(1);
/// And where an image may have to be fetched first.
const TRIAL_AFAR: Duration = Duration::from_mins(5);

const NAME: &str = "runner";
/// Projects of trials are called this, followed by a UUID.
const PROJECT: &str = "doctor-";
const CODE: &str = "def trial():\n    print('it prints')\n    return 'it returns'\n";

/// A run on this machine.
pub async fn here(engine: &Arc<Engine>) -> Check {
    let trial = Trial::begin(engine, &Place { on: LOCAL.into(), place: serde_json::Map::new() }).await;
    let tried = Box::pin(trial.carry_out(TRIAL)).await;
    let check = match tried {
        Ok(run) if run.state == State::Completed && came_back(engine, &run).await => {
            Check::ok(NAME, format!("a trial run was recorded, executed and finished in {}", text::took(trial.began.elapsed().as_secs_f64())))
        }
        Ok(run) if !run.state.is_final() => going(engine, &run).await,
        Ok(run) => ended_wrongly(run, "this Python cannot execute runs; `runwright run` a file to see more"),
        Err(error) => Check::error(NAME, &error),
    };
    trial.end(check).await
}

/// What a run would make elsewhere, checked by the place itself; nothing is made.
pub async fn rehearse(engine: &Arc<Engine>, place: &Place) -> Check {
    let trial = Trial::begin(engine, place).await;
    let tried = match trial.request().await {
        Ok(request) => engine.rehearse(vec![request]).await,
        Err(error) => Err(error),
    };
    let check = match tried {
        Ok(_) => Check::ok("trial", "a run was rehearsed: the API server would take it"),
        Err(error) => Check::error("trial", &error),
    };
    trial.end(check).await
}

/// A run there, and how long each step of it took.
pub async fn run(engine: &Arc<Engine>, place: &Place) -> Check {
    let trial = Trial::begin(engine, place).await;
    let tried = Box::pin(trial.carry_out(TRIAL_AFAR)).await;
    let check = match tried {
        Ok(run) if run.state == State::Completed && came_back(engine, &run).await => {
            let phases: Vec<String> = timeline::phases(&run).into_iter().map(|(name, seconds)| format!("{name} {}", text::took(seconds))).collect();
            Check::ok(NAME, format!("a trial run took {}: {}", text::took(trial.began.elapsed().as_secs_f64()), phases.join(", ")))
        }
        Ok(run) if !run.state.is_final() => waited(&run),
        Ok(run) => ended_wrongly(run, "see what it says"),
        Err(error) => Check::error(NAME, &error),
    };
    trial.end(check).await
}

/// A project that is there only for a trial.
struct Trial {
    engine: Arc<Engine>,
    place: Place,
    project: String,
    began: Instant,
}

impl Trial {
    async fn begin(engine: &Arc<Engine>, place: &Place) -> Self {
        forget_interrupted(engine).await;
        Self { engine: engine.clone(), place: place.clone(), project: format!("{PROJECT}{}", uuid::Uuid::now_v7().simple()), began: Instant::now() }
    }

    async fn request(&self) -> Result<Request> {
        self.engine.get_or_create_project(&self.project).await?;
        let source = json!({"origin": "text", "uri": null, "commit": null, "handler": "trial:trial", "files": {"trial.py": CODE}, "binary": {}});
        let definition = parsed(json!({"project": self.project, "name": "trial", "kind": "python", "spec": {"source": source, "signature": []}}))?;
        self.engine.define(definition).await?;
        parsed(json!({"project": self.project, "function": "trial", "on": self.place.on, "place": self.place.place}))
    }

    /// Runs it, for so long at most. The record is then as it was when time ran out: that is what is told.
    async fn carry_out(&self, patience: Duration) -> Result<Run> {
        let run = self.engine.submit(self.request().await?).await?;
        let run = self.engine.wait(run.id, Some(patience)).await?;
        if !run.state.is_final() {
            self.engine.stop(&run.id.to_string()).await?;
        }
        Ok(run)
    }

    /// Deletes the project. Gives what came of the trial.
    async fn end(self, check: Check) -> Check {
        match self.engine.delete_project(&self.project).await {
            Err(error) if check.status != Status::Fail && !matches!(error, Error::NotFound(_)) => Check::error(check.name, &error),
            _ => check,
        }
    }
}

/// Deletes the projects of trials that Ctrl-C ended, once they cannot be under way any more.
async fn forget_interrupted(engine: &Arc<Engine>) {
    let now = time::now();
    for project in engine.store.projects().await.unwrap_or_default() {
        let is_trial = project.name.as_str().strip_prefix(PROJECT).is_some_and(|id| uuid::Uuid::try_parse(id).is_ok());
        if is_trial && Duration::try_from(now.duration_since(project.created)).is_ok_and(|age| age > TRIAL_AFAR * 2) {
            // One that cannot go now goes another time; what is wrong then shows in the trial itself.
            let _ = engine.delete_project(project.name.as_str()).await;
        }
    }
}

/// Whether its result and its log arrived.
async fn came_back(engine: &Arc<Engine>, run: &Run) -> bool {
    let printed = engine.log(run.id, 0, false).await.is_ok_and(|piece| piece.lines.iter().any(|line| line.message == "it prints"));
    printed && run.results.values().any(|value| value == "it returns")
}

fn ended_wrongly(run: Run, cure: &str) -> Check {
    if run.state == State::Completed {
        return Check::fail(NAME, "a trial run completed, but its log or its result did not arrive", "this is a fault of Runwright; please report it");
    }
    let failure = run.error.unwrap_or_default();
    Check::fail(NAME, format!("a trial run ended as {}: {}: {}", run.state, failure.cause, failure.message), failure.cure.unwrap_or_else(|| cure.into()))
}

/// It did not end in time: it waits behind others, or hangs.
async fn going(engine: &Arc<Engine>, run: &Run) -> Check {
    let open = runs::open(engine).await.unwrap_or_default();
    let others = open.iter().filter(|other| other.state == State::Running).count();
    if run.state != State::Running && others > 0 {
        return Check::warn(
            NAME,
            format!("a trial run waited {} behind {others} others and was stopped", text::took(TRIAL.as_secs_f64())),
            "try again when they have ended, or raise RUNWRIGHT_CONCURRENCY",
        );
    }
    Check::fail(
        NAME,
        format!("a trial run was still {} after {} and was stopped", run.state, text::took(TRIAL.as_secs_f64())),
        "look whether processes can be started here, and at the load of this machine",
    )
}

/// The same elsewhere, with what was found to be in its way.
fn waited(run: &Run) -> Check {
    let why = run.history.iter().rev().find_map(|step| step.message.as_ref()).map(|message| format!(": {message}")).unwrap_or_default();
    let message = format!("a trial run was still {} after {} and was stopped{why}", run.state, text::took(TRIAL_AFAR.as_secs_f64()));
    Check::fail(NAME, message, "look at its pod next time: kubectl get pods, kubectl describe pod")
}

/// A request that is written down here cannot be wrong; if it is, that is told all the same.
fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Error::backend(format!("the trial run cannot be described: {error}"), "this is a fault of Runwright; please report it"))
}
