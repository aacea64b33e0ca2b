//! A run from end to end, and the runs that there are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::text;
use super::Check;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;
use crate::store::RunFilter;

/// How long the trial run may take. It prints a line and returns.
const TRIAL: Duration = Duration::from_mins(1);
/// A run that waits longer than this is worth a look.
const LONG_WAIT: Duration = Duration::from_hours(1);
/// Folders of runs that ended this long ago can go.
const OLD: Duration = Duration::from_hours(7 * 24);

const NAME: &str = "runner";
/// Projects of trials are called this, followed by a UUID.
const PROJECT: &str = "doctor-";
const CODE: &str = "def trial():\n    print('it prints')\n    return 'it returns'\n";

/// A trivial run in a project of its own, which is deleted afterwards.
pub async fn run(engine: &Arc<Engine>) -> Check {
    forget_interrupted(engine).await;
    let project = format!("{PROJECT}{}", uuid::Uuid::now_v7().simple());
    let began = Instant::now();
    let tried = attempt(engine, &project).await;
    let seconds = began.elapsed().as_secs_f64();
    let check = match tried {
        Ok(run) if run.state == State::Completed => check_completed(engine, &run, seconds).await,
        Ok(run) if !run.state.is_final() => going(engine, &run).await,
        Ok(run) => {
            let failure = run.error.unwrap_or_default();
            Check::fail(
                NAME,
                format!("a trial run ended as {}: {}: {}", run.state, failure.cause, failure.message),
                failure.cure.unwrap_or_else(|| "this Python cannot execute runs; `runwright run` a file to see more".into()),
            )
        }
        Err(error) => Check::error(NAME, &error),
    };
    match engine.delete_project(&project).await {
        Err(error) if check.status != super::Status::Fail && !matches!(error, Error::NotFound(_)) => Check::error(NAME, &error),
        _ => check,
    }
}

/// Deletes the projects of trials that Ctrl-C ended, once they cannot be under way any more.
async fn forget_interrupted(engine: &Arc<Engine>) {
    let now = time::now();
    for project in engine.store.projects().await.unwrap_or_default() {
        let is_trial = project.name.as_str().strip_prefix(PROJECT).is_some_and(|id| uuid::Uuid::try_parse(id).is_ok());
        if is_trial && Duration::try_from(now.duration_since(project.created)).is_ok_and(|age| age > TRIAL * 10) {
            // One that cannot go now goes another time; what is wrong then shows in the trial itself.
            let _ = engine.delete_project(project.name.as_str()).await;
        }
    }
}

async fn attempt(engine: &Arc<Engine>, project: &str) -> Result<Run> {
    engine.get_or_create_project(project).await?;
    let source = json!({"origin": "text", "uri": null, "commit": null, "handler": "trial:trial", "files": {"trial.py": CODE}, "binary": {}});
    let definition = parsed(json!({"project": project, "name": "trial", "kind": "python", "spec": {"source": source, "signature": []}}))?;
    engine.define(definition).await?;
    let run = engine.submit(parsed(json!({"project": project, "function": "trial"}))?).await?;
    let run = engine.wait(run.id, Some(TRIAL)).await?;
    if run.state.is_final() {
        return Ok(run);
    }
    engine.stop(&run.id.to_string()).await?;
    // As it was when time ran out: that is what is told.
    Ok(run)
}

/// It completed; did its result and its log arrive?
async fn check_completed(engine: &Arc<Engine>, run: &Run, seconds: f64) -> Check {
    let printed = engine.log(run.id, 0, false).await.is_ok_and(|piece| piece.lines.iter().any(|line| line.message == "it prints"));
    if printed && run.results.values().any(|value| value == "it returns") {
        return Check::ok(NAME, format!("a trial run was recorded, executed and finished in {}", text::took(seconds)));
    }
    Check::fail(NAME, "a trial run completed, but its log or its result did not arrive", "this is a fault of Runwright; please report it")
}

/// It did not end in time: it waits behind others, or hangs.
async fn going(engine: &Arc<Engine>, run: &Run) -> Check {
    let open = open(engine).await.unwrap_or_default();
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

/// Runs that have not ended, after a look at what executes them.
pub async fn open_runs(engine: &Arc<Engine>) -> Check {
    let open = match open(engine).await {
        Ok(open) => open,
        Err(error) => return Check::error("runs", &error),
    };
    let running = open.iter().filter(|run| run.state == State::Running).count();
    let message = format!("{running} running, {} waiting", open.len() - running);
    let now = time::now();
    let stuck = open.iter().filter(|run| run.state != State::Running && Duration::try_from(now.duration_since(run.updated)).is_ok_and(|waits| waits > LONG_WAIT));
    match stuck.min_by_key(|run| run.id) {
        Some(run) => Check::warn(
            "runs",
            format!("{message}; {} waits since {}", run.id, text::ago(run.updated, now)),
            format!("`runwright run show {}` says what for; `runwright run stop` ends it", run.id),
        ),
        None => Check::ok("runs", message),
    }
}

async fn open(engine: &Arc<Engine>) -> Result<Vec<Run>> {
    engine.runs(&RunFilter { open: true, ..RunFilter::default() }).await
}

/// What `gc` would remove.
pub async fn left_overs(engine: &Arc<Engine>) -> Check {
    match engine.gc(OLD, true).await {
        Ok(found) if found.runs.is_empty() && found.paths.is_empty() => Check::ok("left-over", "nothing to remove"),
        Ok(found) => Check::ok("left-over", format!("`runwright gc` would remove the folders of {} runs and {} other paths", found.runs.len(), found.paths.len())),
        Err(error) => Check::error("left-over", &error),
    }
}

/// A request that is written down here cannot be wrong; if it is, that is told all the same.
fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Error::backend(format!("the trial run cannot be described: {error}"), "this is a fault of Runwright; please report it"))
}
