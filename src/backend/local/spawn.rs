//! Starts a runner, in a process group of its own: what happens to the client's terminal does not happen to it.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use super::claim::{self, Holder};
use super::folder::RunFolder;
use super::{Settings, queue};
use crate::error::{Error, Result};
use crate::model::event::End;
use crate::model::name::RunId;

/// The exit code of a runner that put its run into the queue.
const WAITS: i32 = 4;

/// Starts it and returns at once; `ended` is called when the process has gone.
pub fn runner(settings: &Settings, runner: &Path, home: &Path, id: RunId, folder: &RunFolder, ended: impl FnOnce() + Send + 'static) -> Result<()> {
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
    let (home, folder) = (home.to_owned(), folder.clone());
    tokio::spawn(async move {
        // To reap it; what it did is in its folder.
        let code = child.wait().await.ok().and_then(|status| status.code());
        if code != Some(WAITS)
            && matches!(claim::holder(&folder), Ok(Holder::Nobody))
            && folder.is_handed_over()
            && claim::seal(&folder, &unclaimed(&folder, code)).is_ok_and(|sealed| sealed)
        {
            queue::leave(&home, id);
        }
        ended();
    });
    Ok(())
}

/// The end of a run whose runner ended before it had taken the run: killed, or a Python that cannot even start it.
fn unclaimed(folder: &RunFolder, code: Option<i32>) -> End {
    let said = std::fs::read(folder.file("runner.log")).unwrap_or_default();
    let said = String::from_utf8_lossy(&said[said.len().saturating_sub(2000)..]).trim().to_owned();
    let how = code.map_or_else(|| "it was killed".to_owned(), |code| format!("exit code {code}"));
    let message = format!("the run's process ended before it began ({how}){}{said}", if said.is_empty() { "" } else { ": " });
    End::found("RunnerLost", &message, "nothing of it was executed: start it again with run.reproduce()", claim::seconds_now())
}
