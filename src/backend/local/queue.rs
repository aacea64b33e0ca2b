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

/// Whether a run is in.
pub fn has(home: &Path, id: RunId) -> bool {
    home.join("queue").join(id.to_string()).exists()
}

/// Takes a run out, if it is in.
pub fn leave(home: &Path, id: RunId) {
    // Not there: a runner has it already.
    let _ = fs::remove_file(home.join("queue").join(id.to_string()));
}

/// Whether a runner for this run would find a slot and nothing to wait for. Looked at after `enter`: a runner that ends meanwhile sees the entry.
pub fn may_start(home: &Path, id: RunId, frozen: &Value) -> bool {
    let concurrency = limit(frozen);
    home.join("queue").join(id.to_string()).exists() && needs(frozen).all(|need| has_ended(home, need)) && (concurrency == 0 || (0..concurrency).any(|slot| is_free(home, slot)))
}

/// The oldest entries that could start now, as many as there are free slots for.
pub fn startable(home: &Path) -> Vec<RunId> {
    let Ok(entries) = fs::read_dir(home.join("queue")) else { return Vec::new() };
    let mut ids: Vec<RunId> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort();
    let mut taken = 0;
    ids.retain(|id| {
        let folder = RunFolder::of(home, *id);
        // Claimed: its runner is about to take it out.
        let Some(frozen) = folder.frozen().filter(|_| !folder.file("claim").exists()) else { return false };
        let limit = limit(&frozen);
        let starts = may_start(home, *id, &frozen) && (limit == 0 || (0..limit).filter(|slot| is_free(home, *slot)).count() > taken);
        taken += usize::from(starts && limit > 0);
        starts
    });
    ids
}

/// The entries of runs that nobody can start any more: claimed, removed, or halves of writes.
pub fn stale(home: &Path) -> impl Iterator<Item = std::path::PathBuf> + use<> {
    let home = home.to_owned();
    fs::read_dir(home.join("queue")).into_iter().flatten().flatten().filter_map(move |entry| {
        let waits = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .map(|id| RunFolder::of(&home, id))
            .is_some_and(|folder| folder.is_handed_over() && !folder.file("claim").exists());
        (!waits).then(|| entry.path())
    })
}

fn limit(frozen: &Value) -> u64 {
    frozen.get("concurrency").and_then(Value::as_u64).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use serde_json::json;

    use super::*;

    /// A home with a run in its queue.
    fn enqueue(home: &Path, frozen: &Value) -> RunId {
        let id = RunId::new();
        let folder = RunFolder::of(home, id);
        fs::create_dir_all(folder.path()).expect("a folder");
        fs::write(folder.file("run.json"), frozen.to_string()).expect("a run");
        enter(home, id, frozen).expect("the queue");
        id
    }

    #[test]
    fn the_oldest_start_as_many_as_there_are_slots() {
        let home = tempfile::tempdir().expect("a folder");
        let home = home.path();
        let frozen = json!({"concurrency": 2});
        let ids: Vec<RunId> = (0..4).map(|_| enqueue(home, &frozen)).collect();
        let unlimited = enqueue(home, &json!({"concurrency": 0}));
        assert_eq!(startable(home), [ids[0], ids[1], unlimited]);
        fs::create_dir_all(home.join("slots")).expect("a folder");
        let taken: Vec<File> = (0..2).map(|slot| File::create(home.join(format!("slots/{slot}"))).expect("a slot")).collect();
        taken[0].lock().expect("a lock");
        assert_eq!(startable(home), [ids[0], unlimited]);
        taken[1].lock().expect("a lock");
        assert_eq!(startable(home), [unlimited]);
        assert!(!may_start(home, ids[0], &frozen) && has(home, ids[0]));
        drop(taken);
        leave(home, ids[0]);
        assert_eq!(startable(home), [ids[1], ids[2], unlimited]);
    }

    #[test]
    fn who_needs_others_waits_for_all_of_them() {
        let home = tempfile::tempdir().expect("a folder");
        let home = home.path();
        let needed: Vec<RunId> = (0..2).map(|_| enqueue(home, &json!({}))).collect();
        let waiting = enqueue(home, &json!({"needs": needed}));
        for need in needed {
            assert!(!startable(home).contains(&waiting));
            fs::write(RunFolder::of(home, need).file("end.json"), "{}").expect("an end");
        }
        assert!(startable(home).contains(&waiting));
    }

    #[test]
    fn what_nobody_can_start_is_passed_over_and_stale() {
        let home = tempfile::tempdir().expect("a folder");
        let home = home.path();
        let claimed = enqueue(home, &json!({}));
        fs::write(RunFolder::of(home, claimed).file("claim"), "{}").expect("a claim");
        let removed = enqueue(home, &json!({}));
        fs::remove_dir_all(RunFolder::of(home, removed).path()).expect("removed");
        fs::write(home.join("queue/.half"), "").expect("a half");
        let good = enqueue(home, &json!({}));
        assert_eq!(startable(home), [good]);
        let stale: Vec<_> = stale(home).collect();
        assert_eq!(stale.len(), 3);
        assert!(!stale.iter().any(|path| path.ends_with(good.to_string())));
    }
}
