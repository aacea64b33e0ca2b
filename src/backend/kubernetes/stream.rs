//! The objects of one kind, as they change: listed, then watched, for ever.
//!
//! It goes on after an expired watch, a cut or a silent connection, an API server that is away, and whatever else; never more often than is good for
//! the API server. An object of a form that cannot be read is left out, and hides no other.

use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use kube::Client;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Request;
use kube::core::metadata::ListMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::patience::{explain, once, passes};
use super::target::SILENCE;

/// How many objects a list asks for at a time: each page is in memory once.
const PAGE: u32 = 100;
/// A watch that lived as long as this was a good one.
const STEADY: Duration = Duration::from_secs(5);
/// After so many watches in a row that told nothing because they ended at once, all is listed again.
const FRUITLESS: u32 = 3;
/// The pauses after failures begin with the first and double up to the second; to the third where it would not help to hurry.
const PAUSES: (Duration, Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5), Duration::from_mins(1));

/// What is watched.
pub struct Source {
    /// The path of the objects, such as `/api/v1/namespaces/n/pods`.
    pub path: String,
    pub labels: Option<String>,
    /// How long a watch may last, in seconds, until a new one goes on where it ended.
    pub lasts: u32,
}

/// What is told.
pub enum Told<K> {
    /// All that is there follows.
    Begun,
    /// One that is there, with its uid; None where it cannot be read.
    Listed(String, Option<K>),
    /// That was all.
    Complete,
    /// It came, or changed.
    Is(K),
    /// It went.
    Gone(K),
    /// What is wrong just now, and whether it may pass by itself.
    Failed(String, bool),
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    items: Vec<Value>,
}

/// Why a list or a watch ended.
enum Ended {
    /// What was asked for is not kept any more: all has to be listed again.
    Expired,
    Failed(kube::Error),
}

impl From<kube::Error> for Ended {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 410 => Self::Expired,
            error => Self::Failed(error),
        }
    }
}

/// Tells of the objects, and does not return.
pub async fn follow<K: DeserializeOwned>(client: &Client, source: &Source, mut tell: impl FnMut(Told<K>)) {
    let (mut version, mut pace, mut fruitless) = (None, Pace::default(), 0);
    loop {
        let (began, from) = (Instant::now(), version.clone());
        let outcome = match &mut version {
            None => match list(client, source, &mut tell).await {
                Ok(listed) => {
                    version = Some(listed);
                    continue;
                }
                Err(ended) => Err(ended),
            },
            Some(version) => watch(client, source, version, &mut tell).await,
        };
        let told = from.is_some() && version != from;
        if told || began.elapsed() >= STEADY {
            (pace, fruitless) = (Pace::default(), 0);
        } else if from.is_some() {
            fruitless += 1;
        }
        if fruitless >= FRUITLESS {
            (version, fruitless) = (None, 0);
        }
        let pause = match outcome {
            Ok(()) if began.elapsed() >= STEADY => continue,
            // Somebody on the way ends watches that have just begun.
            Ok(()) => pace.next(None),
            Err(Ended::Expired) => {
                version = None;
                pace.next(None)
            }
            Err(Ended::Failed(error)) => {
                tell(Told::Failed(explain(&error), passes(&error)));
                pace.next(Some(&error))
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Tells of all that is there. Gives the version from which to watch.
async fn list<K: DeserializeOwned>(client: &Client, source: &Source, tell: &mut impl FnMut(Told<K>)) -> Result<String, Ended> {
    tell(Told::Begun);
    let mut params = ListParams { label_selector: source.labels.clone(), limit: Some(PAGE), ..ListParams::default() };
    loop {
        let request = Request::new(source.path.as_str()).list(&params).map_err(kube::Error::BuildRequest)?;
        let page: List = once(client.request(request)).await?;
        for item in page.items {
            tell(Told::Listed(text(&item, "uid"), serde_json::from_value(item).ok()));
        }
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            tell(Told::Complete);
            return Ok(page.metadata.resource_version.unwrap_or_default());
        }
    }
}

/// Tells of what changes, until the watch ends. `version`: how far it came.
async fn watch<K: DeserializeOwned>(client: &Client, source: &Source, version: &mut String, tell: &mut impl FnMut(Told<K>)) -> Result<(), Ended> {
    let params = WatchParams { label_selector: source.labels.clone(), timeout: Some(source.lasts), bookmarks: true, ..WatchParams::default() };
    let request = Request::new(source.path.as_str()).watch(&params, version).map_err(kube::Error::BuildRequest)?;
    let mut events = std::pin::pin!(once(client.request_events::<Value>(request)).await?);
    loop {
        // The connection itself notices silence; a gateway may keep it busy with nothing.
        let Ok(event) = tokio::time::timeout(SILENCE, events.try_next()).await else {
            return Err(Ended::Failed(kube::Error::Service(format!("its watch told nothing for {} s", SILENCE.as_secs()).into())));
        };
        let (object, gone) = match event? {
            None => return Ok(()),
            Some(WatchEvent::Error(status)) => return Err(kube::Error::Api(status.boxed()).into()),
            Some(WatchEvent::Bookmark(mark)) => {
                *version = mark.metadata.resource_version;
                continue;
            }
            Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => (object, false),
            Some(WatchEvent::Deleted(object)) => (object, true),
        };
        *version = text(&object, "resourceVersion");
        let known = read(&object);
        let known = if gone { known.or_else(|| read(&identity(&object))).map(Told::Gone) } else { known.map(Told::Is) };
        if let Some(told) = known {
            tell(told);
        }
    }
}

fn read<K: DeserializeOwned>(object: &Value) -> Option<K> {
    K::deserialize(object).ok()
}

/// As much of an object as tells which it is.
fn identity(object: &Value) -> Value {
    let metadata = object.get("metadata");
    let of = |field: &str| metadata.and_then(|metadata| metadata.get(field)).cloned().unwrap_or_default();
    json!({"metadata": {"name": of("name"), "namespace": of("namespace"), "uid": of("uid"), "labels": of("labels"), "ownerReferences": of("ownerReferences")}})
}

fn text(object: &Value, field: &str) -> String {
    object.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The pauses after failures.
struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Pace {
    fn next(&mut self, error: Option<&kube::Error>) -> Duration {
        let mut pause = self.0;
        let longest = if error.is_none_or(passes) { PAUSES.1 } else { PAUSES.2 };
        self.0 = (self.0 * 2).min(longest);
        if let Some(kube::Error::Api(status)) = error
            && let Some(details) = &status.details
        {
            pause = pause.max(Duration::from_secs(details.retry_after_seconds.into())).min(PAUSES.2);
        }
        // Not all clients at once.
        pause + pause * SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_micros() % 256) / 1024
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Event;

    use super::*;

    #[test]
    fn an_object_that_cannot_be_read_has_its_identity() {
        let odd = json!({"metadata": {"name": "x", "uid": "u", "resourceVersion": "7"}, "involvedObject": {}, "lastTimestamp": "9999-12-31T23:59:59Z"});
        assert!(read::<Event>(&odd).is_none(), "read after all: another example is needed");
        assert_eq!(read::<k8s_openapi::api::batch::v1::Job>(&identity(&odd)).and_then(|job| job.metadata.uid).as_deref(), Some("u"));
        assert_eq!(text(&odd, "resourceVersion"), "7");
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_pauses() {
        let mut pace = Pace::default();
        let minute: Duration = (0..40).map(|_| pace.next(None)).sum();
        assert!(minute > Duration::from_mins(1), "40 tries take {minute:?}");
        let refused = kube::Error::Api(Box::new(kube::core::Status { code: 403, ..Default::default() }));
        let last = (0..20).map(|_| pace.next(Some(&refused))).last();
        assert!(last >= Some(PAUSES.2));
    }
}
