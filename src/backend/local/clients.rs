//! Clients: each process that submits holds the lock of a file for as long as it lives, so that others can tell whether it does.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{Error, Result};

/// The clients on this machine, this one among them.
pub struct Clients {
    folder: PathBuf,
    /// This client's id.
    pub id: String,
    lock: Mutex<Option<Arc<Held>>>,
}

impl Clients {
    #[must_use]
    pub fn new(home: &Path) -> Self {
        Self { folder: home.join("clients"), id: uuid::Uuid::now_v7().to_string(), lock: Mutex::new(None) }
    }

    /// From now on this client is seen to be alive. Done before its first record.
    pub fn announce(&self) -> Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            let path = self.folder.join(&self.id);
            *lock = Some(self.make(&path).map_err(|error| {
                Error::backend(format!("{} cannot be made and locked: {error}", path.display()), "set RUNWRIGHT_HOME to a folder that you may write to, on a local disk")
            })?);
        }
        Ok(())
    }

    fn make(&self, path: &Path) -> std::io::Result<Arc<Held>> {
        std::fs::create_dir_all(&self.folder)?;
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.lock()?;
            // A `gc` may have found it before it was locked, and removed it.
            if path.exists() {
                let held = Arc::new(Held { path: path.to_owned(), pid: std::process::id(), file: Mutex::new(Some(file)) });
                let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
                all.retain(|held| held.strong_count() > 0);
                all.push(Arc::downgrade(&held));
                return Ok(held);
            }
        }
    }

    /// Whether the client of that id lives on this machine.
    #[must_use]
    pub fn is_alive(&self, id: &str) -> bool {
        id == self.id || File::open(self.folder.join(id)).is_ok_and(|file| file.try_lock_shared().is_err())
    }

    /// The files of clients that have ended; with `remove` they go. Held locked meanwhile: a client that is just making its own sees that it went.
    pub fn sweep(&self, remove: bool) -> std::io::Result<Vec<PathBuf>> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let mut ended = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.file_name() != Some(self.id.as_ref())) {
            let Ok(file) = File::open(&path) else { continue };
            if file.try_lock().is_ok() {
                if remove {
                    std::fs::remove_file(&path)?;
                }
                ended.push(path);
            }
        }
        Ok(ended)
    }
}

/// The lock of a client's file.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    pid: u32,
    file: Mutex<Option<File>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Not in a forked child, where it is the parent's. A file that stays is removed by `gc`.
        if self.pid == std::process::id() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// All locks of this process.
static HELD: Mutex<Vec<Weak<Held>>> = Mutex::new(Vec::new());

/// Called in a forked child: a lock lives as long as any process has it open, and the child must not keep its dead parent alive.
pub fn forked() {
    // Taken at the time of the fork by another thread (of the parent, there is none here): then for ever.
    let Ok(mut all) = HELD.try_lock() else { return };
    for held in all.drain(..).filter_map(|held| held.upgrade()) {
        if let Ok(mut file) = held.file.try_lock() {
            file.take();
        }
    }
}
