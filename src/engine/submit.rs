//! The whole way of a run.

use std::collections::HashMap;
use std::sync::Arc;

use super::Engine;
use super::record::{Request, cache_key};
use crate::backend::{Backend, Luggage};
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::function::Function;
use crate::model::project::Project;
use crate::model::run::Run;
use crate::store::RunFilter;

/// A run that is ready to be handed over; nothing of it exists yet.
struct Prepared {
    function: Arc<Function>,
    run: Run,
    lowered: serde_json::Value,
    luggage: Luggage,
}

impl Engine {
    /// Submits one run and returns at once.
    pub async fn submit(self: &Arc<Self>, request: Request) -> Result<Run> {
        let run = self.submit_all(vec![request]).await?.pop();
        run.ok_or_else(|| Error::backend("a submission gave no run", "this is a fault of Runwright; please report it"))
    }

    /// Submits runs of one place together: either all are recorded or none. Gives them in the order of the requests.
    pub async fn submit_all(self: &Arc<Self>, requests: Vec<Request>) -> Result<Vec<Run>> {
        let Some(on) = requests.first().map(|request| request.on.clone()) else { return Ok(Vec::new()) };
        let backend = self.backend(&on)?.clone();
        let mut runs: Vec<Run> = Vec::with_capacity(requests.len());
        let mut prepared: Vec<Prepared> = Vec::with_capacity(requests.len());
        let mut functions = HashMap::new();
        self.provenance.refresh().await;
        for (index, request) in requests.into_iter().enumerate() {
            let of_many = request.map.is_some();
            let ready = self.prepare(backend.as_ref(), request, &mut functions).await;
            match ready.map_err(|error| if of_many { error.of_item(index) } else { error })? {
                Found::Cached(run) => runs.push(*run),
                Found::New(new) => {
                    runs.push(new.run.clone());
                    prepared.push(*new);
                }
            }
        }
        // Step 2, record: before anything else happens.
        self.clients.announce()?;
        let records: Vec<Run> = prepared.iter().map(|prepared| prepared.run.clone()).collect();
        self.store.insert_runs(&records).await?;
        let mut failed = None;
        for Prepared { function, run, lowered, luggage } in prepared {
            // Step 5, execute. What follows one that could not be handed over is not: the caller gets an error and would start all of them again.
            let outcome = match failed.take() {
                None => backend.execute(&function, &run, &lowered, luggage).await,
                Some(error) => {
                    backend.abandon(&run, &error);
                    Err(error)
                }
            };
            match outcome {
                // Steps 6 and 7, observe and finish.
                Ok(()) => drop(self.follow(&run)),
                Err(error) => {
                    self.fail(&run, &error).await;
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(runs), Err)
    }

    /// Steps 1 to 4: everything that can be wrong is found here, before anything is created.
    async fn prepare(&self, backend: &dyn Backend, mut request: Request, functions: &mut Functions) -> Result<Found> {
        let key = (request.project.clone(), request.function.clone(), request.version.clone());
        let (project, function) = if let Some(found) = functions.get(&key) {
            found.clone()
        } else {
            let project = Arc::new(self.project_or_default(&request.project).await?);
            // Step 1, define, has made the version.
            let function = self.known_function(&request.project, &request.function, request.version.as_deref()).await?;
            functions.insert(key, (project.clone(), function.clone()));
            (project, function)
        };
        let (cache, staging) = (request.cache, request.staging.take());
        let mut run = self.record(&project, &function, request, backend.name())?;
        run.reference = backend.reference(&run);
        let inputs = self.resolve_inputs(&function, &mut run).await?;
        if cache {
            run.cache_key = Some(cache_key(&run, &inputs));
            if let Some(found) = self.cached(&run).await? {
                return Ok(Found::Cached(Box::new(found)));
            }
        }
        // Steps 3 and 4, translate and lower: pure.
        let plan = self.runtimes.get(function.kind.as_str())?.translate(&function, run.action.as_str(), &run.spec)?;
        let lowered = backend.lower(&function, &run, &plan, &inputs)?;
        let luggage = Luggage { secrets: super::secrets::values(&run)?, staging };
        Ok(Found::New(Box::new(Prepared { function, run, lowered, luggage })))
    }

    /// The newest completed run of the same version, parameters and inputs.
    pub(super) async fn cached(&self, run: &Run) -> Result<Option<Run>> {
        let filter = RunFilter {
            project: Some(run.project.clone()),
            cache_key: run.cache_key.clone(),
            state: Some(crate::model::state::State::Completed),
            limit: Some(1),
            ..RunFilter::default()
        };
        Ok(self.store.runs(&filter).await?.pop())
    }

    /// Records that a run could not be handed over. Best effort (the store may be on the same full disk): the next look at the run records it.
    async fn fail(&self, run: &Run, error: &Error) {
        let end = End::not_started(error);
        let _ = self.store.update_run(run.id, |run| crate::model::event::fold(run, Event::End(Box::new(end.clone()))).map(|()| true)).await;
    }
}

type Functions = HashMap<(String, String, Option<String>), (Arc<Project>, Arc<Function>)>;

enum Found {
    Cached(Box<Run>),
    New(Box<Prepared>),
}
