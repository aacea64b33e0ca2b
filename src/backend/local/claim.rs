//! The claim: who runs a run, whether it is alive, and the end of one whose runner cannot write it any more.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};

use serde::{Deserialize, Serialize};

use super::folder::RunFolder;
use crate::error::{Error, Result};
use crate::model::event::End;
use crate::model::time;

/// What a claim says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claim {
    pub pid: i32,
    #[serde(default)]
    pub host: String,
    pub time: f64,
}

/// Who has the run.
#[derive(Debug)]
pub enum Holder {
    /// Nobody claimed it yet.
    Nobody,
    /// A runner that is alive.
    Alive(Claim),
    /// A runner that has ended.
    Ended,
}

/// Looks at the claim. Its lock lives exactly as long as the runner does.
pub fn holder(folder: &RunFolder) -> Result<Holder> {
    let path = folder.file("claim");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Ended),
        Err(TryLockError::WouldBlock) => {
            let text = std::fs::read(&path).map_err(|error| unreadable(folder, &error))?;
            Ok(Holder::Alive(serde_json::from_slice(&text).unwrap_or(Claim { pid: 0, host: String::new(), time: 0.0 })))
        }
        Err(TryLockError::Error(error)) => Err(unreadable(folder, &error)),
    }
}

/// Claims a run for nobody and writes its end, so that no runner can start it. False where somebody has it.
pub fn seal(folder: &RunFolder, end: &End) -> Result<bool> {
    // The claim appears under its name only when it is locked: who sees it unlocked may trust that its holder has ended.
    let unique = uuid::Uuid::now_v7().simple();
    let (partial, written) = (folder.file(&format!("claim.{unique}")), folder.file(&format!("end.{unique}")));
    let seal = || -> std::io::Result<bool> {
        std::fs::create_dir_all(folder.path())?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(&partial)?;
        file.lock()?;
        file.write_all(&serde_json::to_vec(&Claim { pid: 0, host: String::new(), time: seconds_now() })?)?;
        // Before the claim: on a full disk there is then neither.
        std::fs::write(&written, serde_json::to_vec(end)?)?;
        match std::fs::hard_link(&partial, folder.file("claim")) {
            Ok(()) => {
                // No runner will read them any more.
                let _ = std::fs::remove_file(folder.file("secrets.json"));
                std::fs::rename(&written, folder.file("end.json")).map(|()| true)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    };
    let sealed = seal();
    // Best effort: a left-over changes nothing and goes with the folder.
    let _ = std::fs::remove_file(&partial);
    let _ = std::fs::remove_file(&written);
    sealed.map_err(|error| unreadable(folder, &error))
}

/// The end of a run: as its runner wrote it, or as it is found. None while it goes on.
///
/// `has_client`: whether the client that recorded it may still hand it over.
pub fn end_of(folder: &RunFolder, has_client: bool) -> Result<Option<End>> {
    if let Some(end) = folder.end()? {
        return Ok(Some(end));
    }
    match holder(folder)? {
        Holder::Alive(_) => Ok(None),
        // It may have written its end between the two looks.
        Holder::Ended => Ok(Some(folder.end()?.unwrap_or_else(|| lost(folder)))),
        Holder::Nobody if folder.is_handed_over() || has_client => Ok(None),
        Holder::Nobody => {
            // The client may have handed it over and gone between the two looks; and who seals it first decides.
            let end = End::found(
                "NotStarted",
                "the run was recorded, but its client ended before anything was started",
                "nothing ran and nothing is left to run: start it again with run.reproduce()",
                seconds_now(),
            );
            Ok((!folder.is_handed_over() && seal(folder, &end)?).then_some(end))
        }
    }
}

fn lost(folder: &RunFolder) -> End {
    // Its runner may have died before it read them.
    let _ = std::fs::remove_file(folder.file("secrets.json"));
    let written = folder.file("log.jsonl").metadata().or_else(|_| folder.file("claim").metadata());
    let time = written.and_then(|metadata| metadata.modified()).ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    End::found(
        "RunnerLost",
        "the run's process ended without writing an end: it was killed (SIGKILL), or the machine was restarted",
        "start it again with run.reproduce(); what it printed until then is in its logs",
        time.map_or_else(seconds_now, |time| time.as_secs_f64()),
    )
}

pub fn seconds_now() -> f64 {
    time::now().as_duration().as_secs_f64()
}

fn unreadable(folder: &RunFolder, error: &std::io::Error) -> Error {
    Error::backend(format!("the claim in {} cannot be used: {error}", folder.path().display()), "check the disk and the rights on the folder")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::RunId;
    use crate::model::state::State;

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let home = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::of(home.path(), RunId::new());
        std::fs::create_dir_all(folder.path()).expect("a folder");
        (home, folder)
    }

    fn stopped(message: &str) -> End {
        End::found_in(State::Stopped, "Stopped", message, 1.0)
    }

    #[test]
    fn of_many_who_seal_one_does() {
        let (_home, folder) = folder();
        let sealed: Vec<(usize, bool)> = std::thread::scope(|scope| {
            let folder = &folder;
            let all: Vec<_> = (0..16).map(|at| scope.spawn(move || (at, seal(folder, &stopped(&at.to_string())).expect("a seal")))).collect();
            all.into_iter().map(|one| one.join().expect("a thread")).collect()
        });
        let winners: Vec<usize> = sealed.into_iter().filter(|(_, sealed)| *sealed).map(|(at, _)| at).collect();
        let end = folder.end().expect("readable").expect("an end");
        assert_eq!((winners.len(), end.error.expect("why").message), (1, winners[0].to_string()));
        assert!(matches!(holder(&folder), Ok(Holder::Ended)), "the seal is released");
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_run_that_is_claimed_is_not_sealed_and_lost_when_its_holder_is_gone() {
        let (_home, folder) = folder();
        assert!(matches!(holder(&folder), Ok(Holder::Nobody)));
        std::fs::write(folder.file("claim"), br#"{"pid": 4711, "host": "h", "time": 1.0}"#).expect("a claim");
        let claim = File::open(folder.file("claim")).expect("a claim");
        claim.lock().expect("a lock");
        assert!(matches!(holder(&folder), Ok(Holder::Alive(Claim { pid: 4711, .. }))));
        assert!(!seal(&folder, &stopped("late")).expect("an answer"));
        assert!(end_of(&folder, false).expect("an answer").is_none(), "it goes on, client or not");
        drop(claim);
        assert_eq!(end_of(&folder, true).expect("an answer").and_then(|end| end.error).expect("why").cause, "RunnerLost");
    }

    #[test]
    fn a_run_without_a_client_that_was_not_handed_over_never_starts() {
        let (_home, folder) = folder();
        assert!(end_of(&folder, true).expect("an answer").is_none(), "its client may still");
        assert_eq!(end_of(&folder, false).expect("an answer").and_then(|end| end.error).expect("why").cause, "NotStarted");
        assert!(!seal(&folder, &stopped("late")).expect("an answer"));
        assert_eq!(folder.end().expect("readable").and_then(|end| end.error).expect("why").cause, "NotStarted");
    }

    #[test]
    fn a_damaged_end_is_one() {
        let (_home, folder) = folder();
        for damaged in [&b""[..], b"{", b"[]", &[0; 4096]] {
            std::fs::write(folder.file("end.json"), damaged).expect("a file");
            let end = end_of(&folder, true).expect("an answer").expect("an end");
            assert_eq!((end.state, end.error.expect("why").cause.as_str()), (State::Error, "RunnerLost"));
        }
    }
}
