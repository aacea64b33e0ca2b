//! Removes what belongs to nothing any more: files of clients that have ended, halves of writes, values staged by clients that died.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::clients::Clients;
use super::{folder, queue};
use crate::error::{Error, Result};

/// What is younger may still be at work.
const AGE: Duration = Duration::from_hours(1);

pub fn sweep(home: &Path, clients: &Clients, dry_run: bool) -> Result<Vec<String>> {
    let unremovable =
        |path: &Path, error: &std::io::Error| Error::backend(format!("{} cannot be removed: {error}", path.display()), "remove it by hand, or give yourself the right");
    let ended = clients.sweep(!dry_run).map_err(|error| unremovable(&home.join("clients"), &error))?;
    let mut rest = Vec::new();
    for folder in ["staging", "inline", "code", "envs", "runner"] {
        rest.extend(entries(&home.join(folder)).filter(|path| (matches!(folder, "staging" | "inline") || is_partial(path)) && is_old(path)));
    }
    partials(&home.join("artifacts"), &mut rest);
    rest.extend(queue::stale(home).filter(|path| is_old(path)));
    // Of a run that was never handed over nobody needs the folder: its record, if there is one, is in the store and says so.
    rest.extend(folder::all(home).iter().filter(|folder| !folder.is_handed_over()).map(|folder| folder.path().to_owned()).filter(|path| is_old(path)));
    for path in &rest {
        if !dry_run {
            let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            removed.map_err(|error| unremovable(path, &error))?;
        }
    }
    Ok(ended.into_iter().chain(rest).map(|path| path.display().to_string()).collect())
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Halves of writes, at any depth.
fn partials(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => partials(&entry.path(), found),
            _ if is_partial(&entry.path()) && is_old(&entry.path()) => found.push(entry.path()),
            _ => {}
        }
    }
}

fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "partial")
}

fn is_old(path: &Path) -> bool {
    path.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > AGE))
}
