//! How large code, and inputs that lie on this machine, get into a pod: through the artifact store where pods reach it, else along with the Job.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};

use super::lower::{Version, items, too_large, waits};
use super::{name, packed, size};
use crate::backend::{Load, Luggage};
use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::name::Digest;
use crate::model::plan::Plan;
use crate::model::run::Run;
use crate::model::time;
use crate::store::artifacts::{Artifacts, Take};

/// What may go along with a Job, packed: several objects of nearly 1 MiB.
const LUGGAGE: usize = 4 * 1024 * 1024;
/// One of them.
const PIECE: usize = 900 * 1024;
/// How many there may be.
pub const PIECES: usize = LUGGAGE.div_ceil(PIECE);
/// How many files a run may put into the artifact store by themselves; more go into an archive. An item of a fan-out has few, because those of all travel together.
const SLOTS: usize = 8;
const SLOTS_OF_ITEM: usize = 2;
/// What differs between the items of a fan-out is in each of its pods up to this size, packed. More travels once, as this file of the luggage.
const ITEMS: usize = 16 * 1024;
const ITEMS_FILE: &str = "items.jsonl";

/// Files on their way: what they hold, and to which place below the run's folder.
type Files = Vec<(String, Content)>;

enum Content {
    Of(PathBuf),
    Text(String),
}

/// How a backend packs.
pub struct Packing<'a> {
    pub artifacts: &'a Artifacts,
    /// Where what was staged for a run is kept while it waits for others.
    pub held: &'a Path,
}

impl Packing<'_> {
    /// Code that no object takes is fetched from the artifact store. Not that of a service, whose pods start anew for longer than URLs live.
    pub async fn pack_code(&self, function: &Function, version: &Version, loads: &mut [Load], luggage: &mut Luggage) -> Result<()> {
        const SMALLER: &str = "leave data out of the code folder, or put packages into the image or into requirements=";
        let Some((at, zip)) = version.stored().filter(|_| loads.iter().any(|load| load.plan.calls())) else { return Ok(()) };
        if loads.iter().any(|load| matches!(load.plan, Plan::Service(_))) {
            return Err(too_large(function, zip.len(), SMALLER));
        }
        let Some(url) = self.artifacts.presigned_get(at).await? else {
            return Err(too_large(function, zip.len(), &format!("{SMALLER}; or set RUNWRIGHT_ARTIFACTS to a store that pods reach (s3://…)")));
        };
        let code = json!({"url": url.as_str(), "sha256": Digest::of(zip).to_string()});
        for load in loads {
            load.code = Some(code.clone());
        }
        luggage.code = Some((at.clone(), zip.clone()));
        Ok(())
    }

    pub async fn pack(&self, loads: &mut [Load], luggage: &mut Luggage) -> Result<()> {
        size::secrets(&luggage.secrets, loads.iter().any(|load| load.plan.calls()))?;
        let (mut files, any_waits) = (Files::new(), loads.iter().any(waits));
        let lifetime = self.artifacts.lifetime();
        for load in loads.iter_mut() {
            let waits = waits(load);
            let kept = self.held.join(load.run.id.to_string());
            if load.staging.is_none() && kept.exists() {
                load.staging = Some(kept);
            }
            if let Some(lifetime) = lifetime.filter(|_| reports(load)) {
                load.until = Some(time::now().as_duration().as_secs_f64() + lifetime.as_secs_f64());
                load.slots = self.slots(load).await?;
            }
            if !waits || lifetime.is_some() {
                self.pack_inputs(load, luggage, &mut files).await?;
            }
        }
        pack_items(loads, &mut files)?;
        // What waits gets all of it when it is released.
        let packed = if any_waits { Bytes::new() } else { luggage_of(&files)? };
        luggage.pieces = packed.chunks(PIECE).map(Bytes::copy_from_slice).collect();
        for load in loads {
            load.pieces = luggage.pieces.len();
        }
        Ok(())
    }

    async fn pack_inputs(&self, load: &mut Load, luggage: &mut Luggage, files: &mut Files) -> Result<()> {
        let folder = name::gathered(&load.run).map_or_else(|| "inputs".into(), |map| format!("inputs/{}", map.index));
        for (name, input) in &mut load.inputs {
            let mut found = Vec::new();
            visit(input, &mut |descriptor| found.push(descriptor.clone()));
            let mut places = Vec::with_capacity(found.len());
            for (number, path) in found.into_iter().enumerate() {
                let source = load.staging.as_ref().map_or_else(|| PathBuf::from(&path), |staging| staging.join(&path));
                let file = source.file_name().and_then(|file| file.to_str()).unwrap_or("data").to_owned();
                let number = if number == 0 { String::new() } else { format!("-{number}") };
                places.push(self.send(&load.run, &source, format!("{folder}/{name}{number}/{file}"), luggage, files).await?);
            }
            let mut places = places.into_iter();
            replace(input, &mut || places.next());
        }
        Ok(())
    }

    async fn send(&self, run: &Run, source: &Path, to: String, luggage: &mut Luggage, files: &mut Files) -> Result<Place> {
        let at = format!("{}/run/{}/{to}", run.project, run.id);
        if !source.exists()
            && self.artifacts.get_size(&at).await?.is_some()
            && let Some(url) = self.artifacts.presigned_get(&at).await?
        {
            // Sent when the run was handed over.
            return Ok(Place::Url(url.to_string()));
        }
        if !source.exists() {
            return Err(Error::invalid("inputs", source.display(), format!("{} is not there", source.display()), "make it again"));
        }
        if let (true, Some(url)) = (source.is_file(), self.artifacts.presigned_get(&at).await?) {
            luggage.uploads.push((at, source.to_owned()));
            return Ok(Place::Url(url.to_string()));
        }
        collect(source, &to, files)?;
        Ok(Place::Path(to))
    }

    async fn slots(&self, load: &Load) -> Result<Vec<String>> {
        let count = if name::gathered(&load.run).is_some() { SLOTS_OF_ITEM } else { SLOTS };
        let mut slots = Vec::with_capacity(count);
        for number in 0..count {
            let url = self.artifacts.presigned_put(&format!("{}/{number}", slots_at(&load.run))).await?;
            slots.extend(url.map(String::from));
        }
        Ok(slots)
    }
}

/// Sends what goes to the artifact store.
pub async fn upload(artifacts: &Artifacts, luggage: &Luggage) -> Result<()> {
    if let Some((at, zip)) = &luggage.code
        && artifacts.get_size(at).await? != Some(zip.len() as u64)
    {
        artifacts.put(at, zip.to_vec()).await?;
    }
    for (at, file) in &luggage.uploads {
        artifacts.put_file(at, file, Take::Copy).await?;
    }
    Ok(())
}

/// Whether files may come back of it.
fn reports(load: &Load) -> bool {
    load.plan.calls() && !matches!(load.plan, Plan::Service(_))
}

/// What differs between the items of a fan-out, where that is too large to be in each of its pods.
fn pack_items(loads: &mut [Load], files: &mut Files) -> Result<()> {
    if loads.first().is_none_or(|first| name::gathered(&first.run).is_none()) {
        return Ok(());
    }
    if loads.iter().all(|load| load.slots.is_empty()) && packed::annotation(&items(loads))?.len() <= ITEMS {
        return Ok(());
    }
    let line = |load: &Load| format!("{}\n", json!({"parameters": load.run.spec.parameters, "inputs": load.inputs, "slots": load.slots}));
    files.push((ITEMS_FILE.to_owned(), Content::Text(loads.iter().map(line).collect())));
    for load in loads {
        load.apart = true;
    }
    Ok(())
}

/// Where a file is found in the pod.
enum Place {
    Path(String),
    Url(String),
}

/// A file, or all files of a folder.
fn collect(source: &Path, to: &str, files: &mut Files) -> Result<()> {
    if source.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(source).map_err(|error| unreadable(source, &error))?.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            collect(&entry, &format!("{to}/{name}"), files)?;
        }
        return Ok(());
    }
    files.push((to.to_owned(), Content::Of(source.to_owned())));
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::invalid("inputs", path.display(), format!("{} cannot be read: {error}", path.display()), "check the rights on it")
}

fn luggage_of(files: &Files) -> Result<Bytes> {
    if files.is_empty() {
        return Ok(Bytes::new());
    }
    let too_large = |size: u64| {
        let size = format!("{} KiB", size / 1024);
        if matches!(files.as_slice(), [(only, _)] if only == ITEMS_FILE) {
            return Error::invalid(
                "items",
                &size,
                format!("what differs between the items of the map has {size} packed; {} KiB may go along with a Job", LUGGAGE / 1024),
                "map over fewer items at a time, or over keys of data instead of the data itself",
            );
        }
        Error::invalid(
            "inputs",
            &size,
            format!("the inputs have {size}; without an artifact store that pods reach {} KiB may go along with a Job", LUGGAGE / 1024),
            "set RUNWRIGHT_ARTIFACTS (or rw.use(artifacts=…)) to a bucket: s3://…, gs://…, az://…",
        )
    };
    let size_of = |content: &Content| match content {
        Content::Of(path) => path.metadata().map_or(0, |metadata| metadata.len()),
        Content::Text(text) => text.len() as u64,
    };
    let size: u64 = files.iter().map(|(_, content)| size_of(content)).sum();
    // Nothing compresses that well which people call data; reading it all to find out would take long.
    if size > 20 * LUGGAGE as u64 {
        return Err(too_large(size));
    }
    let read = |(to, content): &(String, Content)| {
        let bytes = match content {
            Content::Of(path) => std::fs::read(path).map_err(|error| unreadable(path, &error))?,
            Content::Text(text) => text.clone().into_bytes(),
        };
        Ok((to.clone(), bytes))
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
