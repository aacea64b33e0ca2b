//! Where a run really executed, and from which images: what the cluster made of its names. Pure.

use serde_json::{Map, Value, json};

use super::news;
use super::watch::Sight;
use crate::model::event::Event;
use crate::model::run::Run;

/// What the record does not say yet: `job` or `deployment` and `pod` (name and uid), `node`, `images` (by container, as `name@digest`), of the last pod. None where that is nothing.
pub fn event(run: &Run, sight: &Sight, time: f64) -> Option<Event> {
    let facts = facts(run, sight);
    let known = facts.iter().all(|(name, value)| run.provenance.get(name) == Some(value));
    (!known).then_some(Event::Provenance { time, facts })
}

fn facts(run: &Run, sight: &Sight) -> Map<String, Value> {
    let mut facts = Map::new();
    if let Some(job) = &sight.job {
        facts.insert("job".into(), json!({"name": job.name, "uid": job.uid}));
    }
    if let Some(deployment) = &sight.deployment {
        facts.insert("deployment".into(), json!({"name": super::name::of_run(run), "uid": deployment.uid}));
    }
    let Some(pod) = news::pods(run, sight).pop() else { return facts };
    facts.insert("pod".into(), json!({"name": pod.name, "uid": pod.uid}));
    if let Some(node) = &pod.node {
        facts.insert("node".into(), node.as_str().into());
    }
    // Empty until the kubelet has the image.
    let resolved = pod.containers.iter().filter(|container| !container.image_id.is_empty());
    let images: Map<String, Value> = resolved.map(|container| (container.name.clone(), container.image_id.as_str().into())).collect();
    if !images.is_empty() {
        facts.insert("images".into(), images.into());
    }
    facts
}
