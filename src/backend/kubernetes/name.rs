//! What our objects are called, and by which labels and annotations they are known.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::model::name::{Digest, RunId};
use crate::model::run::{MapItem, Run};

/// The field manager of everything that we write.
pub const MANAGER: &str = "runwright";
/// By this label all that is ours is found.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "runwright");
/// The label with the beginning of the function version's digest.
pub const VERSION: &str = "runwright.dev/version";
/// The label with the id of a run, and the one with the id of a fan-out.
pub const RUN: &str = "runwright.dev/run";
pub const MAP: &str = "runwright.dev/map";
/// The label on a ConfigMap that several runs share: `runner` or `code`.
pub const SHARED: &str = "runwright.dev/shared";
/// Annotations of a pod's template: what the pod needs, and what gives the records back.
pub const FROZEN: &str = "runwright.dev/run";
pub const CODE: &str = "runwright.dev/code";
pub const ITEMS: &str = "runwright.dev/items";
/// An annotation of the Job: the function version, where it fits, for a store that has lost it.
pub const FUNCTION: &str = "runwright.dev/function-version";
/// An annotation of the Job: when it was stopped, as text of RFC 3339.
pub const STOPPED: &str = "runwright.dev/stopped";
/// An annotation of the Job of a fan-out: the indexes that were stopped by themselves, as in `1,5`.
pub const STOPPED_INDEXES: &str = "runwright.dev/stopped-indexes";
/// An annotation of the Job: it waits (suspended) for the runs that it reads.
pub const WAITS: &str = "runwright.dev/waits-for-runs";

/// An annotation of what is held back: nothing of it starts before all that it needs is there.
pub const HELD: &str = "runwright.dev/held";
/// The label by which Kueue knows a Job's queue.
pub const QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// An annotation of the Job: why it was given up before it began, as JSON. It is suspended.
pub const GIVEN_UP: &str = "runwright.dev/given-up";
/// An annotation of a Job that follows one whose attempt failed: what is said of each attempt before it, as a JSON list of text.
pub const ATTEMPTS: &str = "runwright.dev/attempts-before";

/// How the name of the ConfigMap with the runner begins.
pub const OF_RUNNER: &str = "runwright-runner-";

/// The containers of a run's pod.
pub const MAIN: &str = "main";
pub const RESULTS: &str = "results";
/// What the runner prints first of all in the main container: by it is known that nothing is missing before. It is no line of the run's.
pub const BEGINS: &str = "runwright: begins";

/// In the reference of a run that shares a Job with others: its index there.
pub const INDEX: &str = "index";

/// The fan-out whose Job a run shares. None where it has one of its own.
#[must_use]
pub fn gathered(run: &Run) -> Option<&MapItem> {
    run.spec.map.as_ref().filter(|_| run.reference.contains_key(INDEX))
}

/// The Job, the Secret, … of a run; all runs of a fan-out share one.
#[must_use]
pub fn of_run(run: &Run) -> String {
    match gathered(run) {
        Some(map) => format!("rw-{}", map.id),
        None => format!("rw-{}", run.id),
    }
}

/// The Job of one run alone: that of a run, or one that follows an attempt of a fan-out's item.
#[must_use]
pub fn of_item(id: RunId) -> String {
    format!("rw-{id}")
}

/// The Job of a run's later attempt, which is made where the first Job cannot do it again: it needs another pod.
#[must_use]
pub fn of_attempt(run: RunId, attempt: u32) -> String {
    format!("rw-{run}-m{attempt}")
}

/// How many characters `rw-<id>` has.
const BASE: usize = 39;

/// The name `rw-<id>` that the name of a Job, of a later attempt's Job or of a pod of theirs begins with, and the attempt.
#[must_use]
pub fn base(name: &str) -> Option<(&str, u32)> {
    let base = name.get(..BASE)?;
    id_in(base)?;
    let attempt = name[BASE..].strip_prefix("-m").and_then(|rest| rest.split('-').next()?.parse().ok());
    Some((base, attempt.unwrap_or(1)))
}

/// A ConfigMap with a piece of a run's luggage.
#[must_use]
pub fn of_piece(owner: &str, piece: usize) -> String {
    format!("{owner}-{piece}")
}

/// The ConfigMap with the code of a function version.
#[must_use]
pub fn of_code(source: &Digest) -> String {
    format!("runwright-code-{}", &source.as_str()[..16])
}

/// The ConfigMap with the runner.
#[must_use]
pub fn of_runner(digest: &Digest) -> String {
    format!("{OF_RUNNER}{}", &digest.as_str()[..16])
}

/// The id in a Job's name.
#[must_use]
pub fn id_in(name: &str) -> Option<RunId> {
    name.strip_prefix("rw-")?.parse().ok()
}

/// The labels of everything that belongs to a run.
#[must_use]
pub fn labels(run: &Run) -> BTreeMap<String, String> {
    let identity = match gathered(run) {
        Some(map) => (MAP, map.id.clone()),
        None => (RUN, run.id.to_string()),
    };
    let mut labels: BTreeMap<String, String> = [
        MANAGED_BY,
        ("runwright.dev/project", run.project.as_str()),
        ("runwright.dev/function", run.function.as_str()),
        ("runwright.dev/kind", run.kind.as_str()),
        ("runwright.dev/action", run.action.as_str()),
        (VERSION, run.version.short()),
        (identity.0, &identity.1),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), label_value(value)))
    .collect();
    for label in &run.spec.labels {
        // The platform's labels are words; `name=value` is one of Kubernetes' own.
        let (name, value) = label.split_once('=').map_or_else(|| (format!("runwright.dev/label-{label}"), "true"), |(name, value)| (name.to_owned(), value));
        labels.entry(name).or_insert_with(|| label_value(value));
    }
    labels
}

/// The version that an object's labels name.
#[must_use]
pub fn version(metadata: &ObjectMeta) -> Option<String> {
    metadata.labels.as_ref()?.get(VERSION).cloned()
}

/// A value as a label may have it: letters, digits, `-_.` within, at most 63.
fn label_value(value: &str) -> String {
    let clean: String = value.chars().take(63).map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect();
    clean.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}
