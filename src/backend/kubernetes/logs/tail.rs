//! The log of one run, as far as this process has read it: at once up to now, or live.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{AsyncReadExt as _, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::super::apply::Access;
use super::super::followed::Followed;
use super::super::name::BEGINS;
use super::super::patience::{Pace, once, passes};
use super::super::watch::Board;
use super::cursor::{Cursor, Found};
use super::line;
use super::plan::{self, Source, Stand};
use super::spool::Spool;
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::secrets::Redactor;

/// How often who follows the run is told of new lines, at most.
const TELL: Duration = Duration::from_millis(150);
/// How long the stream of a container that has ended may still be open.
const ENDING: Duration = Duration::from_secs(5);
/// How often a stream is looked at that brings nothing.
const LOOK: Duration = Duration::from_secs(2);
/// How long is waited for the end of live reading, once all containers have ended.
const DRAINING: Duration = Duration::from_secs(20);
/// How long an answer to a new stream is waited for, and what was printed before.
const CONNECTING: Duration = Duration::from_secs(3);
/// How long after the end of a stream it may become known that its container has ended.
const SAID: Duration = Duration::from_secs(1);
/// For how long the log of a container that has ended is asked for where the API server answers that it cannot be had.
const REFUSED: Duration = Duration::from_secs(15);
/// The kubelet does not rotate a log that is younger than this, in seconds.
const ROTATED: f64 = 10.0;
/// How much is taken of a stream at a time.
const PIECE: usize = 64 * 1024;

/// The log of a run.
pub struct Tail {
    access: Access,
    board: Arc<Board>,
    run: Run,
    redactor: Redactor,
    pub spool: Spool,
    cursors: Mutex<HashMap<Source, Cursor>>,
    done: Mutex<HashSet<Source>>,
    /// One container's log has been read whole.
    finished: Notify,
    /// Held by who reads.
    reading: tokio::sync::Mutex<()>,
    live: Mutex<Option<tokio::task::JoinHandle<()>>>,
    /// An answer has come.
    connected: Notify,
    /// What had been printed before has come.
    settled: AtomicBool,
    /// Who is told of new lines.
    signal: Mutex<Option<Arc<Notify>>>,
}

/// How the reading of a stream ended.
enum Ended {
    /// Nothing more came. Of a container that had ended before, that is all of it.
    Whole,
    Cut(kube::Error),
}

impl Tail {
    pub fn new(access: Access, board: Arc<Board>, run: Run, folder: &std::path::Path) -> Self {
        Self {
            access,
            board,
            redactor: Redactor::of(&run),
            run,
            spool: Spool::new(folder),
            cursors: Mutex::default(),
            done: Mutex::default(),
            finished: Notify::new(),
            reading: tokio::sync::Mutex::default(),
            live: Mutex::default(),
            connected: Notify::new(),
            settled: AtomicBool::new(false),
            signal: Mutex::default(),
        }
    }

    fn plan(&self) -> Vec<(Source, Stand)> {
        plan::plan(&self.run, &self.board.sight_of(&self.run))
    }

    fn is_service(&self) -> bool {
        self.run.service.is_some()
    }

    fn is_done(&self, source: &Source) -> bool {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).contains(source)
    }

    fn finish(&self, source: &Source) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone());
        self.finished.notify_waiters();
    }

    /// Whether it is being read live.
    pub fn is_live(&self) -> bool {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Whether a container prints now.
    pub fn is_open(&self) -> bool {
        self.plan().iter().any(|(_, stand)| *stand == Stand::Open)
    }

    /// Reads it live from now on; `signal` is told of new lines. `permit` is held as long as it does.
    pub fn go_live(self: &Arc<Self>, signal: Option<Arc<Notify>>, permit: Option<OwnedSemaphorePermit>) {
        if let Some(signal) = signal {
            *self.signal.lock().unwrap_or_else(PoisonError::into_inner) = Some(signal);
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
            let tail = self.clone();
            *live = Some(tokio::spawn(async move {
                let _permit = permit;
                tail.stream().await;
            }));
        }
    }

    /// Live reading ends.
    pub fn stop(&self) {
        if let Some(task) = self.live.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    /// Returns when a live stream is there, or there is none to be had soon.
    pub async fn connected(&self, within: Duration) {
        let _ = tokio::time::timeout(within, self.connected.notified()).await;
    }

    /// Reads all that has been printed.
    pub async fn catch_up(&self) -> Result<()> {
        if self.is_live() && self.has_come().await {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        loop {
            let mut more = false;
            for (source, stand) in plan::next(&self.plan(), self.is_service(), |source| self.is_done(source)) {
                self.read_now(&source, stand).await?;
                more |= stand != Stand::Open;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Waits for what is read live: what had been printed when that began, and all once all containers have ended. False where that does not come.
    async fn has_come(&self) -> bool {
        let end = Instant::now() + DRAINING;
        loop {
            let finished = self.finished.notified();
            let steps = self.plan();
            let open = steps.iter().any(|(_, stand)| *stand == Stand::Open);
            let waits = steps.iter().any(|(_, stand)| *stand == Stand::Waits);
            let all = steps.iter().all(|(source, stand)| *stand == Stand::Never || self.is_done(source));
            if all || (open && self.settled.load(Ordering::Relaxed)) || (waits && !open) {
                return true;
            }
            let end = if open { end.min(Instant::now() + CONNECTING) } else { end };
            if tokio::time::timeout_at(end, finished).await.is_err() {
                if open {
                    return true;
                }
                self.stop();
                return false;
            }
        }
    }

    /// All that a container has printed up to now.
    async fn read_now(&self, source: &Source, stand: Stand) -> Result<()> {
        if let Stand::Gone(begun) = stand {
            return self.miss(source, begun);
        }
        let (mut pace, began) = (Pace::default(), Instant::now());
        loop {
            match self.read(source, false).await? {
                Ended::Whole if stand == Stand::Ended => return self.end(source),
                Ended::Whole => return Ok(()),
                // It has just begun, or is about to end.
                Ended::Cut(error) if is_gone(&error) && stand == Stand::Open => return Ok(()),
                Ended::Cut(error) => {
                    let pause = pace.after(&error);
                    // What the node does not give now it will not give later; its run must be able to end.
                    let refuses = matches!(error, kube::Error::Api(_)) && began.elapsed() > REFUSED;
                    if !passes(&error) || refuses {
                        return self.unreadable(source, &error);
                    }
                    if pace.is_over_after(pause) {
                        return Err(self.access.refused::<Pod>("get log of", &source.pod, &error));
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Reads live, until it is told to end.
    async fn stream(&self) {
        let _reading = self.reading.lock().await;
        let told = Followed::new(self.board.clone(), &self.run);
        let (mut open, mut busy) = (FuturesUnordered::new(), HashSet::new());
        loop {
            for (source, _) in plan::next(&self.plan(), self.is_service(), |source| self.is_done(source) || busy.contains(source)) {
                if !self.is_service() && !busy.is_empty() {
                    break;
                }
                busy.insert(source.clone());
                open.push(async move {
                    let outcome = self.follow(&source).await;
                    (source, outcome)
                });
            }
            let (changed, _) = told.next();
            tokio::select! {
                Some((source, outcome)) = open.next(), if !open.is_empty() => {
                    busy.remove(&source);
                    // Nothing can be kept (the disk is full): what comes is read later.
                    if outcome.is_err() {
                        return;
                    }
                }
                () = changed.notified() => {}
            }
        }
    }

    /// Follows one container to its end, through whatever happens to the connection.
    async fn follow(&self, source: &Source) -> Result<()> {
        let (mut pace, mut failing) = (Pace::default(), None);
        loop {
            let stand = self.plan().into_iter().find(|(known, _)| known == source).map_or(Stand::Never, |(_, stand)| stand);
            match stand {
                Stand::Gone(begun) => return self.miss(source, begun),
                Stand::Waits | Stand::Never => {
                    self.finish(source);
                    return Ok(());
                }
                Stand::Open | Stand::Ended => {}
            }
            let began = Instant::now();
            match self.read(source, stand == Stand::Open).await? {
                Ended::Whole if stand == Stand::Ended => return self.end(source),
                // The end of a stream is not the end of its container: what the kubelet says of that comes a little later, or the connection was cut.
                Ended::Whole => self.until_ended(source, SAID).await,
                Ended::Cut(error) if is_gone(&error) && stand == Stand::Open => self.until_ended(source, SAID).await,
                Ended::Cut(error) if !passes(&error) => return self.unreadable(source, &error),
                Ended::Cut(error) if stand == Stand::Ended && matches!(error, kube::Error::Api(_)) && failing.get_or_insert(began).elapsed() > REFUSED => {
                    return self.unreadable(source, &error);
                }
                Ended::Cut(error) => tokio::time::sleep(pace.after(&error)).await,
            }
            if began.elapsed() > LOOK {
                pace = Pace::default();
            }
        }
    }

    /// Reads one stream until it ends.
    async fn read(&self, source: &Source, follow: bool) -> Result<Ended> {
        let since = self.with_cursor(source, |cursor| {
            cursor.connect();
            cursor.since()
        });
        let params = LogParams { container: Some(source.container.clone()), follow, since_time: since, timestamps: true, ..LogParams::default() };
        let api = self.access.api::<Pod>();
        let stream = match once(api.log_stream(&source.pod, &params)).await {
            Ok(stream) => stream,
            Err(error) => return Ok(Ended::Cut(error)),
        };
        let mut stream = std::pin::pin!(stream);
        self.connected.notify_one();
        let (mut buffer, mut news, mut ended) = (vec![0; PIECE], None::<Instant>, None::<Instant>);
        loop {
            let quiet = if self.settled.load(Ordering::Relaxed) { LOOK } else { 2 * TELL };
            let pause = news.map_or(quiet, |since| TELL.saturating_sub(since.elapsed()));
            match tokio::time::timeout(pause, stream.read(&mut buffer)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(length)) => {
                    let found = self.take(source, |cursor| cursor.take(&buffer[..length]))?;
                    if found && news.is_none() {
                        news = Some(Instant::now());
                    }
                }
                Ok(Err(error)) => {
                    self.tell();
                    return Ok(Ended::Cut(kube::Error::ReadEvents(error)));
                }
                Err(_) => {
                    self.settle();
                    if news.is_none() && follow && !self.is_printing(source) && ended.get_or_insert_with(Instant::now).elapsed() > ENDING {
                        break;
                    }
                }
            }
            if news.is_some_and(|since| since.elapsed() >= TELL) {
                news = None;
                self.settle();
                self.tell();
            }
        }
        self.settle();
        self.tell();
        Ok(Ended::Whole)
    }

    /// What had been printed before a live stream began is there.
    fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
        self.finished.notify_waiters();
    }

    /// Returns when the container is known to have ended, or after that time.
    async fn until_ended(&self, source: &Source, within: Duration) {
        let end = Instant::now() + within;
        while self.is_printing(source) && Instant::now() < end {
            tokio::time::sleep(TELL / 2).await;
        }
    }

    fn is_printing(&self, source: &Source) -> bool {
        self.plan().iter().any(|(known, stand)| known == source && *stand == Stand::Open)
    }

    fn with_cursor<T>(&self, source: &Source, act: impl FnOnce(&mut Cursor) -> T) -> T {
        act(self.cursors.lock().unwrap_or_else(PoisonError::into_inner).entry(source.clone()).or_default())
    }

    /// Takes what came; says whether there were new lines. What cannot be kept has not been taken.
    fn take(&self, source: &Source, take: impl FnOnce(&mut Cursor) -> Vec<Found>) -> Result<bool> {
        self.with_cursor(source, |cursor| {
            let mut after = cursor.clone();
            let mut bytes = Vec::new();
            let mut lost = false;
            let mut first = cursor.since().is_none().then(|| plan::announced(source, &self.board.sight_of(&self.run))).flatten();
            for found in take(&mut after) {
                match found {
                    Found::Lost => lost = true,
                    // Of a service it is said at each start, and means nothing.
                    Found::Line(line) if self.is_service() && line.text == BEGINS.as_bytes() => {}
                    Found::Line(mut line) => {
                        if let Some(begun) = first.take() {
                            if line.text == BEGINS.as_bytes() {
                                continue;
                            }
                            lost = line.time.as_duration().as_secs_f64() - begun > ROTATED;
                        }
                        if std::mem::take(&mut lost) {
                            bytes.extend(line::remark(line.time, source.attempt, "lines are missing here: the kubelet rotated the container's log"));
                        }
                        line.text = self.redactor.bytes(line.text);
                        bytes.extend(line.write(source.attempt, source.label(), Some(source.pod.as_str()).filter(|_| self.is_service())));
                    }
                }
            }
            self.spool.append(&bytes).map_err(|error| full(&error))?;
            *cursor = after;
            Ok(!bytes.is_empty())
        })
    }

    /// All of a container's log is there.
    fn end(&self, source: &Source) -> Result<()> {
        self.take(source, Cursor::end)?;
        self.finish(source);
        self.tell();
        Ok(())
    }

    /// The pod is gone. What was read of its log before is all that there is.
    fn miss(&self, source: &Source, begun: Timestamp) -> Result<()> {
        if !self.is_begun(source) {
            let of = source.label().map(|container| format!(" of {container}")).unwrap_or_default();
            let remark = line::remark(begun, source.attempt, &format!("the log{of} is gone with its pod {}", source.pod));
            self.spool.append(&remark).map_err(|error| full(&error))?;
        }
        self.end(source)
    }

    /// Whether anything of it was read.
    fn is_begun(&self, source: &Source) -> bool {
        self.with_cursor(source, |cursor| cursor.since()).is_some()
    }

    /// It cannot be read, and never will be.
    fn unreadable(&self, source: &Source, error: &kube::Error) -> Result<()> {
        if !is_gone(error) {
            let why = self.access.refused::<Pod>("get log of", &source.pod, error);
            let remark = line::remark(Timestamp::now(), source.attempt, &format!("the log cannot be read: {why}"));
            self.spool.append(&remark).map_err(|error| full(&error))?;
            return self.end(source);
        }
        let begun = self.plan().into_iter().find(|(known, _)| known == source).map(|(_, stand)| stand);
        match begun {
            Some(Stand::Gone(begun)) => self.miss(source, begun),
            _ => self.miss(source, Timestamp::now()),
        }
    }

    fn tell(&self) {
        if let Some(signal) = &*self.signal.lock().unwrap_or_else(PoisonError::into_inner) {
            signal.notify_one();
        }
    }
}

/// Whether the API server says that there is no such log: the pod is gone, or its container's log was removed.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 400))
}

fn full(error: &std::io::Error) -> Error {
    Error::store(format!("a log cannot be kept: {error}"), "check the disk of RUNWRIGHT_HOME and its free room")
}
