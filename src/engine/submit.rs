//! The whole way of a run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;
use serde_json::{Value, json};

use super::Engine;
use super::record::{Request, cache_key};
use crate::backend::{Backend, Load, Luggage};
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::function::Function;
use crate::model::name::Digest;
use crate::model::plan::Plan;
use crate::model::project::Project;
use crate::model::run::Run;
use crate::model::state::State;
use crate::store::RunFilter;

/// The action that makes an image of a version.
const BUILD: &str = "build";

/// What is handed over at once: a run, or all runs of a fan-out where the backend gathers them. Nothing of it exists yet.
struct Parcel {
    function: Arc<Function>,
    loads: Vec<Load>,
    lowered: Value,
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
        let (runs, parcels) = self.prepare_all(backend.as_ref(), requests).await?;
        // Step 2, record: before anything else happens.
        self.clients.announce()?;
        let records: Vec<Run> = parcels.iter().flat_map(|parcel| parcel.loads.iter().map(|load| load.run.clone())).collect();
        self.store.insert_runs(&records).await?;
        let (backend, failed) = (backend.as_ref(), AtomicBool::new(false));
        let outcomes: Vec<Result<()>> = futures::stream::iter(parcels).map(|parcel| self.hand_over(backend, parcel, &failed)).buffered(backend.parallel()).collect().await;
        outcomes.into_iter().collect::<Result<Vec<()>>>().map(|_| runs)
    }

    /// What a submission would hand over, checked by the place itself. No run is recorded and nothing is left there.
    pub async fn rehearse(self: &Arc<Self>, requests: Vec<Request>) -> Result<Vec<Value>> {
        let Some(on) = requests.first().map(|request| request.on.clone()) else { return Ok(Vec::new()) };
        let backend = self.backend(&on)?.clone();
        let anew = requests.into_iter().map(|request| Request { cache: false, ..request }).collect();
        let (_, parcels) = self.prepare_all(backend.as_ref(), anew).await?;
        let mut manifests = Vec::new();
        for parcel in &parcels {
            manifests.extend(backend.rehearse(&parcel.loads, &parcel.lowered, &parcel.luggage).await?);
        }
        Ok(manifests)
    }

    /// What was handed over of a run, while it is there.
    pub async fn manifest(&self, text: &str) -> Result<Vec<Value>> {
        let run = self.find_run(text).await?;
        let gone = |why: &str| {
            Error::not_found("run", text, format!("what was handed over of run {} is not there: {why}", run.id), "run.reproduce(dry_run=True) shows what it would be now")
        };
        if Self::is_inline(&run) {
            return Err(gone("it ran inline"));
        }
        let manifests = self.backend(run.backend.as_str())?.manifest(&run).await?;
        if manifests.is_empty() { Err(gone("it was removed")) } else { Ok(manifests) }
    }

    /// Steps 1 to 4: everything that can be wrong is found here, before anything is created. Gives all runs, and what is to be handed over.
    async fn prepare_all(&self, backend: &dyn Backend, requests: Vec<Request>) -> Result<(Vec<Run>, Vec<Parcel>)> {
        let mut functions = HashMap::new();
        let mut runs: Vec<Run> = Vec::with_capacity(requests.len());
        let mut gathered: Vec<(Arc<Function>, Vec<Load>)> = Vec::with_capacity(requests.len());
        self.provenance.refresh().await;
        for (index, request) in requests.into_iter().enumerate() {
            let of_many = request.map.is_some();
            let ready = self.prepare(backend, request, &mut functions).await;
            match ready.map_err(|error| if of_many { error.of_item(index) } else { error })? {
                Found::Cached(run) => runs.push(*run),
                Found::New(function, load) => {
                    runs.push(load.run.clone());
                    match gathered.last_mut() {
                        Some((of, loads)) if backend.gathers(&load.plan) && belongs(of, loads, &function, &load) => loads.push(*load),
                        _ => gathered.push((function, vec![*load])),
                    }
                }
            }
        }
        let mut parcels = Vec::with_capacity(gathered.len());
        for (function, loads) in gathered {
            parcels.push(Self::parcel(backend, function, loads).await?);
        }
        Ok((runs, parcels))
    }

    /// Steps 1 to 3 for one run.
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
        let (cache, staging, place) = (request.cache, request.staging.take(), std::mem::take(&mut request.place));
        let mut run = self.record(&project, &function, request, backend.name())?;
        let in_image = backend.uses_images() || self.runtimes.get(function.kind.as_str())?.always_has_image();
        if in_image && run.action.as_str() != BUILD {
            run.spec.built = self.built(&function).await?;
        }
        let inputs = self.resolve_inputs(backend, &function, &mut run).await?;
        if cache {
            run.cache_key = Some(cache_key(&run, &inputs));
            if let Some(found) = self.cached(&run).await? {
                return Ok(Found::Cached(Box::new(found)));
            }
        }
        if run.action.as_str() == BUILD {
            run.cache_key = Some(build_key(&function));
        }
        // Step 3, translate: pure.
        let plan = self.runtimes.get(function.kind.as_str())?.translate(&function, run.action.as_str(), &run.spec)?;
        if let Plan::Build(build) = &plan {
            run.provenance.insert("builder".into(), build.builder.to_string().into());
        }
        run.reference = backend.reference(&run, &plan, &place)?;
        run.service = plan.service(run.spec.task()?.replicas_at_first());
        if let Some(service) = run.service.as_mut().filter(|_| backend.knows_readiness()) {
            service.announces = true;
        }
        Ok(Found::New(function, Box::new(Load::new(run, plan, inputs, staging))))
    }

    /// Steps 3 and 4 again, for runs whose inputs have all come meanwhile.
    pub(super) async fn parcel_again(&self, backend: &dyn Backend, function: Arc<Function>, runs: Vec<Run>) -> Result<(Vec<Load>, Value, Luggage)> {
        let mut loads = Vec::with_capacity(runs.len());
        for mut run in runs {
            let inputs = self.resolve_inputs(backend, &function, &mut run).await?;
            let plan = self.runtimes.get(function.kind.as_str())?.translate(&function, run.action.as_str(), &run.spec)?;
            loads.push(Load::new(run, plan, inputs, None));
        }
        let parcel = Self::parcel(backend, function, loads).await?;
        Ok((parcel.loads, parcel.lowered, parcel.luggage))
    }

    /// Step 4, lower: pure, once it is known how inputs get there.
    async fn parcel(backend: &dyn Backend, function: Arc<Function>, mut loads: Vec<Load>) -> Result<Parcel> {
        let mut luggage = Luggage::default();
        if let Some(load) = loads.first() {
            luggage.secrets = crate::secrets::values(&load.run)?;
        }
        backend.pack(&function, &mut loads, &mut luggage).await?;
        let lowered = backend.lower(&function, &loads)?;
        backend.preflight(&loads, &lowered).await?;
        Ok(Parcel { function, loads, lowered, luggage })
    }

    /// Step 5, execute. What follows one that could not be handed over is not: the caller gets an error and would start all of them again.
    async fn hand_over(self: &Arc<Self>, backend: &dyn Backend, parcel: Parcel, failed: &AtomicBool) -> Result<()> {
        let Parcel { function, loads, lowered, luggage } = parcel;
        let outcome = if failed.load(Ordering::Relaxed) {
            Err(Error::backend("another run of the same submission could not be handed over", "mend that, then submit all of them again"))
        } else {
            backend.execute(&function, &loads, &lowered, luggage).await
        };
        if let (Ok(()), Some(Load { run, .. })) = (&outcome, loads.first()) {
            self.take_back_if_given_up(backend, run).await;
        }
        for Load { run, .. } in &loads {
            match &outcome {
                // Steps 6 and 7, observe and finish.
                Ok(()) => drop(self.follow(run)),
                Err(error) => {
                    if failed.swap(true, Ordering::Relaxed) {
                        backend.abandon(run, error);
                    }
                    self.fail(run, error).await;
                }
            }
        }
        outcome
    }

    /// A client on another machine, whose clock is wrong, may have recorded meanwhile that the run was never handed over: then it must not go on.
    async fn take_back_if_given_up(&self, backend: &dyn Backend, run: &Run) {
        let elsewhere = !backend.waits() && self.store.is_shared();
        if elsewhere
            && let Ok(Some(run)) = self.store.run(run.id).await
            && run.state == State::Error
        {
            // Best effort: `gc` removes what stays.
            let _ = backend.remove(&run).await;
        }
    }

    /// The image that was built of a version last.
    async fn built(&self, function: &Function) -> Result<Option<String>> {
        let filter =
            RunFilter { project: Some(function.project.clone()), cache_key: Some(build_key(function)), state: Some(State::Completed), limit: Some(1), ..RunFilter::default() };
        let build = self.store.runs(&filter).await?.pop();
        Ok(build.and_then(|run| run.results.get("image")?.as_str().map(str::to_owned)))
    }

    /// The newest completed run of the same version, parameters and inputs.
    pub(super) async fn cached(&self, run: &Run) -> Result<Option<Run>> {
        let filter = RunFilter { project: Some(run.project.clone()), cache_key: run.cache_key.clone(), state: Some(State::Completed), limit: Some(1), ..RunFilter::default() };
        Ok(self.store.runs(&filter).await?.pop())
    }

    /// Records that a run could not be handed over. Best effort (the store may be on the same full disk): the next look at the run records it.
    async fn fail(&self, run: &Run, error: &Error) {
        let end = End::not_started(error);
        let _ = self.store.update_run(run.id, |run| crate::model::event::fold(run, Event::End(Box::new(end.clone()))).map(|()| true)).await;
    }
}

/// By what the builds of a version are found.
fn build_key(function: &Function) -> Digest {
    Digest::of_json(&json!({"function": function.name, "built": function.version}))
}

/// Whether a run is of the same fan-out as those before it.
fn belongs(of: &Function, loads: &[Load], function: &Function, load: &Load) -> bool {
    let map = |load: &Load| load.run.spec.map.as_ref().map(|map| map.id.clone());
    let first = loads.first();
    of.version == function.version && of.name == function.name && map(load).is_some() && first.is_some_and(|first| map(first) == map(load))
}

type Functions = HashMap<(String, String, Option<String>), (Arc<Project>, Arc<Function>)>;

enum Found {
    Cached(Box<Run>),
    New(Arc<Function>, Box<Load>),
}
