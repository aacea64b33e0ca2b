//! What comes back of a run: by the termination message, by the sidecar's log, or through the artifact store.
//!
//! The formats are those of `docs/decisions/0005-a-run-in-a-pod.md`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path};

use flate2::read::ZlibDecoder;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::apply::Access;
use super::name::RESULTS;
use super::packed;
use super::patience::at_length;
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::store::artifacts::{Artifacts, write_whole};

/// The termination message of the main container.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Stream { stream: Stream },
    Slot { slot: Slot },
    Payload(Payload),
}

#[derive(Debug, Deserialize)]
struct Stream {
    bytes: usize,
    payload: usize,
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct Slot {
    sha256: String,
}

/// Everything that the runner tells of a run.
#[derive(Debug, Deserialize)]
pub struct Payload {
    #[serde(default)]
    pub events: Vec<Value>,
    pub end: Option<Value>,
    #[serde(default)]
    files: BTreeMap<String, File>,
}

#[derive(Debug, Deserialize)]
struct File {
    size: usize,
    #[serde(default)]
    slot: Option<usize>,
    #[serde(default, rename = "in")]
    within: Option<String>,
}

/// Where results are looked for.
pub struct Channels<'a> {
    pub access: &'a Access,
    pub artifacts: &'a Artifacts,
    /// Below the artifact store: slot n is `<slots>/n`.
    pub slots: String,
    /// The folder that files of the stream are put into.
    pub folder: &'a Path,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Results {
    pub events: Vec<Event>,
    pub end: Option<End>,
}

impl Channels<'_> {
    /// The results of a pod whose main container has ended with that message. None where there is no message of ours.
    pub async fn collect(&self, pod: &str, message: &str) -> Result<Option<Results>> {
        let payload = match serde_json::from_str::<Message>(message) {
            Ok(Message::Payload(payload)) => payload,
            Ok(Message::Stream { stream }) => self.take_stream(pod, &stream).await?,
            Ok(Message::Slot { slot }) => self.take_slot(&slot).await?,
            Err(_) => return Ok(None),
        };
        self.take(payload).await.map(Some)
    }

    /// What the sidecar says of a main container that was killed. None where it says nothing.
    pub async fn remains(&self, pod: &str) -> Result<Option<Results>> {
        let Ok(log) = self.log(pod).await else { return Ok(None) };
        match log.lines().rev().find_map(|line| line.strip_prefix("t ")) {
            Some(message) => self.collect(pod, message).await,
            None => Ok(None),
        }
    }

    async fn log(&self, pod: &str) -> Result<String> {
        let (api, params) = (self.access.api::<Pod>(), LogParams { container: Some(RESULTS.into()), ..LogParams::default() });
        at_length(|| api.logs(pod, &params)).await.map_err(|error| self.access.refused::<Pod>("get log of", pod, &error))
    }

    async fn take_stream(&self, pod: &str, stream: &Stream) -> Result<Payload> {
        let log = self.log(pod).await?;
        let bytes = streamed(&log)
            .filter(|bytes| bytes.len() == stream.bytes && hex(bytes) == stream.sha256)
            .ok_or_else(|| lost(&format!("the log of its container {RESULTS} in pod {pod} does not hold the {} bytes that it announced", stream.bytes)))?;
        let (head, files) = bytes.split_at(stream.payload.min(bytes.len()));
        let payload = inflate(head).ok_or_else(|| lost("what it announced cannot be read"))?;
        let mut at = 0;
        for (name, file) in payload.files.iter().filter(|(_, file)| file.within.as_deref() == Some("stream")) {
            let content = files.get(at..at + file.size).ok_or_else(|| lost(&format!("{name} is not whole")))?;
            at += file.size;
            self.put(name, content)?;
        }
        Ok(payload)
    }

    async fn take_slot(&self, slot: &Slot) -> Result<Payload> {
        let at = format!("{}/0", self.slots);
        let bytes = self.artifacts.get(&at).await?.filter(|bytes| hex(bytes) == slot.sha256);
        bytes.and_then(|bytes| inflate(&bytes)).ok_or_else(|| lost(&format!("{at} in the artifact store is not what it put there")))
    }

    /// A file of the run's folder, as if it had been written here.
    fn put(&self, name: &str, content: &[u8]) -> Result<()> {
        let inside = !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(Error::invalid("path", name, format!("its file {name:?} is not one in the run's folder"), "return the data, or log it with source="));
        }
        let path = self.folder.join(name);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(self.folder))?;
            write_whole(&path, content)
        };
        write().map_err(|error| Error::store(format!("{} cannot be written: {error}", path.display()), "check the disk and its free room"))
    }

    /// What it says as events; where each file is, is noted in what names it.
    async fn take(&self, payload: Payload) -> Result<Results> {
        let places = self.unpack(&payload.files).await?;
        let mut results = Results::default();
        for mut event in payload.events {
            if let Some(output) = event.get_mut("entity").and_then(|entity| entity.get_mut("output")).and_then(Value::as_object_mut) {
                note(output, &places);
            }
            // One that cannot be read ends nothing else.
            results.events.extend(serde_json::from_value(event).ok());
        }
        if let Some(mut end) = payload.end {
            for output in end.get_mut("outputs").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
                note(output, &places);
            }
            results.end = Some(serde_json::from_value(end).map_err(|error| lost(&format!("its end cannot be read: {error}")))?);
        }
        Ok(results)
    }

    /// Files that are in the artifact store, by their path in the run's folder. Those in a zip there are taken out of it.
    async fn unpack(&self, files: &BTreeMap<String, File>) -> Result<BTreeMap<String, String>> {
        let mut places = BTreeMap::new();
        let mut zipped = None;
        for (name, file) in files {
            let Some(slot) = file.slot else { continue };
            let at = format!("{}/{slot}", self.slots);
            if file.within.as_deref() == Some("zip") {
                zipped = Some(at);
            } else {
                places.insert(name.clone(), at);
            }
        }
        if let Some(at) = zipped {
            let bytes = self.artifacts.get(&at).await?.ok_or_else(|| lost(&format!("{at} is not in the artifact store")))?;
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(|error| lost(&format!("{at} is no archive: {error}")))?;
            for (name, file) in files.iter().filter(|(_, file)| file.within.as_deref() == Some("zip")) {
                let mut content = Vec::with_capacity(file.size);
                let read = archive.by_name(name).map_err(std::io::Error::other).and_then(|mut entry| entry.read_to_end(&mut content));
                read.map_err(|error| lost(&format!("{name} is not in {at}: {error}")))?;
                self.put(name, &content)?;
            }
        }
        Ok(places)
    }
}

/// The field of a descriptor that says where in the artifact store its bytes are already.
pub const STORED: &str = "stored";

fn note(output: &mut Map<String, Value>, places: &BTreeMap<String, String>) {
    if let Some(at) = output.get("path").and_then(Value::as_str).and_then(|path| places.get(path)) {
        output.insert(STORED.into(), at.clone().into());
    }
}

/// The bytes that a sidecar printed.
fn streamed(log: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(log.len() / 5 * 4);
    for line in log.lines().filter_map(|line| line.strip_prefix("r ")) {
        bytes.extend(packed::base85(line.trim_end().as_bytes())?);
    }
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

fn inflate(bytes: &[u8]) -> Option<Payload> {
    serde_json::from_reader(ZlibDecoder::new(bytes)).ok()
}

fn hex(bytes: &[u8]) -> String {
    crate::model::name::Digest::of(bytes).as_str().to_owned()
}

fn lost(what: &str) -> Error {
    Error::invalid(
        "results",
        "",
        format!("the results of the run are lost: {what}"),
        "run it again; set RUNWRIGHT_ARTIFACTS to a bucket that pods reach, and they do not depend on the pod",
    )
}
