//! Step *observe*: one watch for each kind, for all runs of a namespace; what is seen is kept on a board, and who follows a run is told.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::name::{self, MANAGED_BY};
use super::seen::{SeenJob, SeenPod, seconds};
use super::serving::SeenDeployment;
use super::stream::{self, Source, Told};
use super::timing::{Handed, Observed};
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::model::time;

/// How many of the newest warnings about one object are kept.
const NOTICES: usize = 20;
/// How long the first look waits for the API server, before it says what is wrong with it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is said about an object: an event of Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub reason: String,
    pub message: String,
    pub warning: bool,
    pub time: f64,
}

/// What is known of a Job (or Deployment) and its pods; of a run that was started anew with another Job, of all of them.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// The newest.
    pub job: Option<SeenJob>,
    /// Of a service instead.
    pub deployment: Option<SeenDeployment>,
    /// By the pod's name.
    pub pods: BTreeMap<String, SeenPod>,
    /// About the Job itself and its pods, by the object's name.
    pub notices: BTreeMap<String, Vec<Notice>>,
    /// When this process handed it over, if it did.
    pub handed: Option<Handed>,
}

impl Sight {
    /// When the Job or Deployment was made.
    #[must_use]
    pub fn made(&self) -> Option<f64> {
        self.job.as_ref().map(|job| job.created).or_else(|| self.deployment.as_ref().map(|deployment| deployment.created))
    }

    /// A pod is there, in this state.
    fn see(&mut self, mut pod: SeenPod) {
        let before = self.pods.get(&pod.name).map(|before| &before.observed);
        pod.observed = Observed::now(&pod, before, time::now().as_duration().as_secs_f64());
        self.pods.insert(pod.name.clone(), pod);
    }

    /// Whether the Job or Deployment is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.job.as_ref().is_some_and(|job| !job.gone) || self.deployment.as_ref().is_some_and(|deployment| !deployment.gone)
    }
}

/// What is known of all that is ours in a namespace.
#[derive(Default)]
pub struct Board {
    sights: Mutex<HashMap<String, Sight>>,
    signals: Mutex<HashMap<String, Vec<Arc<Notify>>>>,
}

impl Board {
    /// What is known of a Job.
    pub fn sight(&self, job: &str) -> Sight {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner).get(job).cloned().unwrap_or_default()
    }

    /// What is known of a run: of its Job, and of the one that followed, if only for this item of a fan-out.
    pub fn sight_of(&self, run: &Run) -> Sight {
        let mut sight = self.sight(&name::of_run(run));
        if name::gathered(run).is_some() {
            let own = self.sight(&name::of_item(run.id));
            if own.job.is_some() {
                sight.job = own.job;
            }
            sight.pods.extend(own.pods);
            sight.notices.extend(own.notices);
        }
        sight
    }

    /// A Job that was just made: the watch may tell of it later.
    pub fn see_job(&self, job: &Job) {
        job.see(self);
    }

    fn knows(&self, name: &str, job: &SeenJob) -> bool {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner).get(name).is_some_and(|sight| sight.job.as_ref() == Some(job))
    }

    /// The names of all Jobs that are there.
    pub fn jobs(&self) -> Vec<String> {
        let sights = self.sights.lock().unwrap_or_else(PoisonError::into_inner);
        sights.iter().filter(|(_, sight)| sight.is_there()).map(|(name, _)| name.clone()).collect()
    }

    /// `signal` is told whenever something about the Job changes.
    pub fn follow(&self, job: &str, signal: &Arc<Notify>) {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).entry(job.to_owned()).or_default().push(signal.clone());
    }

    /// It is not told any more. What nobody follows, and is gone, is forgotten.
    pub fn forget(&self, job: &str, signal: &Arc<Notify>) {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = signals.get_mut(job) {
            known.retain(|one| !Arc::ptr_eq(one, signal));
            if known.is_empty() {
                signals.remove(job);
                let mut sights = self.sights.lock().unwrap_or_else(PoisonError::into_inner);
                if sights.get(job).is_some_and(|sight| !sight.is_there()) {
                    sights.remove(job);
                }
            }
        }
    }

    /// This process handed a Job or Deployment over.
    pub fn hand_over(&self, name: &str, handed: Handed) {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().handed = Some(handed);
    }

    /// Tells who follows a Job.
    pub fn tell(&self, job: &str) {
        for signal in self.signals.lock().unwrap_or_else(PoisonError::into_inner).get(job).into_iter().flatten() {
            signal.notify_one();
        }
    }

    fn change(&self, job: &str, change: impl FnOnce(&mut Sight)) {
        change(self.sights.lock().unwrap_or_else(PoisonError::into_inner).entry(job.to_owned()).or_default());
        self.tell(job);
    }

    fn is_followed(&self, job: &str) -> bool {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).contains_key(job)
    }

    /// After a list: what it did not have is gone.
    fn reconcile(&self, gone: impl Fn(&mut Sight) -> bool) {
        let mut changed = Vec::new();
        for (name, sight) in self.sights.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if gone(sight) {
                changed.push(name.clone());
            }
        }
        for name in changed {
            self.tell(&name);
        }
    }
}

/// A kind of object that is watched.
trait Watched: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + Sync + 'static {
    /// How long one watch may last, in seconds.
    const LASTS: u32 = 280;
    /// Which of them, by their labels.
    fn labels() -> Option<String> {
        Some(format!("{}={}", MANAGED_BY.0, MANAGED_BY.1))
    }
    /// It is there, in this state.
    fn see(&self, board: &Board);
    /// It is gone.
    fn miss(&self, board: &Board);
    /// All that is there was listed: what is not in `listed` is gone.
    fn listed(board: &Board, listed: &std::collections::HashSet<String>);
}

impl Watched for Job {
    fn see(&self, board: &Board) {
        let seen = SeenJob::of(self);
        let name = base(&seen.name);
        // Most of what changes in a Job (how many pods are ready, who wrote it last) decides nothing: nobody has to look.
        if board.knows(&name, &seen) {
            return;
        }
        board.change(&name, |sight| {
            if sight.job.as_ref().is_none_or(|known| known.attempt <= seen.attempt) {
                sight.job = Some(seen);
            }
        });
    }
    fn miss(&self, board: &Board) {
        let seen = SeenJob { gone: true, ..SeenJob::of(self) };
        let name = base(&seen.name);
        let mut newest = true;
        board.change(&name, |sight| {
            newest = sight.job.as_ref().is_none_or(|known| known.attempt <= seen.attempt);
            if newest {
                sight.job = Some(seen);
            }
        });
        if newest && !board.is_followed(&name) {
            board.sights.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        }
    }
    fn listed(board: &Board, listed: &std::collections::HashSet<String>) {
        board.reconcile(|sight| match &mut sight.job {
            Some(job) if !job.gone && !listed.contains(&job.uid) => {
                job.gone = true;
                true
            }
            _ => false,
        });
    }
}

impl Watched for Deployment {
    fn see(&self, board: &Board) {
        let seen = SeenDeployment::of(self);
        board.change(&self.name_any(), |sight| sight.deployment = Some(seen));
    }
    fn miss(&self, board: &Board) {
        let seen = SeenDeployment { gone: true, ..SeenDeployment::of(self) };
        let name = self.name_any();
        board.change(&name, |sight| sight.deployment = Some(seen));
        if !board.is_followed(&name) {
            board.sights.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        }
    }
    fn listed(board: &Board, listed: &std::collections::HashSet<String>) {
        board.reconcile(|sight| match &mut sight.deployment {
            Some(deployment) if !deployment.gone && !listed.contains(&deployment.uid) => {
                deployment.gone = true;
                true
            }
            _ => false,
        });
    }
}

impl Watched for Pod {
    fn see(&self, board: &Board) {
        if let Some(pod) = SeenPod::of(self) {
            board.change(&base(&pod.job), |sight| sight.see(pod));
        }
    }
    fn miss(&self, board: &Board) {
        if let Some(pod) = SeenPod::of(self) {
            board.change(&base(&pod.job), |sight| sight.see(SeenPod { gone: true, ..pod }));
        }
    }
    fn listed(board: &Board, listed: &std::collections::HashSet<String>) {
        board.reconcile(|sight| {
            let mut changed = false;
            for pod in sight.pods.values_mut().filter(|pod| !pod.gone && !listed.contains(&pod.uid)) {
                pod.gone = true;
                changed = true;
            }
            changed
        });
    }
}

impl Watched for Event {
    // A watch of events gets no bookmarks: where nothing happens it is silent to its end.
    const LASTS: u32 = 60;
    fn labels() -> Option<String> {
        // Events have no labels of ours. Those of other objects are dropped as they come.
        None
    }
    fn see(&self, board: &Board) {
        let object = self.involved_object.name.clone().unwrap_or_default();
        let Some(job) = job_of(&object) else { return };
        let notice = Notice {
            reason: self.reason.clone().unwrap_or_default(),
            message: self.message.clone().unwrap_or_default(),
            warning: self.type_.as_deref() == Some("Warning"),
            time: self
                .last_timestamp
                .as_ref()
                .or(self.first_timestamp.as_ref())
                .map(seconds)
                .or_else(|| self.event_time.as_ref().map(|time| time.0.as_duration().as_secs_f64()))
                .unwrap_or(0.0),
        };
        board.change(&job, |sight| {
            let notices = sight.notices.entry(object).or_default();
            notices.retain(|known| known.message != notice.message);
            notices.push(notice);
            if notices.len() > NOTICES {
                notices.remove(0);
            }
        });
    }
    fn miss(&self, _board: &Board) {}
    fn listed(_board: &Board, _listed: &std::collections::HashSet<String>) {}
}

/// The Job that an object of that name belongs to: itself, the first of a run that was started anew, or its pod's (`rw-<id>-…`).
pub fn job_of(object: &str) -> Option<String> {
    name::base(object).map(|(base, _)| base.to_owned())
}

/// Under which name a Job is on the board.
fn base(job: &str) -> String {
    job_of(job).unwrap_or_else(|| job.to_owned())
}

/// The watches of one namespace.
pub struct Watches {
    pub board: Arc<Board>,
    client: Client,
    namespace: String,
    state: Arc<watch::Sender<State>>,
    tasks: Tasks,
}

/// Whether what is on the board is complete, by kind, and what is wrong.
#[derive(Debug, Clone)]
struct State {
    listed: [bool; 4],
    faults: [Option<Fault>; 4],
    /// Since when it has been waited for.
    since: Instant,
}

/// What keeps a kind from being seen.
#[derive(Debug, Clone)]
struct Fault {
    message: String,
    passes: bool,
}

impl State {
    /// Jobs and pods decide; the events of Kubernetes only explain.
    fn is_complete(&self) -> bool {
        self.listed[0] && self.listed[1]
    }

    /// Who may not watch Deployments has no services there.
    fn knows_services(&self) -> bool {
        self.listed[SERVICES] || self.faults[SERVICES].as_ref().is_some_and(|fault| !fault.passes)
    }

    fn fault(&self) -> Option<&Fault> {
        self.faults[..2].iter().flatten().next()
    }
}

/// Which of the watches looks at services.
const SERVICES: usize = 3;

#[derive(Default)]
struct Tasks(Mutex<Vec<tokio::task::JoinHandle<()>>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            task.abort();
        }
    }
}

impl Watches {
    /// Starts them; that of services begins with the first that is asked for.
    #[must_use]
    pub fn start(client: &Client, namespace: &str, board: Arc<Board>) -> Self {
        let state = Arc::new(watch::Sender::new(State { listed: [false; 4], faults: [None, None, None, None], since: Instant::now() }));
        let watches = Self { board, client: client.clone(), namespace: namespace.to_owned(), state, tasks: Tasks::default() };
        *watches.tasks.0.lock().unwrap_or_else(PoisonError::into_inner) = vec![watches.watch::<Job>(0), watches.watch::<Pod>(1), watches.watch::<Event>(2)];
        watches
    }

    fn watch<K: Watched>(&self, kind: usize) -> tokio::task::JoinHandle<()> {
        tokio::spawn(follow::<K>(self.client.clone(), self.namespace.clone(), self.board.clone(), self.state.clone(), kind))
    }

    /// Returns when all Deployments that were there have been seen, too. False where they may not be.
    pub async fn services(&self) -> Result<bool> {
        {
            let mut tasks = self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner);
            if tasks.len() == SERVICES {
                tasks.push(self.watch::<Deployment>(SERVICES));
            }
        }
        self.ready().await?;
        let mut state = self.state.subscribe();
        let _ = tokio::time::timeout(PATIENCE, state.wait_for(State::knows_services)).await;
        Ok(self.state.borrow().listed[SERVICES])
    }

    /// Returns when all Jobs and pods that were there have been seen. It waits for that once: while the API server is away, each who asks is told at once.
    pub async fn ready(&self) -> Result<()> {
        let mut state = self.state.subscribe();
        let until = state.borrow().since + PATIENCE;
        let decided = |state: &State| state.is_complete() || state.fault().is_some_and(|fault| !fault.passes);
        let _ = tokio::time::timeout_at(until, state.wait_for(decided)).await;
        let state = self.state.borrow();
        if state.is_complete() {
            return Ok(());
        }
        let fault = state.fault().cloned().unwrap_or_else(|| Fault { message: "it does not answer".into(), passes: true });
        let error =
            Error::backend(format!("the runs of the cluster cannot be watched: {}", fault.message), "see `runwright doctor --on kubernetes`; it is tried again with the next look");
        Err(if fault.passes { error.passing() } else { error })
    }
}

async fn follow<K: Watched>(client: Client, namespace: String, board: Arc<Board>, state: Arc<watch::Sender<State>>, kind: usize) {
    let source = Source { path: K::url_path(&(), Some(&namespace)), labels: K::labels(), lasts: K::LASTS };
    let mut listed = std::collections::HashSet::new();
    let tell = |told: Told<K>| match told {
        Told::Begun => listed.clear(),
        Told::Listed(uid, object) => {
            listed.insert(uid);
            if let Some(object) = object {
                object.see(&board);
            }
        }
        Told::Complete => {
            K::listed(&board, &listed);
            listed.clear();
            state.send_modify(|state| {
                state.listed[kind] = true;
                state.faults[kind] = None;
            });
        }
        Told::Is(object) => object.see(&board),
        Told::Gone(object) => object.miss(&board),
        Told::Failed(message, passes) => state.send_modify(|state| state.faults[kind] = Some(Fault { message, passes })),
    };
    stream::follow(&client, &source, tell).await;
}
