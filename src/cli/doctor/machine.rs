//! What Runwright finds on this machine.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::super::{Facts, text};
use super::Check;

/// Below this much free room runs will fail soon.
const SCARCE: u64 = 1 << 30;
/// Below this much they fail now.
const NONE: u64 = 50 << 20;
/// By how much the clocks of the machine and of the home's file system may differ: leases and ages are told from both.
const SKEW: u64 = 5;
/// A clock that shows less was never set (2024-01-01).
const NEVER_SET: u64 = 1_704_067_200;

pub fn python(facts: &Facts) -> Check {
    Check::ok("python", format!("{} ({})", facts.version, facts.executable))
}

/// The folder of everything local: it can be written and locked, and there is room.
pub fn home(home: &Path) -> Check {
    let cure = "set RUNWRIGHT_HOME to a folder on a local disk that you may write to";
    if let Err(error) = probe(home) {
        return Check::fail("home", format!("{} cannot be used: {error}", home.display()), cure);
    }
    let free = match rustix::fs::statvfs(home) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return Check::warn("home", format!("{}: the free room cannot be told: {error}", home.display()), cure),
    };
    let message = format!("{}, {} free", home.display(), text::bytes(free));
    match free {
        ..NONE => Check::fail("home", message, "free some room: `runwright gc` removes the folders of old runs"),
        NONE..SCARCE => Check::warn("home", message, "free some room: `runwright gc` removes the folders of old runs"),
        _ => Check::ok("home", message),
    }
}

/// Writes and locks a file, and says when the file system thinks that was.
fn probe(home: &Path) -> std::io::Result<SystemTime> {
    std::fs::create_dir_all(home)?;
    let path = home.join(format!(".doctor-{}", std::process::id()));
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(b"probe")?;
        file.lock()?;
        file.metadata()?.modified()
    };
    let written = write();
    // Best effort: the error that matters is the first.
    let _ = std::fs::remove_file(&path);
    written
}

pub fn clock(home: &Path) -> Check {
    let now = SystemTime::now();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let cure = "set the clock (timedatectl set-ntp true): runs are ordered by it";
    if seconds < NEVER_SET {
        return Check::fail("clock", format!("it shows {}", jiff::Timestamp::now()), cure);
    }
    let Ok(written) = probe(home) else { return Check::ok("clock", jiff::Timestamp::now().to_string()) };
    let skew = written.duration_since(now).or_else(|_| now.duration_since(written)).map_or(0, |skew| skew.as_secs());
    if skew > SKEW {
        return Check::warn("clock", format!("the file system of {} is {skew} s off this machine's clock", home.display()), cure);
    }
    Check::ok("clock", jiff::Timestamp::now().to_string())
}

pub fn git() -> Check {
    match version_of("git", &["--version"]) {
        Some(version) => Check::ok("git", version),
        None => Check::warn("git", "git is not on PATH", "install git: without it, provenance has no commit, and git+https sources cannot be had"),
    }
}

/// What makes environments for `requirements`.
pub fn installer(facts: &Facts) -> Check {
    match (version_of("uv", &["--version"]), facts.venv) {
        (Some(version), _) => Check::ok("installer", version),
        (None, true) => Check::warn("installer", "pip; uv is not on PATH", "install uv: it makes environments for requirements many times faster"),
        (None, false) => Check::fail(
            "installer",
            "neither uv nor this Python's venv and ensurepip are there",
            "install uv, or the distribution's package for venv (python3-venv): functions with requirements do not run without",
        ),
    }
}

fn version_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let first = String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)?;
    output.status.success().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_home_that_cannot_be_written_fails_with_a_cure() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_ne!(home(&folder.path().join("new/home")).status, Status::Fail);
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("a file");
        let check = home(&file.join("home"));
        assert_eq!(check.status, Status::Fail);
        assert!(check.cure.is_some_and(|cure| cure.contains("RUNWRIGHT_HOME")));
    }

    #[test]
    fn a_missing_program_is_none() {
        assert_eq!(version_of("runwright-no-such-program", &[]), None);
    }
}
