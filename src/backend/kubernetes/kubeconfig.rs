//! The kubeconfig: read anew when it has changed. Each run is asked several times where it is, and reading one takes longer than all else that is done for a run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use kube::config::{Kubeconfig, KubeconfigError};

use crate::error::{Error, Result};

/// What was written later than this before now may be written again within the same tick of the file system's clock: it is read each time.
const FRESH: Duration = Duration::from_secs(2);

/// What tells one state of the files from another.
#[derive(Clone, PartialEq)]
struct Stamp {
    variable: Option<std::ffi::OsString>,
    files: Vec<(PathBuf, SystemTime, u64)>,
}

static LAST: Mutex<Option<(Stamp, Arc<Kubeconfig>)>> = Mutex::new(None);

/// KUBECONFIG (several files are merged) or `~/.kube/config`. None where there is none.
pub fn read() -> Result<Option<Arc<Kubeconfig>>> {
    let stamp = Stamp::now();
    if let (Some(stamp), Some((of, known))) = (&stamp, &*LAST.lock().unwrap_or_else(PoisonError::into_inner))
        && of == stamp
    {
        return Ok(Some(known.clone()));
    }
    let read = match Kubeconfig::read() {
        Ok(kubeconfig) => Arc::new(kubeconfig),
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(KubeconfigError::FindPath) => return Ok(None),
        Err(error) => {
            let value = std::env::var("KUBECONFIG").unwrap_or_default();
            return Err(Error::invalid("KUBECONFIG", value, format!("the kubeconfig cannot be read: {error}"), "correct the file, or KUBECONFIG"));
        }
    };
    // Unless it changed meanwhile.
    if let Some(stamp) = stamp.filter(|stamp| Stamp::now().as_ref() == Some(stamp)) {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamp, read.clone()));
    }
    Ok(Some(read))
}

impl Stamp {
    /// None where it cannot be told, or does not tell enough.
    fn now() -> Option<Self> {
        let variable = std::env::var_os("KUBECONFIG");
        let paths: Vec<PathBuf> = match &variable {
            Some(paths) => std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty()).collect(),
            None => vec![std::env::home_dir()?.join(".kube/config")],
        };
        let files = paths.into_iter().map(|path| {
            let metadata = std::fs::metadata(&path).ok()?;
            let modified = metadata.modified().ok()?;
            let is_old = SystemTime::now().duration_since(modified).is_ok_and(|age| age > FRESH);
            is_old.then_some((path, modified, metadata.len()))
        });
        Some(Self { files: files.collect::<Option<_>>()?, variable })
    }
}
