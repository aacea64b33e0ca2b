//! The function versions that were run here, one file each: with them a store that was lost gives back runs that can be reproduced.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::name::Name;
use crate::model::run::Run;
use crate::store::artifacts::write_whole;

fn file(home: &Path, project: &str, name: &str, version: &str) -> PathBuf {
    home.join("versions").join(project).join(name).join(format!("{version}.json"))
}

/// Keeps a version. Once: it never changes.
pub fn keep(home: &Path, function: &Function) -> Result<()> {
    let path = file(home, function.project.as_str(), function.name.as_str(), function.version.as_str());
    if path.exists() {
        return Ok(());
    }
    let text = serde_json::to_vec(function).map_err(std::io::Error::from);
    text.and_then(|text| write_whole(&path, &text))
        .map_err(|error| Error::backend(format!("the version of {} cannot be written to {}: {error}", function.name, path.display()), "check the disk and its free room"))
}

/// Removes all of a project.
pub fn remove(home: &Path, project: &Name) -> Result<()> {
    let folder = home.join("versions").join(project.as_str());
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::backend(format!("{} cannot be removed: {error}", folder.display()), "remove it by hand, or give yourself the right"))
        }
        _ => Ok(()),
    }
}

/// The version that a run is of, if it was kept here.
pub fn kept(home: &Path, run: &Run) -> Option<Function> {
    let text = std::fs::read(file(home, run.project.as_str(), run.function.as_str(), run.version.as_str())).ok()?;
    serde_json::from_slice(&text).ok()
}
