//! The runs that there are.

use std::sync::Arc;
use std::time::Duration;

use super::super::text;
use super::Check;
use crate::engine::Engine;
use crate::error::Result;
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;
use crate::store::RunFilter;

/// A run that waits longer than this is worth a look.
const LONG_WAIT: Duration = Duration::from_hours(1);
/// Folders of runs that ended this long ago can go.
const OLD: Duration = Duration::from_hours(7 * 24);

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

pub(super) async fn open(engine: &Arc<Engine>) -> Result<Vec<Run>> {
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
