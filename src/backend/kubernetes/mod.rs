//! Kubernetes: a Job for each run, in any namespace that the caller may use. Nothing is installed there.
//!
//! What travels with a Job and how results come back is in `docs/decisions/0005-a-run-in-a-pod.md`.

mod apply;
mod client;
mod cluster;
mod collect;
mod confirm;
mod diagnose;
mod doubt;
mod followed;
mod hand_over;
mod held;
pub mod inspect;
mod kubeconfig;
mod logs;
pub mod lower;
mod manifest;
pub mod name;
mod news;
mod object;
mod pack;
mod packed;
mod patience;
mod preflight;
mod provenance;
mod proxy;
mod recover;
mod results;
pub mod rights;
mod seen;
mod serving;
mod size;
mod stop;
mod stream;
mod sweep;
mod sync;
mod target;
mod timing;
mod watch;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::local::Clients;
use super::{Answer, Backend, Call, Load, Luggage, News};
use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::name::{Digest, Name, RunId};
use crate::model::plan::Plan;
use crate::model::run::Run;
use crate::store::artifacts::Artifacts;
use apply::Access;
use cluster::{Cluster, ClusterRef, Runner};
use doubt::HandOvers;
use followed::Followed;
use hand_over::HandOver;
use logs::Logs;
use lower::{Owner, Surroundings, Version};
pub use object::container::SIDECAR;
use pack::Packing;
pub use results::STORED;
use target::Target;
use timing::Handed;
use watch::{Board, Watches};

/// What a run may send through its sidecar's log, in bytes.
const STREAM: usize = 8_000_000;
/// How many hand-overs go on at a time.
const PARALLEL: usize = 32;
/// The board tells of every change. This is for the case that nothing changes because a fault hides it; such a look makes no request.
const SAFETY: Duration = Duration::from_secs(30);

/// How the backend works for this process.
pub struct Settings {
    /// The image of Python functions that name none.
    pub image: String,
    /// Gives the zip file of the runner, and puts it there if need be.
    pub runner: Box<dyn Fn() -> Result<PathBuf> + Send + Sync>,
}

/// The official image of a Python, by its version: `3.11.7`.
#[must_use]
pub fn python_image(version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or("3"), parts.next().unwrap_or("12"));
    format!("docker.io/library/python:{major}.{minor}-slim")
}

/// The backend.
pub struct Kubernetes {
    /// Where what came back of runs waits to be taken in.
    fetched: PathBuf,
    /// Where what was staged for a run is kept while it waits for others.
    held: PathBuf,
    staging: PathBuf,
    host: String,
    home: String,
    settings: Settings,
    artifacts: Artifacts,
    clients: Arc<Clients>,
    runner: OnceCell<Runner>,
    versions: Mutex<HashMap<String, Arc<Version>>>,
    /// Namespaces that this process has to do with.
    known: Mutex<HashSet<Target>>,
    boards: Mutex<HashMap<Target, Arc<Board>>>,
    clusters: Mutex<HashMap<Target, Arc<OnceCell<Cluster>>>>,
    followed: Mutex<HashMap<RunId, Followed>>,
    hand_overs: Arc<HandOvers>,
    logs: Logs,
}

impl Kubernetes {
    /// Nothing is read, made or started before the first run.
    #[must_use]
    pub fn new(home: &Path, host: String, settings: Settings, artifacts: Artifacts, clients: Arc<Clients>) -> Self {
        Self {
            fetched: home.join("fetched"),
            held: home.join("held"),
            staging: home.join("staging"),
            host,
            home: home.display().to_string(),
            settings,
            artifacts,
            clients,
            runner: OnceCell::new(),
            versions: Mutex::default(),
            known: Mutex::default(),
            boards: Mutex::default(),
            clusters: Mutex::default(),
            followed: Mutex::default(),
            hand_overs: Arc::default(),
            logs: Logs::new(home.join("fetched")),
        }
    }

    fn board(&self, target: &Target) -> Arc<Board> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner).entry(target.clone()).or_default().clone()
    }

    /// The namespace, with its watches begun.
    async fn cluster(&self, target: &Target) -> Result<ClusterRef> {
        let cell = self.clusters.lock().unwrap_or_else(PoisonError::into_inner).entry(target.clone()).or_default().clone();
        cell.get_or_try_init(|| async {
            let access = Access { client: target.client().await?, target: target.clone() };
            let watches = Watches::start(&access.client, &target.namespace, self.board(target));
            Ok::<Cluster, Error>(Cluster { access, watches, runner: tokio::sync::Mutex::default() })
        })
        .await?;
        Ok(ClusterRef(cell))
    }

    /// The namespace that a run is in.
    async fn cluster_of(&self, run: &Run) -> Result<ClusterRef> {
        self.cluster(&target_of(run)?).await
    }

    async fn runner(&self) -> Result<&Runner> {
        self.runner
            .get_or_try_init(|| async {
                let path = (self.settings.runner)()?;
                let zip = std::fs::read(&path).map_err(|error| Error::backend(format!("the runner {} cannot be read: {error}", path.display()), "install runwright again"))?;
                // Its name is the digest of its files: their compression differs between machines.
                let digest = path.file_stem().and_then(|stem| stem.to_str()).map_or_else(|| Ok(Digest::of(&zip)), Digest::parse)?;
                Ok(Runner { name: name::of_runner(&digest), zip: zip.into() })
            })
            .await
    }

    /// A function version, packed once.
    fn packed(&self, function: &Function) -> Result<Arc<Version>> {
        let key = function.key();
        if let Some(known) = self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let version = Arc::new(Version::pack(function)?);
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(key, version.clone());
        Ok(version)
    }

    async fn hand_over(&self, first: &Load, lowered: &Value, luggage: Luggage) -> Result<()> {
        let cluster = self.cluster_of(&first.run).await?;
        pack::upload(&self.artifacts, &luggage).await?;
        if first.plan.calls() {
            let runner = self.runner().await?;
            cluster.provide(runner).await?;
        }
        let (sent, what) = (now(), HandOver::of(lowered, luggage)?);
        Box::pin(self.hand_overs.carry_out(&cluster.access, &cluster.watches.board, what)).await?;
        cluster.watches.board.hand_over(&name::of_run(&first.run), Handed { sent, answered: now() });
        Ok(())
    }

    fn folder(&self, id: RunId) -> PathBuf {
        self.fetched.join(id.to_string())
    }
}

fn now() -> f64 {
    crate::model::time::now().as_duration().as_secs_f64()
}

fn target_of(run: &Run) -> Result<Target> {
    Target::of(run).ok_or_else(|| Error::backend(format!("the record of run {} names no namespace", run.id), "it was damaged; runwright sync finds the run again by its id"))
}

fn text(lowered: &Value, field: &str) -> Value {
    lowered.get(field).cloned().unwrap_or_default()
}

#[async_trait]
impl Backend for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn uses_images(&self) -> bool {
        true
    }

    fn knows_readiness(&self) -> bool {
        true
    }

    fn gathers(&self, plan: &Plan) -> bool {
        // A program of an image cannot be told apart by its index: what differs between the runs is its arguments.
        plan.calls()
    }

    fn parallel(&self) -> usize {
        PARALLEL
    }

    fn waits(&self) -> bool {
        false
    }

    fn visit(&self, place: &Map<String, Value>) -> Result<()> {
        // Records can be read where no cluster is reached; who submits is told.
        if !target::is_none_known() {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(Target::choose(place)?);
        }
        Ok(())
    }

    fn reference(&self, run: &Run, plan: &Plan, place: &Map<String, Value>) -> Result<Map<String, Value>> {
        let target = Target::choose(place)?;
        let gathered = run.spec.map.as_ref().filter(|_| self.gathers(plan));
        let mut reference = target.reference(&gathered.map_or_else(|| name::of_item(run.id), |map| format!("rw-{}", map.id)));
        if let Some(map) = gathered {
            reference.insert(name::INDEX.into(), map.index.into());
        }
        reference.insert("host".into(), self.host.clone().into());
        reference.insert("home".into(), self.home.clone().into());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
        Ok(reference)
    }

    async fn pack(&self, function: &Function, loads: &mut [Load], luggage: &mut Luggage) -> Result<()> {
        self.runner().await?;
        let version = self.packed(function)?;
        let packing = Packing { artifacts: &self.artifacts, held: &self.held };
        packing.pack_code(function, &version, loads, luggage).await?;
        packing.pack(loads, luggage).await
    }

    fn lower(&self, function: &Function, loads: &[Load]) -> Result<Value> {
        let runner = self.runner.get().map_or("", |runner| runner.name.as_str());
        let around = Surroundings { image: &self.settings.image, runner };
        let objects = lower::lower(&around, function, self.packed(function)?.as_ref(), loads)?;
        let (job, deployment) = match objects.owner {
            Owner::Job(job) => (Some(job), None),
            Owner::Deployment(deployment) => (None, Some(deployment)),
        };
        Ok(json!({"job": job, "deployment": deployment, "service": objects.service, "autoscaler": objects.autoscaler, "code": objects.code, "held": objects.held}))
    }

    async fn preflight(&self, loads: &[Load], lowered: &Value) -> Result<()> {
        let started = |load: &&Load| lower::buildkit_of(&load.plan).is_some_and(|buildkit| buildkit.address.is_none());
        let Some(load) = loads.first().filter(started) else { return Ok(()) };
        let cluster = self.cluster_of(&load.run).await?;
        Box::pin(preflight::buildkit(&cluster.access, &load.run, apply::typed(text(lowered, "job"))?)).await
    }

    async fn execute(&self, _function: &Function, loads: &[Load], lowered: &Value, luggage: Luggage) -> Result<()> {
        let Some(first) = loads.first() else { return Ok(()) };
        if let Err(error) = Box::pin(self.hand_over(first, lowered, luggage)).await {
            // Said again where it could not be recorded.
            self.abandon(&first.run, &error);
            return Err(error);
        }
        for load in loads {
            pack::unstage(&self.held, load);
        }
        Ok(())
    }

    fn abandon(&self, run: &Run, why: &Error) {
        self.hand_overs.refuse(&name::of_run(run), why);
    }

    async fn holds(&self, run: &Run) -> Result<bool> {
        let cluster = self.cluster_of(run).await?;
        cluster.watches.ready().await?;
        let job = cluster.watches.board.sight(&name::of_run(run)).job;
        Ok(job.is_some_and(|job| job.waits && !job.gone && job.stopped.is_none()))
    }

    async fn release(&self, loads: &[Load], lowered: &Value, luggage: Luggage) -> Result<()> {
        let Some(first) = loads.first() else { return Ok(()) };
        pack::upload(&self.artifacts, &luggage).await?;
        self.cluster_of(&first.run).await?.access.release(text(lowered, "job"), luggage).await?;
        for load in loads {
            pack::unstage(&self.held, load);
        }
        Ok(())
    }

    async fn rehearse(&self, loads: &[Load], lowered: &Value, luggage: &Luggage) -> Result<Vec<Value>> {
        let Some(first) = loads.first() else { return Ok(Vec::new()) };
        self.cluster_of(&first.run).await?.access.rehearse(lowered, luggage).await
    }

    async fn manifest(&self, run: &Run) -> Result<Vec<Value>> {
        let cluster = self.cluster_of(run).await?;
        // It may have been started anew with another Job.
        cluster.watches.ready().await?;
        let name = cluster.watches.board.sight_of(run).job.map_or_else(|| name::of_run(run), |job| job.name);
        cluster.access.manifest(run, &name).await
    }

    fn reaches(&self, run: &Run) -> bool {
        Target::of(run).is_some_and(|target| target.is_known())
    }

    async fn news(&self, run: &Run) -> Result<News> {
        let target = target_of(run)?;
        if let Some(news) = self.hand_overs.news(run, &self.board(&target)) {
            return Ok(news);
        }
        let cluster = self.cluster(&target).await?;
        if run.service.is_some() {
            return self.collect_service(&cluster, run).await;
        }
        cluster.watches.ready().await?;
        Box::pin(self.collect(&cluster, run)).await
    }

    fn follow(&self, run: &Run) {
        let Some(target) = Target::of(run) else { return };
        let followed = Followed::new(self.board(&target), run);
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id, followed);
    }

    async fn changed(&self, id: RunId) {
        let (signal, due) = self.followed.lock().unwrap_or_else(PoisonError::into_inner).get(&id).map(Followed::next).unwrap_or_default();
        let _ = tokio::time::timeout(due.map_or(SAFETY, |due| due.min(SAFETY)), signal.notified()).await;
    }

    fn forget(&self, id: RunId) {
        drop(self.followed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
        self.logs.forget(id);
        // It has been taken in, or will be fetched again.
        let _ = std::fs::remove_dir_all(self.folder(id));
    }

    async fn stop(&self, run: &Run) -> Result<()> {
        let cluster = self.cluster_of(run).await?;
        self.logs.stream_the_last(&cluster.access, &cluster.watches.board, run).await;
        if run.service.is_some() {
            return serving::stop(&cluster.access, run).await;
        }
        stop::stop(&cluster.access, run, &cluster.newest_job(run).await).await
    }

    fn resumes(&self, run: &Run) -> bool {
        // An index of a Job that has failed is not tried again.
        name::gathered(run).is_none() && self.reaches(run)
    }

    async fn goes_on(&self, run: &Run) -> Result<bool> {
        let cluster = self.cluster_of(run).await?;
        cluster.watches.ready().await?;
        confirm::goes_on(&cluster.access, run, &cluster.watches.board.sight_of(run)).await
    }

    async fn resume(&self, run: &Run) -> Result<()> {
        let cluster = self.cluster_of(run).await?;
        if run.service.is_some() {
            // Somebody may have cleaned up while it had no pods. A program of an image needs none.
            if run.kind.as_str() != "container" {
                cluster.provide(self.runner().await?).await?;
            }
            return serving::resume(&cluster.access, run).await;
        }
        stop::resume(&cluster.access, run, &cluster.newest_job(run).await).await
    }

    async fn invoke(&self, run: &Run, call: Call) -> Result<Answer> {
        serving::invoke(&self.cluster_of(run).await?.access, run, call).await
    }

    async fn scale(&self, run: &Run, replicas: u32) -> Result<()> {
        serving::scale(&self.cluster_of(run).await?.access, run, replicas).await
    }

    async fn update(&self, loads: &[Load], lowered: &Value, luggage: Luggage) -> Result<()> {
        let Some(first) = loads.first() else { return Ok(()) };
        let cluster = self.cluster_of(&first.run).await?;
        pack::upload(&self.artifacts, &luggage).await?;
        if first.plan.calls() {
            cluster.provide(self.runner().await?).await?;
        }
        serving::update(&cluster.access, &first.run, lowered, luggage).await
    }

    async fn log(&self, run: &Run, from: u64) -> Result<(Vec<u8>, u64)> {
        let cluster = self.cluster_of(run).await?;
        cluster.watches.ready().await?;
        let signal = self.followed.lock().unwrap_or_else(PoisonError::into_inner).get(&run.id).map(Followed::signal);
        self.logs.read(&cluster.access, &cluster.watches.board, run, from, signal).await
    }

    fn outputs(&self, run: &Run) -> PathBuf {
        self.folder(run.id)
    }

    async fn discover(&self) -> Result<Vec<RunId>> {
        let known: Vec<Target> = self.known.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let mut ids = Vec::new();
        for target in known {
            let cluster = self.cluster(&target).await?;
            cluster.watches.services().await?;
            ids.extend(sync::ids(&cluster.watches.board));
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    async fn find(&self, id: RunId) -> Result<Option<Run>> {
        let known: Vec<Target> = self.known.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        for target in known {
            if let Some(run) = sync::find(&self.cluster(&target).await?.access, id).await? {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    async fn version(&self, run: &Run) -> Option<Function> {
        let cluster = self.cluster_of(run).await.ok()?;
        sync::version(&cluster.access, run).await
    }

    fn remove_project(&self, _project: &Name) -> Result<()> {
        Ok(())
    }

    async fn remove(&self, run: &Run) -> Result<()> {
        let cluster = self.cluster_of(run).await?;
        if run.service.is_some() {
            return serving::remove(&cluster.access, run).await;
        }
        let newest = cluster.newest_job(run).await;
        stop::remove(&cluster.access, run, &newest, &cluster.watches.board.sight(&name::of_run(run))).await
    }

    async fn sweep(&self, open: &HashSet<RunId>, dry_run: bool) -> Result<Vec<String>> {
        let known: Vec<Target> = self.known.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let mut swept = sweep::folders(&[&self.held, &self.fetched], open, dry_run)?;
        for target in known {
            let cluster = self.cluster(&target).await?;
            *cluster.runner.lock().await = None;
            swept.extend(sweep::sweep(&cluster.access, dry_run).await?);
        }
        Ok(swept)
    }

    async fn kick(&self) -> Result<()> {
        Ok(())
    }

    fn staging(&self) -> &Path {
        &self.staging
    }
}
