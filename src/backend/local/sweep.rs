//! Removes what belongs to nothing any more: files of clients that have ended, halves of writes, values staged by clients that died.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::clients::Clients;
use crate::error::{Error, Result};

/// What is younger may still be at work.
const AGE: Duration = Duration::from_hours(1);

pub fn sweep(home: &Path, clients: &Clients, dry_run: bool) -> Result<Vec<String>> {
    let mut rest = clients.ended();
    for folder in ["staging", "code", "envs", "runner"] {
        rest.extend(entries(&home.join(folder)).filter(|path| (folder == "staging" || is_partial(path)) && is_old(path)));
    }
    for path in &rest {
        if !dry_run {
            let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            removed.map_err(|error| Error::backend(format!("{} cannot be removed: {error}", path.display()), "remove it by hand, or give yourself the right"))?;
        }
    }
    Ok(rest.into_iter().map(|path| path.display().to_string()).collect())
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "partial")
}

fn is_old(path: &Path) -> bool {
    path.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > AGE))
}
