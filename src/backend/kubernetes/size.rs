//! What the objects of a run may hold. More is refused before anything is created, with the name of what takes the room.

use std::collections::BTreeMap;

use serde::Serialize;

use super::name;
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::model::workload::Process;

/// The annotations of one object may have 256 KiB together, by the API server; some room is left for others'.
pub const ANNOTATIONS: usize = 240 * 1024;
/// The bytes of a ConfigMap or a Secret: 1 MiB, by the API server; of ours there is one file in a ConfigMap, with a short name.
pub const CONFIG_MAP: usize = 1000 * 1024;
const SECRET: usize = 1024 * 1024;
/// A whole object as JSON. etcd takes requests of 1.5 MiB by default; the API server adds who set which field, and the status comes later.
const OBJECT: usize = 1024 * 1024;
/// One argument or variable (`NAME=value` and a zero byte) of a program, by the Linux kernel.
const WORD: usize = 128 * 1024;

const BUCKET: &str = "set RUNWRIGHT_ARTIFACTS (or rw.use(artifacts=…)) to a bucket that pods reach";

/// The annotations of an object.
pub fn annotations(annotations: &BTreeMap<String, String>) -> Result<()> {
    let size = of_annotations(annotations);
    if size <= ANNOTATIONS {
        return Ok(());
    }
    let largest = annotations.iter().max_by_key(|(_, value)| value.len()).map_or("", |(name, _)| name);
    let (field, cure) = match largest {
        name::ITEMS => ("items", "map over fewer items at a time, or over keys of data instead of the data itself".to_owned()),
        name::FROZEN | name::CODE => ("parameters", format!("give large values as inputs: log them as a dataitem or an artifact, and {BUCKET}")),
        _ => ("annotations", "give less in annotations=".to_owned()),
    };
    Err(Error::invalid(
        field,
        format!("{} KiB", size / 1024),
        format!("the {field} have {} KiB compressed; together with the code an object of Kubernetes takes {} KiB", size / 1024, ANNOTATIONS / 1024),
        cure,
    ))
}

/// The bytes of annotations, as the API server counts them.
pub fn of_annotations(annotations: &BTreeMap<String, String>) -> usize {
    annotations.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// The Job or Deployment of a run, all in all.
pub fn owner(owner: &impl Serialize, run: &Run, process: &Process) -> Result<()> {
    let whole = of_json(owner);
    if whole <= OBJECT {
        return Ok(());
    }
    let words = match process {
        Process::Command(words) => of_json(words),
        Process::Container(container) => of_json(&container.command) + of_json(&container.args),
        Process::Call(_) | Process::Serve(_) => 0,
    };
    let parts = [
        ("envs", of_json(&run.spec.envs), "give less in envs=, or mount it as a file: volumes="),
        ("args", words, "give less in args=, or mount it as a file: volumes="),
        ("pod_template", run.spec.extra.get("pod_template").map_or(0, of_json), "give less in pod_template="),
    ];
    let (field, size, cure) = parts.into_iter().max_by_key(|(_, size, _)| *size).unwrap_or_default();
    Err(Error::invalid(
        field,
        format!("{} KiB", size / 1024),
        format!("the {field} have {} KiB; with the rest of the run's object that is {} KiB, and Kubernetes takes {} KiB", size / 1024, whole / 1024, OBJECT / 1024),
        cure,
    ))
}

fn of_json<T: Serialize + ?Sized>(part: &T) -> usize {
    serde_json::to_string(part).map_or(0, |text| text.len())
}

/// The arguments and variables of a program that the kernel starts. (Those of a Python function are set in a process that runs already.)
pub fn words(run: &Run, process: &Process) -> Result<()> {
    let words: Vec<&String> = match process {
        Process::Command(words) => words.iter().collect(),
        Process::Container(container) => container.command.iter().chain(&container.args).collect(),
        Process::Call(_) | Process::Serve(_) => return Ok(()),
    };
    if let Some(long) = words.into_iter().find(|word| word.len() >= WORD) {
        return Err(too_long("args", "an argument", long.len(), "give it in a file: volumes="));
    }
    match run.spec.envs.iter().find(|(name, value)| name.len() + 1 + value.len() >= WORD) {
        Some((name, value)) => Err(too_long("envs", name, value.len(), "give it in a file: volumes=")),
        None => Ok(()),
    }
}

/// The Secret of a run. `runner`: whether they become variables of a process that runs already.
pub fn secrets(secrets: &BTreeMap<String, String>, runner: bool) -> Result<()> {
    if let Some((name, value)) = secrets.iter().find(|(name, value)| !runner && name.len() + 1 + value.len() >= WORD) {
        return Err(too_long("secrets", name, value.len(), "mount a Secret of the cluster as a file: volumes="));
    }
    let size: usize = secrets.values().map(String::len).sum();
    if size <= SECRET {
        return Ok(());
    }
    let (largest, _) = secrets.iter().max_by_key(|(_, value)| value.len()).unwrap_or_else(|| unreachable!());
    Err(Error::invalid(
        "secrets",
        largest,
        format!("the secrets have {} KiB, the most of it {largest}; a Secret of Kubernetes takes {} KiB", size / 1024, SECRET / 1024),
        "give keys and passwords only; data is an input: log it as an artifact",
    ))
}

fn too_long(field: &str, what: &str, size: usize, cure: &str) -> Error {
    Error::invalid(field, what, format!("{field}: {what} has {} KiB; Linux starts no program with more than {} KiB in one", size / 1024, WORD / 1024), cure)
}
