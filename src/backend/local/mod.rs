//! This machine: a folder and a process for each run. The protocol is that of `docs/decisions/0002-run-folder.md`.

mod building;
mod claim;
mod clients;
mod code;
mod container;
mod folder;
mod lower;
mod queue;
mod spawn;
mod stop;
mod sweep;
mod versions;
mod watch;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Backend, Load, Luggage, News};
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::function::Function;
use crate::model::name::{Name, RunId};
use crate::model::plan::Plan;
use crate::model::run::Run;
use crate::model::state::State;
use claim::Holder;
pub use clients::{Clients, forked};
pub use code::place as place_code;
use folder::RunFolder;

/// How the local backend works on this machine.
pub struct Settings {
    /// The Python that executes runs.
    pub python: PathBuf,
    /// Gives the file that starts the runner, and puts it there with all that it needs if need be.
    pub runner: Box<dyn Fn() -> Result<PathBuf> + Send + Sync>,
    /// How many runs execute at a time.
    pub concurrency: u32,
}

/// The backend.
pub struct Local {
    home: PathBuf,
    staging: PathBuf,
    host: String,
    settings: Settings,
    clients: Arc<Clients>,
    watch: watch::Watch,
    kicked: Mutex<Option<Instant>>,
    /// Runs of this client whose hand-over failed, and whose end could not be written either.
    given_up: Mutex<HashSet<RunId>>,
    /// Where the runner was found last.
    runner: Mutex<Option<PathBuf>>,
    /// The program that runs containers, once one was found.
    container_tool: OnceLock<PathBuf>,
}

/// How long a run may wait before that is written down, in seconds.
const AT_ONCE: f64 = 0.1;

/// Looking through the queue is for the rare case that every runner was killed; many who wait must not all do it all the time.
const KICKS: Duration = Duration::from_secs(4);

impl Local {
    /// Nothing is made or started before the first run.
    #[must_use]
    pub fn new(home: &Path, host: String, settings: Settings, clients: Arc<Clients>) -> Self {
        Self {
            home: home.to_owned(),
            staging: home.join("staging"),
            host,
            settings,
            clients,
            watch: watch::Watch::default(),
            kicked: Mutex::new(None),
            given_up: Mutex::default(),
            runner: Mutex::default(),
            container_tool: OnceLock::new(),
        }
    }

    fn folder(&self, run: &Run) -> RunFolder {
        RunFolder::of(&self.home, run.id)
    }

    /// The file that starts the runner. The host language is asked no more often than it must be: it may be about to end while a run is still followed.
    fn runner(&self) -> Result<PathBuf> {
        let known = self.runner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.exists()) {
            return Ok(known);
        }
        let found = (self.settings.runner)()?;
        *self.runner.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }

    /// The program that runs containers.
    fn container_tool(&self) -> Result<&Path> {
        if let Some(found) = self.container_tool.get() {
            return Ok(found);
        }
        let found = container::find_here()?;
        Ok(self.container_tool.get_or_init(|| found))
    }

    /// Starts a runner for a run in the queue, if it would find a slot and nothing to wait for.
    fn start(&self, id: RunId, frozen: &Value) -> Result<()> {
        if queue::may_start(&self.home, id, frozen) {
            spawn::runner(&self.settings, &self.runner()?, &self.home, id, &RunFolder::of(&self.home, id), self.watch.teller(id))?;
        }
        Ok(())
    }

    /// After a hand-over that failed: from now on nobody can start the run. False where somebody has it already: then it was handed over after all.
    fn give_up(&self, run: &Run, folder: &RunFolder, error: &Error) -> bool {
        let end = End::not_started(error);
        let sealed = claim::seal(folder, &end);
        if matches!(sealed, Ok(false)) {
            return false;
        }
        queue::leave(&self.home, run.id);
        if sealed.is_err() {
            // No room even for that. Without these nobody starts it; it is sealed by the next look that finds room.
            for name in ["run.json", "secrets.json"] {
                let _ = std::fs::remove_file(folder.file(name));
            }
            self.given_up.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id);
        }
        true
    }

    /// A run that was handed over by a client which has died, and that nobody has taken yet: the client may have come no further than that.
    fn resume(&self, run: &Run, folder: &RunFolder) -> Result<()> {
        let Some(frozen) = folder.frozen() else {
            if folder.is_handed_over() {
                let message = format!("{} is damaged: the run cannot be started", folder.file("run.json").display());
                claim::seal(folder, &End::found("RunnerLost", &message, "nothing of it was executed: start it again with run.reproduce()", claim::seconds_now()))?;
            }
            return Ok(());
        };
        if !queue::has(&self.home, run.id) {
            queue::enter(&self.home, run.id, &frozen)?;
        }
        self.start(run.id, &frozen)
    }
}

/// Fan-outs are handed over run by run here.
fn the_one(loads: &[Load]) -> Result<&Load> {
    match loads {
        [load] => Ok(load),
        _ => Err(Error::backend(format!("{} runs were handed over as one", loads.len()), "this is a fault of Runwright; please report it")),
    }
}

#[async_trait]
impl Backend for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn reference(&self, run: &Run, _plan: &Plan, place: &Map<String, Value>) -> Result<Map<String, Value>> {
        if let Some((field, value)) = place.iter().next() {
            return Err(Error::invalid(
                field,
                value,
                format!("{field}= says where in a cluster a run executes; this one executes on this machine"),
                "leave it out, or run it on=\"kubernetes\"",
            ));
        }
        let folder = self.folder(run).path().display().to_string();
        Ok(Map::from_iter([("folder".into(), folder.into()), ("host".into(), self.host.clone().into())]))
    }

    fn lower(&self, function: &Function, loads: &[Load]) -> Result<Value> {
        lower::lower(&self.home, &self.settings, &|| self.container_tool(), function, the_one(loads)?)
    }

    async fn execute(&self, function: &Function, loads: &[Load], lowered: &Value, luggage: Luggage) -> Result<()> {
        let Load { run, staging, .. } = the_one(loads)?;
        let folder = self.folder(run);
        let execute = || {
            versions::keep(&self.home, function)?;
            code::place(&self.home, function)?;
            folder.hand_over(lowered, staging.as_deref(), &luggage.secrets)?;
            if folder.file("claim").exists() {
                // Nobody can have started it before it is in the queue: it was stopped meanwhile, and its secrets are not needed any more.
                let _ = std::fs::remove_file(folder.file("secrets.json"));
                return Ok(());
            }
            queue::enter(&self.home, run.id, lowered)?;
            self.start(run.id, lowered)
        };
        match execute() {
            Err(error) if self.give_up(run, &folder, &error) => Err(error),
            _ => Ok(()),
        }
    }

    fn abandon(&self, run: &Run, why: &Error) {
        self.give_up(run, &self.folder(run), why);
    }

    async fn manifest(&self, run: &Run) -> Result<Vec<Value>> {
        let mut frozen = RunFolder::of(&self.home, run.id).frozen();
        frozen.iter_mut().for_each(crate::backend::signed::hide);
        Ok(frozen.into_iter().collect())
    }

    fn reaches(&self, run: &Run) -> bool {
        run.reference.get("host") == Some(&json!(self.host)) && run.reference.get("folder") == Some(&json!(self.folder(run).path().display().to_string()))
    }

    async fn news(&self, run: &Run) -> Result<News> {
        let folder = self.folder(run);
        let mut news = folder.events_from(run.folded)?;
        let handed_over = folder.handed_over().filter(|_| run.state == State::Created);
        if news.more {
            news.events.splice(0..0, handed_over.map(|time| Event::Pending { time }));
            return Ok(news);
        }
        let client = self.clients.is_alive(&run.client) && !self.given_up.lock().unwrap_or_else(PoisonError::into_inner).contains(&run.id);
        let end = claim::end_of(&folder, client)?;
        if end.is_none() && !client && matches!(claim::holder(&folder)?, Holder::Nobody) {
            self.resume(run, &folder)?;
        }
        if let Some(end) = end {
            // What was written between the two looks.
            let late = folder.events_from(news.folded)?;
            news.events.extend(late.events);
            news.folded = late.folded;
            news.more = late.more;
            // The end is the last.
            if !news.more {
                news.events.push(Event::End(Box::new(end)));
            }
        }
        // Most runs begin at once: that they waited is then recorded with their beginning.
        let news_of_its_own = |time: f64| claim::seconds_now() - time > AT_ONCE;
        if let Some(time) = handed_over.filter(|time| !news.events.is_empty() || news_of_its_own(*time)) {
            news.events.insert(0, Event::Pending { time });
        }
        Ok(news)
    }

    async fn changed(&self, id: RunId) {
        self.watch.changed(id).await;
    }

    fn follow(&self, run: &Run) {
        self.watch.follow(run.id, self.folder(run).path());
    }

    fn forget(&self, id: RunId) {
        self.watch.forget(id, RunFolder::of(&self.home, id).path());
    }

    async fn stop(&self, run: &Run) -> Result<()> {
        stop::stop(&self.home, &self.folder(run), run)
    }

    async fn log(&self, run: &Run, from: u64) -> Result<(Vec<u8>, u64)> {
        self.folder(run).log_from(from)
    }

    fn outputs(&self, run: &Run) -> PathBuf {
        self.folder(run).path().to_owned()
    }

    async fn discover(&self) -> Result<Vec<RunId>> {
        Ok(folder::ids(&self.home))
    }

    async fn find(&self, id: RunId) -> Result<Option<Run>> {
        Ok(RunFolder::of(&self.home, id).record())
    }

    fn remove_project(&self, project: &Name) -> Result<()> {
        versions::remove(&self.home, project)
    }

    async fn version(&self, run: &Run) -> Option<Function> {
        versions::kept(&self.home, run)
    }

    async fn remove(&self, run: &Run) -> Result<()> {
        queue::leave(&self.home, run.id);
        self.folder(run).remove()
    }

    async fn sweep(&self, _open: &HashSet<RunId>, dry_run: bool) -> Result<Vec<String>> {
        sweep::sweep(&self.home, &self.clients, dry_run)
    }

    async fn kick(&self) -> Result<()> {
        {
            let mut kicked = self.kicked.lock().unwrap_or_else(PoisonError::into_inner);
            if kicked.is_some_and(|at| at.elapsed() < KICKS) {
                return Ok(());
            }
            *kicked = Some(Instant::now());
        }
        for id in queue::startable(&self.home) {
            spawn::runner(&self.settings, &self.runner()?, &self.home, id, &RunFolder::of(&self.home, id), self.watch.teller(id))?;
        }
        Ok(())
    }

    fn staging(&self) -> &Path {
        &self.staging
    }
}
