//! The queue: runs that were handed over and wait for a slot or for other runs. Runners take from it; a client only starts the first.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::folder::RunFolder;
use crate::error::{Error, Result};
use crate::model::name::RunId;

/// Puts a run into the queue.
pub fn enter(home: &Path, id: RunId, frozen: &Value) -> Result<()> {
    let folder = home.join("queue");
    let needs: Vec<&str> = needs(frozen).collect();
    let write = || fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(id.to_string()), needs.join("\n")));
    write().map_err(|error| Error::backend(format!("the queue {} cannot be written: {error}", folder.display()), "check the disk and its free room"))
}

/// Takes a run out, if it is in.
pub fn leave(home: &Path, id: RunId) {
    // Not there: a runner has it already.
    let _ = fs::remove_file(home.join("queue").join(id.to_string()));
}

/// Whether a runner for this run would find a slot and nothing to wait for. Looked at after `enter`: a runner that ends meanwhile sees the entry.
pub fn may_start(home: &Path, id: RunId, frozen: &Value) -> bool {
    let concurrency = frozen.get("concurrency").and_then(Value::as_u64).unwrap_or(0);
    home.join("queue").join(id.to_string()).exists() && needs(frozen).all(|need| has_ended(home, need)) && (concurrency == 0 || (0..concurrency).any(|slot| is_free(home, slot)))
}

/// The oldest entry that could start now and that nobody is about to start.
pub fn next(home: &Path) -> Option<RunId> {
    let mut ids: Vec<RunId> = fs::read_dir(home.join("queue")).ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort();
    ids.into_iter().find(|id| {
        let Ok(text) = fs::read(RunFolder::of(home, *id).file("run.json")) else { return false };
        serde_json::from_slice(&text).is_ok_and(|frozen| may_start(home, *id, &frozen))
    })
}

fn needs(frozen: &Value) -> impl Iterator<Item = &str> {
    frozen.get("needs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn has_ended(home: &Path, id: &str) -> bool {
    id.parse().is_ok_and(|id| RunFolder::of(home, id).file("end.json").exists())
}

fn is_free(home: &Path, slot: u64) -> bool {
    match OpenOptions::new().read(true).open(home.join("slots").join(slot.to_string())) {
        Ok(file) => file.try_lock_shared().is_ok(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}
