//! Stop and delete.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::error::{Error, Result};
use crate::model::run::Run;

/// How long it may take beyond the run's own grace until its end is written and seen.
const WRITING: f64 = 30.0;

impl Engine {
    /// Stops a run: TERM, and KILL after its grace. Gives the record when it has ended. A run that has ended already stays as it is.
    pub async fn stop(self: &Arc<Self>, text: &str) -> Result<Run> {
        let run = self.run(text).await?;
        if run.state.is_final() {
            return Ok(run);
        }
        if Self::is_inline(&run) {
            return Err(Error::conflict(
                format!("run {} runs inline, in the process of its caller", run.id),
                "interrupt that process (Ctrl-C); runs without inline=True can be stopped from anywhere",
            ));
        }
        let backend = self.backend(run.backend.as_str())?;
        if !backend.reaches(&run) {
            let place = |field: &str| run.reference.get(field).and_then(serde_json::Value::as_str);
            let (place, cure) = match (place("namespace"), place("context")) {
                (Some(namespace), context) => {
                    let context = context.unwrap_or("the cluster that its client was in");
                    (format!("in namespace {namespace} of {context}"), format!("have the context {context} in your kubeconfig; then runwright run stop {}", run.id))
                }
                _ => (format!("on {}", place("host").unwrap_or("another machine")), format!("stop it there: runwright run stop {}", run.id)),
            };
            return Err(Error::conflict(format!("run {} executes {place}", run.id), cure));
        }
        backend.stop(&run).await?;
        let run = self.wait_for_end(run.id, Some(Duration::from_secs_f64(run.spec.grace + WRITING))).await?;
        if run.state.is_final() {
            return Ok(run);
        }
        Err(Error::backend(
            format!("run {} was told to stop, but goes on after {:.0} s", run.id, run.spec.grace + WRITING),
            "look at its log; the process may hang in the kernel (a dead network disk)",
        ))
    }

    /// Deletes a run's record, folder and log; what it made stays. Refused while it goes on.
    pub async fn delete_run(&self, text: &str) -> Result<()> {
        let run = self.run(text).await?;
        if !run.state.is_final() {
            return Err(Error::conflict(format!("run {} is {}", run.id, run.state), "stop it first, or wait for it"));
        }
        if let Some(reader) = self.needed().await?.get(&run.id) {
            return Err(Error::conflict(format!("run {} is read by {reader}, which has not ended", run.id), "stop that one first, or wait for it"));
        }
        if let Ok(backend) = self.backend(run.backend.as_str())
            && backend.reaches(&run)
        {
            backend.remove(&run).await?;
        }
        if run.log.is_some() {
            for log in super::finish::log_paths(&run) {
                self.artifacts.delete(&log).await?;
            }
        }
        self.store.delete_run(run.id).await.map(drop)
    }
}
