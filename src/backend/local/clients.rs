//! Clients: each process that submits holds the lock of a file for as long as it lives, so that others can tell whether it does.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// The clients on this machine, this one among them.
pub struct Clients {
    folder: PathBuf,
    /// This client's id.
    pub id: String,
    lock: Mutex<Option<File>>,
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
            let make = || -> std::io::Result<File> {
                std::fs::create_dir_all(&self.folder)?;
                let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
                file.lock()?;
                Ok(file)
            };
            *lock = Some(make().map_err(|error| {
                Error::backend(format!("{} cannot be made and locked: {error}", path.display()), "set RUNWRIGHT_HOME to a folder that you may write to, on a local disk")
            })?);
        }
        Ok(())
    }

    /// Whether the client of that id lives on this machine.
    #[must_use]
    pub fn is_alive(&self, id: &str) -> bool {
        id == self.id || File::open(self.folder.join(id)).is_ok_and(|file| file.try_lock_shared().is_err())
    }

    /// The ids of clients that have ended and whose file is still there.
    #[must_use]
    pub fn ended(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(|id| !self.is_alive(id))).map(|entry| entry.path()).collect()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        if self.lock.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            // A file that stays is removed by `gc`.
            let _ = std::fs::remove_file(self.folder.join(&self.id));
        }
    }
}
