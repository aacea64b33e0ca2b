//! Starts a runner, in a process group of its own: what happens to the client's terminal does not happen to it.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tokio::sync::Notify;

use super::Settings;
use super::folder::RunFolder;
use crate::error::{Error, Result};
use crate::model::name::RunId;

/// Starts it and returns at once; `ended` is signalled when the process has gone.
pub fn runner(settings: &Settings, home: &Path, id: RunId, folder: &RunFolder, ended: Arc<Notify>) -> Result<()> {
    let runner = (settings.runner)()?;
    let unstartable = |error: &std::io::Error| {
        Error::backend(
            format!("the run's process cannot be started with {}: {error}", settings.python.display()),
            "check that this Python exists and may be executed, and that the machine has room for another process",
        )
    };
    // What the runner itself says, should it not come as far as its own log.
    let fault = OpenOptions::new().create(true).append(true).open(folder.file("runner.log")).map_err(|error| unstartable(&error))?;
    let mut command = std::process::Command::new(&settings.python);
    command.args(["-I", "-S"]).arg(runner).arg(home).arg(id.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(fault).process_group(0);
    let mut child = tokio::process::Command::from(command).kill_on_drop(false).spawn().map_err(|error| unstartable(&error))?;
    tokio::spawn(async move {
        // Only to reap it; what it did is in its folder.
        let _ = child.wait().await;
        ended.notify_one();
    });
    Ok(())
}
