//! Provenance: who ran what, where, from which state of the code.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::model::name::Digest;

/// A commit made or a file edited is seen this much later at most. Asking git for every run would cost more than a short run.
const FRESH: Duration = Duration::from_secs(10);

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

    /// The provenance of what is submitted now.
    pub fn now(&self) -> Map<String, Value> {
        let mut all = self.fixed.clone();
        let folder = std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default();
        all.insert("cwd".into(), folder.clone().into());
        let mut cached = self.git.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = cached.as_ref().filter(|checkout| checkout.asked.elapsed() < FRESH && checkout.folder == folder);
        if let Some(checkout) = fresh {
            all.extend(checkout.found.clone());
        } else {
            let found = git(Path::new(&folder));
            all.extend(found.clone());
            *cached = Some(Checkout { asked: Instant::now(), folder, found });
        }
        all
    }
}

/// Commit, branch, and the digest of what differs from the commit; nothing outside a checkout or without git.
fn git(folder: &Path) -> Map<String, Value> {
    let mut found = Map::new();
    // Cheaper than a process that finds nothing.
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return found;
    }
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then_some(output.stdout)
    };
    let line = |arguments: &[&str]| ask(arguments).map(|output| String::from_utf8_lossy(&output).trim().to_owned());
    if let Some(both) = line(&["rev-parse", "HEAD", "--abbrev-ref", "HEAD"])
        && let Some((commit, branch)) = both.split_once('\n')
    {
        found.insert("git_commit".into(), commit.into());
        found.insert("git_branch".into(), branch.into());
    }
    if let Some(diff) = ask(&["diff", "HEAD", "--no-ext-diff", "--no-color"]) {
        found.insert("git_dirty".into(), (!diff.is_empty()).into());
        if !diff.is_empty() {
            found.insert("git_diff_digest".into(), Digest::of(&diff).as_str().into());
        }
    }
    found
}
