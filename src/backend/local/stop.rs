//! Stops a run: a mark for a runner that is about to begin, a signal for one that is at work, the end for one that nobody has.

use std::path::Path;

use super::claim::{self, Holder};
use super::folder::RunFolder;
use super::queue;
use crate::error::{Error, Result};
use crate::model::event::End;
use crate::model::run::Run;
use crate::model::state::State;

pub fn stop(home: &Path, folder: &RunFolder, run: &Run) -> Result<()> {
    let failed = |error: &std::io::Error| Error::backend(format!("run {} cannot be stopped: {error}", run.id), "check the disk and your rights on the run's process");
    std::fs::create_dir_all(folder.path()).and_then(|()| std::fs::write(folder.file("stop"), b"")).map_err(|error| failed(&error))?;
    if matches!(claim::holder(folder)?, Holder::Nobody) && claim::seal(folder, &End::found_in(State::Stopped, "Stopped", "stopped before it started", claim::seconds_now()))? {
        queue::leave(home, run.id);
        return Ok(());
    }
    if let Holder::Alive(claim) = claim::holder(folder)?
        && let Some(pid) = rustix::process::Pid::from_raw(claim.pid)
    {
        match rustix::process::kill_process(pid, rustix::process::Signal::TERM) {
            // It ended meanwhile: that is what was asked for.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(failed(&error.into())),
        }
    }
    Ok(())
}
