//! How inputs that lie on this machine get into a pod: through the artifact store where pods reach it, else along with the Job.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::lower::waits;
use super::{name, packed};
use crate::backend::{Load, Luggage};
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::store::artifacts::{Artifacts, LONGEST};

/// What may go along with a Job, packed: several objects of nearly 1 MiB.
const LUGGAGE: usize = 4 * 1024 * 1024;
/// One of them.
const PIECE: usize = 900 * 1024;
/// How many there may be.
pub const PIECES: usize = LUGGAGE.div_ceil(PIECE);
/// How many files a run may put into the artifact store by themselves; more go into an archive.
const SLOTS: usize = 8;

/// Files on their way: from where, and to which place below the run's folder.
type Files = Vec<(String, PathBuf)>;

/// `held`: where what was staged for a run is kept while it waits for others.
pub async fn pack(artifacts: &Artifacts, held: &Path, loads: &mut [Load], luggage: &mut Luggage) -> Result<()> {
    let many = loads.iter().any(|load| name::gathered(&load.run).is_some());
    let mut files = Files::new();
    for load in loads.iter_mut() {
        let waits = waits(load);
        let kept = held.join(load.run.id.to_string());
        if load.staging.is_none() && kept.exists() {
            load.staging = Some(kept);
        }
        if !waits || matches!(artifacts, Artifacts::Remote(_)) {
            pack_inputs(artifacts, load, luggage, &mut files).await?;
        }
        if matches!(artifacts, Artifacts::Remote(_)) && !many {
            load.slots = slots(artifacts, load).await?;
        }
    }
    let packed = luggage_of(&files)?;
    luggage.pieces = packed.chunks(PIECE).map(Bytes::copy_from_slice).collect();
    for load in loads {
        load.pieces = luggage.pieces.len();
    }
    Ok(())
}

async fn pack_inputs(artifacts: &Artifacts, load: &mut Load, luggage: &mut Luggage, files: &mut Files) -> Result<()> {
    let folder = name::gathered(&load.run).map_or_else(|| "inputs".into(), |map| format!("inputs/{}", map.index));
    for (name, input) in &mut load.inputs {
        let mut found = Vec::new();
        visit(input, &mut |descriptor| found.push(descriptor.clone()));
        let mut places = Vec::with_capacity(found.len());
        for (number, path) in found.into_iter().enumerate() {
            let source = load.staging.as_ref().map_or_else(|| PathBuf::from(&path), |staging| staging.join(&path));
            let file = source.file_name().and_then(|file| file.to_str()).unwrap_or("data").to_owned();
            let number = if number == 0 { String::new() } else { format!("-{number}") };
            places.push(send(artifacts, &load.run, &source, format!("{folder}/{name}{number}/{file}"), luggage, files).await?);
        }
        let mut places = places.into_iter();
        replace(input, &mut || places.next());
    }
    Ok(())
}

/// Where a file is found in the pod.
enum Place {
    Path(String),
    Url(String),
}

async fn send(artifacts: &Artifacts, run: &Run, source: &Path, to: String, luggage: &mut Luggage, files: &mut Files) -> Result<Place> {
    let at = format!("{}/run/{}/{to}", run.project, run.id);
    if !source.exists()
        && artifacts.get_size(&at).await?.is_some()
        && let Some(url) = artifacts.presigned_get(&at, LONGEST).await?
    {
        // Sent when the run was handed over.
        return Ok(Place::Url(url.to_string()));
    }
    if !source.exists() {
        return Err(Error::invalid("inputs", source.display(), format!("{} is not there", source.display()), "make it again"));
    }
    if let (true, Some(url)) = (source.is_file(), artifacts.presigned_get(&at, LONGEST).await?) {
        luggage.uploads.push((at, source.to_owned()));
        return Ok(Place::Url(url.to_string()));
    }
    collect(source, &to, files)?;
    Ok(Place::Path(to))
}

/// A file, or all files of a folder.
fn collect(source: &Path, to: &str, files: &mut Files) -> Result<()> {
    let unreadable = |error: &std::io::Error| Error::invalid("inputs", source.display(), format!("{} cannot be read: {error}", source.display()), "check the rights on it");
    if source.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(source).map_err(|error| unreadable(&error))?.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            collect(&entry, &format!("{to}/{name}"), files)?;
        }
        return Ok(());
    }
    files.push((to.to_owned(), source.to_owned()));
    Ok(())
}

fn luggage_of(files: &Files) -> Result<Bytes> {
    if files.is_empty() {
        return Ok(Bytes::new());
    }
    let too_large = |size: u64| {
        Error::invalid(
            "inputs",
            format!("{} KiB", size / 1024),
            format!("the inputs have {} KiB; without an artifact store that pods reach {} KiB may go along with a Job", size / 1024, LUGGAGE / 1024),
            "set RUNWRIGHT_ARTIFACTS (or rw.use(artifacts=…)) to a bucket: s3://…, gs://…, az://…",
        )
    };
    let size: u64 = files.iter().filter_map(|(_, path)| path.metadata().ok()).map(|metadata| metadata.len()).sum();
    // Nothing compresses that well which people call data; reading it all to find out would take long.
    if size > 20 * LUGGAGE as u64 {
        return Err(too_large(size));
    }
    let read = |(to, path): &(String, PathBuf)| {
        let content =
            std::fs::read(path).map_err(|error| Error::invalid("inputs", path.display(), format!("{} cannot be read: {error}", path.display()), "check the rights on it"))?;
        Ok((to.clone(), content))
    };
    let packed = packed::zip(files.iter().map(read))?;
    if packed.len() > LUGGAGE { Err(too_large(packed.len() as u64)) } else { Ok(packed) }
}

/// Calls `found` with the path of each descriptor that has one and no URL.
fn visit(input: &Value, found: &mut impl FnMut(&String)) {
    match input {
        Value::Object(object) => match (object.get("path"), object.get("url")) {
            (Some(Value::String(path)), None) => found(path),
            (None, None) => object.values().for_each(|value| visit(value, found)),
            _ => {}
        },
        Value::Array(array) => array.iter().for_each(|value| visit(value, found)),
        _ => {}
    }
}

/// Puts the places into the same descriptors, in the same order.
fn replace(input: &mut Value, next: &mut impl FnMut() -> Option<Place>) {
    match input {
        Value::Object(object) => match (object.get("path").is_some_and(Value::is_string), object.contains_key("url")) {
            (true, false) => match next() {
                Some(Place::Path(path)) => drop(object.insert("path".into(), path.into())),
                Some(Place::Url(url)) => {
                    object.remove("path");
                    object.insert("url".into(), url.into());
                }
                None => {}
            },
            (false, false) => object.values_mut().for_each(|value| replace(value, next)),
            _ => {}
        },
        Value::Array(array) => array.iter_mut().for_each(|value| replace(value, next)),
        _ => {}
    }
}

/// Where a run's files may be put, below the artifact store.
pub fn slots_at(run: &Run) -> String {
    format!("{}/run/{}/results", run.project, run.id)
}

async fn slots(artifacts: &Artifacts, load: &Load) -> Result<Vec<String>> {
    let mut slots = Vec::with_capacity(SLOTS);
    for number in 0..SLOTS {
        let url = artifacts.presigned_put(&format!("{}/{number}", slots_at(&load.run)), LONGEST).await?;
        slots.extend(url.map(String::from));
    }
    Ok(slots)
}

/// What the client staged has been sent, or is kept until the run is released.
pub fn unstage(held: &Path, load: &Load) {
    let Some(staging) = &load.staging else { return };
    let kept = held.join(load.run.id.to_string());
    // Best effort: what stays is swept; what is missed is told when the run is released.
    if waits(load) && staging != &kept {
        let _ = std::fs::create_dir_all(held);
        let _ = std::fs::rename(staging, kept);
    } else {
        let _ = std::fs::remove_dir_all(staging);
    }
}
