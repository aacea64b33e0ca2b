//! Which containers' logs make up a run's log, in which order. Pure.

use jiff::Timestamp;

use super::super::name::{MAIN, RESULTS};
use super::super::news::{begun, pods};
use super::super::seen::{SeenContainer, SeenPod};
use super::super::watch::Sight;
use crate::model::run::Run;
use crate::model::time::from_seconds;

/// One beginning of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    pub pod: String,
    pub uid: String,
    pub container: String,
    pub restarts: i32,
    pub attempt: u32,
}

impl Source {
    /// The name that its lines have: none for the main one.
    pub fn label(&self) -> Option<&str> {
        Some(self.container.as_str()).filter(|name| *name != MAIN)
    }
}

/// When a container began whose first line is known: `runwright: begins`. None for others.
pub fn announced(source: &Source, sight: &Sight) -> Option<f64> {
    let pod = sight.pods.get(&source.pod).filter(|pod| source.container == MAIN && pod.container(RESULTS).is_some())?;
    begun(pod)
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It has not begun.
    Waits,
    /// It prints.
    Open,
    /// It will print nothing any more.
    Ended,
    /// It began, at that time, and its pod is gone: its log with it.
    Gone(Timestamp),
    /// It never began, and will not.
    Never,
}

/// All of them, in the order in which they run, the attempts one after the other.
pub fn plan(run: &Run, sight: &Sight) -> Vec<(Source, Stand)> {
    let mut steps = Vec::new();
    for (place, pod) in pods(run, sight).into_iter().enumerate() {
        let attempt = u32::try_from(place + 1).unwrap_or(u32::MAX);
        // A sidecar of somebody else's prints beside the run, not for it.
        for container in pod.containers.iter().filter(|container| container.name != RESULTS && (container.init || container.name == MAIN)) {
            let source = Source { pod: pod.name.clone(), uid: pod.uid.clone(), container: container.name.clone(), restarts: container.restarts, attempt };
            steps.push((source, stand(pod, container)));
        }
    }
    steps
}

fn stand(pod: &SeenPod, container: &SeenContainer) -> Stand {
    let begun = container.running.or_else(|| container.ended.as_ref().and_then(|ended| ended.started.or(ended.finished)));
    match begun {
        Some(begun) if pod.gone => Stand::Gone(from_seconds(begun)),
        Some(_) if container.ended.is_some() => Stand::Ended,
        Some(_) => Stand::Open,
        None if pod.has_ended() => Stand::Never,
        None => Stand::Waits,
    }
}

/// What is to be read now, of what has not been read whole: one after the other, or, where several print at a time (a service), all of them.
pub fn next(steps: &[(Source, Stand)], at_a_time: bool, is_done: impl Fn(&Source) -> bool) -> Vec<(Source, Stand)> {
    let left = steps.iter().filter(|(source, stand)| *stand != Stand::Never && !is_done(source));
    let ready = |(_, stand): &&(Source, Stand)| *stand != Stand::Waits;
    if at_a_time { left.filter(ready).cloned().collect() } else { left.take(1).filter(ready).cloned().collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::seen::ContainerEnd;
    use super::*;

    fn container(name: &str, init: bool, running: Option<f64>, ended: Option<f64>) -> SeenContainer {
        let ended = ended.map(|finished| ContainerEnd { started: Some(finished - 1.0), finished: Some(finished), ..ContainerEnd::default() });
        SeenContainer { name: name.into(), init, running, ended, ..SeenContainer::default() }
    }

    fn pod(name: &str, created: f64, containers: Vec<SeenContainer>) -> SeenPod {
        SeenPod { name: name.into(), uid: name.into(), created, containers, ..SeenPod::default() }
    }

    #[test]
    fn containers_come_in_the_order_in_which_they_run() {
        let first = SeenPod { phase: "Failed".into(), gone: true, ..pod("b", 1.0, vec![container("prepare", true, None, Some(3.0)), container("main", false, None, None)]) };
        let second = pod(
            "a",
            5.0,
            vec![
                container("results", false, Some(6.0), None),
                container("prepare", true, None, Some(7.0)),
                container("main", false, Some(8.0), None),
                container("proxy", false, Some(8.0), None),
            ],
        );
        let sight = Sight { pods: [first, second].into_iter().map(|pod| (pod.name.clone(), pod)).collect(), ..Sight::default() };
        let run = crate::model::run::tests::run("0190aaaa-0000-7000-8000-000000000001", &json!({}));
        let steps = plan(&run, &sight);
        let told: Vec<(&str, &str, u32, Stand)> = steps.iter().map(|(source, stand)| (source.pod.as_str(), source.container.as_str(), source.attempt, *stand)).collect();
        assert_eq!(told, [("b", "prepare", 1, Stand::Gone(from_seconds(2.0))), ("b", "main", 1, Stand::Never), ("a", "prepare", 2, Stand::Ended), ("a", "main", 2, Stand::Open),]);
        let names = |steps: Vec<(Source, Stand)>| steps.into_iter().map(|(source, _)| source.container).collect::<Vec<_>>();
        assert_eq!(names(next(&steps, false, |_| false)), ["prepare"]);
        assert_eq!(names(next(&steps, true, |source| source.pod == "b")), ["prepare", "main"]);
        assert_eq!(names(next(&steps, false, |source| source.container == "prepare")), ["main"]);
    }
}
