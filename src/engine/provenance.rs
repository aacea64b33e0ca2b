//! Provenance: who ran what, where, from which state of the code.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::process::Command;

use crate::model::name::Digest;

/// A commit made or a file edited is seen this much later at most. Asking git for every run would cost more than a short run.
const FRESH: Duration = Duration::from_secs(10);
/// How long git may take (a network disk that hangs, a huge checkout). Without its answer a run begins all the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// What git said of a folder, and when.
struct Checkout {
    asked: Instant,
    folder: String,
    found: Map<String, Value>,
}

/// What stays the same while a process lives, and the state of its git checkout.
pub struct Session {
    pub host: String,
    fixed: Map<String, Value>,
    git: Mutex<Option<Checkout>>,
}

impl Session {
    pub fn new(session: Map<String, Value>) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut fixed = session;
        fixed.insert("host".into(), host.clone().into());
        fixed.insert("pid".into(), std::process::id().into());
        fixed.insert("runwright".into(), env!("CARGO_PKG_VERSION").into());
        let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        fixed.insert("user".into(), user.unwrap_or_else(|| rustix::process::getuid().as_raw().to_string()).into());
        Self { host, fixed, git: Mutex::new(None) }
    }

    /// Asks git, where what it said last is too old. To be called before `now`.
    pub async fn refresh(&self) {
        let folder = current_folder();
        if !self.is_fresh(&folder) {
            let found = tokio::time::timeout(PATIENCE, git(Path::new(&folder))).await.unwrap_or_default();
            *self.git.lock().unwrap_or_else(PoisonError::into_inner) = Some(Checkout { asked: Instant::now(), folder, found });
        }
    }

    fn is_fresh(&self, folder: &str) -> bool {
        let cached = self.git.lock().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().is_some_and(|checkout| checkout.asked.elapsed() < FRESH && checkout.folder == folder)
    }

    /// The provenance of what is submitted now.
    pub fn now(&self) -> Map<String, Value> {
        let mut all = self.fixed.clone();
        let folder = current_folder();
        if let Some(checkout) = self.git.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(|checkout| checkout.folder == folder) {
            all.extend(checkout.found.clone());
        }
        all.insert("cwd".into(), folder.into());
        all
    }
}

fn current_folder() -> String {
    std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// Commit, branch, and the digest of what differs from the commit; nothing outside a checkout or without git.
async fn git(folder: &Path) -> Map<String, Value> {
    let mut found = Map::new();
    // Cheaper than a process that finds nothing.
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return found;
    }
    let both = ask(folder, &["rev-parse", "HEAD", "--abbrev-ref", "HEAD"]).await.unwrap_or_default();
    if let Some((commit, branch)) = String::from_utf8_lossy(&both).trim().split_once('\n') {
        found.insert("git_commit".into(), commit.into());
        found.insert("git_branch".into(), branch.into());
    }
    if let Some(diff) = ask(folder, &["diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color"]).await {
        found.insert("git_dirty".into(), (!diff.is_empty()).into());
        if !diff.is_empty() {
            found.insert("git_diff_digest".into(), Digest::of(&diff).as_str().into());
        }
    }
    found
}

/// What git answers; None where it fails. It takes no lock in the user's checkout, and ends with whoever asks.
async fn ask(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command.env("GIT_OPTIONAL_LOCKS", "0").arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok()?;
    output.status.success().then_some(output.stdout)
}
