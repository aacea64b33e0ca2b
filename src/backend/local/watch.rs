//! Tells when something changed in a run's folder: one file-system watcher for all runs of the process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::model::name::RunId;

/// The kernel drops events when its queue is full, and some file systems have none: so a look now and then all the same.
const SAFETY: Duration = Duration::from_secs(5);

type Signals = Arc<Mutex<HashMap<RunId, Arc<Notify>>>>;

/// The watcher; started with the first run that is followed.
#[derive(Default)]
pub struct Watch {
    signals: Signals,
    watcher: Mutex<Option<RecommendedWatcher>>,
}

impl Watch {
    /// Tells whoever follows the run by then that something happened.
    pub fn teller(&self, id: RunId) -> impl FnOnce() + Send + 'static {
        let signals = self.signals.clone();
        move || {
            if let Some(signal) = signals.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
                signal.notify_one();
            }
        }
    }

    /// From now on changes are signalled. Called before the first look, so that nothing is missed between the two.
    pub fn follow(&self, id: RunId, folder: &Path) {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default();
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if watcher.is_none() {
            let signals = self.signals.clone();
            *watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| forward(&signals, event)).ok();
        }
        if let Some(watcher) = watcher.as_mut() {
            // Without a watch (a folder that is not there, too many watches) the safety look remains.
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
    }

    /// Returns when the folder changed since the last call, or after a while.
    pub async fn changed(&self, id: RunId) {
        // A signal that came before this wait is kept by `Notify`.
        let signal = self.signals.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned().unwrap_or_default();
        let _ = tokio::time::timeout(SAFETY, signal.notified()).await;
    }

    /// No more signals for this run.
    pub fn forget(&self, id: RunId, folder: &Path) {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(watcher) = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // The folder may be gone, and its watch with it.
            let _ = watcher.unwatch(folder);
        }
    }
}

fn forward(signals: &Signals, event: notify::Result<notify::Event>) {
    let signals = signals.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        // Who reads causes events too, this process among them.
        Ok(event) if matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)) => {}
        Ok(event) if !event.need_rescan() => {
            for path in &event.paths {
                let id = path.ancestors().take(2).find_map(|path| path.file_name()?.to_str()?.parse::<RunId>().ok());
                if let Some(signal) = id.and_then(|id| signals.get(&id)) {
                    signal.notify_one();
                }
            }
        }
        // Events were lost: everybody looks.
        _ => signals.values().for_each(|signal| signal.notify_one()),
    }
}
