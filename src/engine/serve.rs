//! The verbs of services: ask, scale, update.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::backend::{Answer, Backend, Call};
use crate::error::{Error, Result};
use crate::model::run::{Run, Transition};
use crate::model::time;

/// How the history says that another version is served.
pub const UPDATED: &str = "serves version ";

impl Engine {
    /// Asks a service through the place where it executes.
    pub async fn invoke(self: &Arc<Self>, text: &str, call: Call, timeout: Option<Duration>) -> Result<Answer> {
        let (backend, run) = self.service(text).await?;
        let answer = backend.invoke(&run, call);
        match timeout {
            None => answer.await,
            Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| {
                Error::backend(
                    format!("the service {} (run {}) did not answer within {} s", run.function, run.id, limit.as_secs_f64()),
                    "give it more time with timeout=, or look at its log",
                )
            })?,
        }
    }

    /// Has so many replicas of a service from now on.
    pub async fn scale(self: &Arc<Self>, text: &str, replicas: u32) -> Result<Run> {
        let (backend, run) = self.service(text).await?;
        if let Some(autoscale) = run.spec.task()?.autoscale {
            return Err(Error::conflict(
                format!("how many of the service {} (run {}) there are follows its use: {} to {} (autoscale)", run.function, run.id, autoscale.min, autoscale.max),
                "stop() it, then start it with other bounds: run.reproduce(autoscale={\"min\": …, \"max\": …})",
            ));
        }
        backend.scale(&run, replicas).await?;
        let run = self
            .store
            .update_run(run.id, |run| {
                if let Some(service) = &mut run.service {
                    service.replicas = replicas;
                }
                run.updated = time::now();
                Ok(true)
            })
            .await?;
        drop(self.follow(&run));
        Ok(run)
    }

    /// Serves another version of the same function; None: the newest.
    pub async fn update_service(self: &Arc<Self>, text: &str, version: Option<&str>) -> Result<Run> {
        let (backend, mut run) = self.service(text).await?;
        let function = self.function(run.project.as_str(), run.function.as_str(), version).await?;
        if function.version == run.version {
            return Ok(run);
        }
        run.version = function.version.clone();
        let (loads, lowered, luggage) = self.parcel_again(backend.as_ref(), Arc::new(function), vec![run]).await?;
        backend.update(&loads, &lowered, luggage).await?;
        let new = loads.into_iter().next().map(|load| load.run).ok_or_else(|| Error::backend("an update gave no run", "this is a fault of Runwright; please report it"))?;
        self.store
            .update_run(new.id, |run| {
                let message = format!("{UPDATED}{} from now on", new.version.short());
                run.history.push(Transition { state: run.state, time: time::now(), message: Some(message) });
                run.version = new.version.clone();
                run.updated = time::now();
                if let Some(service) = &mut run.service {
                    // Until the place says that the new ones answer.
                    service.ready = 0;
                    service.failure = None;
                }
                Ok(true)
            })
            .await
    }

    /// A service that goes on, and its place.
    async fn service(self: &Arc<Self>, text: &str) -> Result<(Arc<dyn Backend>, Run)> {
        let run = self.run(text).await?;
        if run.service.is_none() {
            return Err(Error::invalid("run", &run.key, format!("run {} of {} is no service", run.id, run.function), "start one with action=\"serve\" or action=\"deploy\""));
        }
        if run.state.is_final() {
            return Err(Error::conflict(format!("the service {} (run {}) is {}", run.function, run.id, run.state), "start it again"));
        }
        Ok((self.backend(run.backend.as_str())?.clone(), run))
    }
}
