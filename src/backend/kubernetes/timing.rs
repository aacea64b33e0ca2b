//! When each part of a run's way began and ended, on this machine's clock. Pure.
//!
//! Three clocks tell of a run: this machine's, the API server's, the pod's. Kubernetes' own times have whole seconds, cut. So a clock counts as the same as this
//! machine's unless what was seen cannot be true then, and a time with whole seconds is made finer where this process saw it happen within that second.

use super::news;
use super::seen::SeenPod;
use super::watch::Sight;
use crate::model::event::{End, Event};
use crate::model::run::Run;
use crate::model::state::State;

/// Times of Kubernetes are cut to this, in seconds.
const TICK: f64 = 1.0;

/// When this process sent a run's objects, and when they were there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Handed {
    pub sent: f64,
    pub answered: f64,
}

/// When this process first saw what the pod's own times have in whole seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Observed {
    pub created: Option<f64>,
    pub scheduled: Option<f64>,
    pub begun: Option<f64>,
}

impl Observed {
    /// What is seen of a pod now, beside what was seen before.
    #[must_use]
    pub fn now(pod: &SeenPod, before: Option<&Self>, now: f64) -> Self {
        let before = before.copied().unwrap_or_default();
        Self { created: before.created.or(Some(now)), scheduled: before.scheduled.or(pod.scheduled.map(|_| now)), begun: before.begun.or(news::begun(pod).map(|_| now)) }
    }
}

/// By how many seconds other clocks are ahead of this machine's.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ahead {
    pub cluster: f64,
    pub pod: f64,
}

impl Ahead {
    /// Of the cluster, from what it told until now. Nothing happened later than now, and the Job was made after the run was recorded.
    #[must_use]
    pub fn of(run: &Run, sight: &Sight, now: f64) -> Self {
        let Some(made) = sight.made() else { return Self::default() };
        let pods = news::pods(run, sight);
        let of_pods = pods.iter().flat_map(|pod| [Some(pod.created), pod.scheduled, news::begun(pod)]).flatten();
        let end = sight.job.as_ref().and_then(|job| job.end.as_ref()).map(|end| end.time);
        let latest = of_pods.chain([made]).chain(end).fold(f64::MIN, f64::max);
        let sent = sight.handed.map_or(run.created.as_duration().as_secs_f64(), |handed| handed.sent);
        let cluster = nearest(0.0, latest - now, made + TICK - sent);
        Self { cluster, pod: cluster }
    }

    /// The same, and of the pod, from the times that its runner wrote.
    #[must_use]
    pub fn with(mut self, told: &mut [Event], end: Option<&End>, begun: Option<f64>, now: f64) -> Self {
        let times: Vec<f64> = told.iter_mut().map(|event| *event.time()).chain(end.map(|end| end.time)).collect();
        let (first, last) = (times.iter().copied().fold(f64::MAX, f64::min), times.iter().copied().fold(f64::MIN, f64::max));
        if !times.is_empty() {
            self.pod = nearest(self.cluster, last - now, begun.map_or(f64::MAX, |begun| first - begun));
        }
        self
    }
}

/// What is nearest to `wanted` between two bounds; the lower one where they contradict each other.
fn nearest(wanted: f64, least: f64, most: f64) -> f64 {
    wanted.min(most).max(least)
}

/// Puts what the cluster told on this machine's clock; with a beginning, what came before it is told, too.
pub fn note(run: &Run, sight: &Sight, events: &mut Vec<Event>, now: f64) {
    let ahead = Ahead::of(run, sight, now);
    let mut way = if events.iter().any(|event| matches!(event, Event::Running { .. })) { way(run, sight, ahead, now) } else { Vec::new() };
    let begun = way.last_mut().map(|last| *last.time());
    for event in events.iter_mut() {
        match event {
            Event::Pending { time } => *time -= ahead.cluster,
            Event::Running { time, .. } => *time = begun.unwrap_or(*time - ahead.cluster),
            // Said by this machine.
            _ => {}
        }
    }
    events.extend(way);
}

/// Puts what a pod's runner told on this machine's clock.
pub fn told(run: &Run, sight: &Sight, pod: &SeenPod, events: &mut [Event], end: Option<&mut End>, now: f64) {
    let ahead = Ahead::of(run, sight, now);
    let begun = news::begun(pod).map(|begun| begun - ahead.cluster);
    let ahead = ahead.with(events, end.as_deref(), begun, now);
    earlier(events, ahead.pod);
    if let Some(end) = end {
        end.time -= ahead.pod;
        end.started = end.started.map(|started| started - ahead.pod);
    }
}

fn earlier(events: &mut [Event], by: f64) {
    for event in events {
        *event.time() -= by;
    }
}

/// The way of a run that ended before it began.
#[must_use]
pub fn of_none(run: &Run, sight: &Sight, now: f64) -> Vec<Event> {
    let begun = run.state == State::Running || news::pods(run, sight).iter().any(|pod| news::begun(pod).is_some());
    if begun { Vec::new() } else { way(run, sight, Ahead::of(run, sight, now), now) }
}

/// The way of the last pod until its code began, or `until` where it did not; what the record has of it already is not said again.
#[must_use]
pub fn way(run: &Run, sight: &Sight, ahead: Ahead, until: f64) -> Vec<Event> {
    let Some(made) = sight.made() else { return Vec::new() };
    let mut way = Way::after(run);
    if run.phases.is_empty() {
        match sight.handed {
            Some(handed) => {
                way.reach("client", handed.sent);
                way.reach("api", handed.answered);
            }
            None => way.reach("client", made - ahead.cluster),
        }
    }
    let Some(pod) = news::pods(run, sight).pop() else {
        way.reach("queue", until);
        return way.marks;
    };
    let fine = |time: f64, seen: Option<f64>| finer(time - ahead.cluster, seen);
    way.reach("queue", fine(pod.created, pod.observed.created));
    let Some(scheduled) = pod.scheduled else {
        way.reach("scheduling", until);
        return way.marks;
    };
    way.reach("scheduling", fine(scheduled, pod.observed.scheduled));
    let begun = news::begun(pod).map_or(until, |begun| fine(begun, pod.observed.begun));
    let pulled = way.at + pulls(sight, pod);
    if is_pulling(pod) {
        way.reach("pull", until);
    } else if pulled > way.at {
        way.reach("pull", pulled.min(begun));
    }
    way.reach("init", begun);
    way.marks
}

/// Marks, each from the end of the one before.
struct Way {
    at: f64,
    marks: Vec<Event>,
}

impl Way {
    /// From where the record ends on.
    fn after(run: &Run) -> Self {
        let seconds = |time: jiff::Timestamp| time.as_duration().as_secs_f64();
        let at = match run.phases.last() {
            Some(last) => run.history.last().map_or(0.0, |step| seconds(step.time)).max(seconds(last.start) + last.seconds),
            None => seconds(run.created),
        };
        Self { at, marks: Vec::new() }
    }

    fn reach(&mut self, name: &str, to: f64) {
        let seconds = (to - self.at).max(0.0);
        self.at += seconds;
        self.marks.push(Event::Mark { time: self.at, name: name.into(), seconds });
    }
}

/// A time with whole seconds, made finer by when it was seen, if that was in the same second.
fn finer(time: f64, seen: Option<f64>) -> f64 {
    seen.filter(|seen| (time..time + TICK).contains(seen)).unwrap_or(time)
}

/// Whether it waits for an image.
fn is_pulling(pod: &SeenPod) -> bool {
    let waits = |reason: &str| matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull");
    news::begun(pod).is_none() && pod.containers.iter().any(|container| container.waiting.as_ref().is_some_and(|(reason, _)| waits(reason)))
}

/// For how many seconds the kubelet pulled images of a pod, by its own words.
fn pulls(sight: &Sight, pod: &SeenPod) -> f64 {
    let notices = sight.notices.get(&pod.name).into_iter().flatten().filter(|notice| notice.reason == "Pulled");
    // Successfully pulled image "python:3.11" in 1.2s (3.4s including waiting). …
    let took = |message: &str| {
        let (alone, waiting) = message.split_once("\" in ")?.1.split_once(" (")?;
        duration(waiting).or_else(|| duration(alone))
    };
    notices.filter_map(|notice| took(&notice.message)).sum()
}

/// The first duration in a text, as Go writes them: `1m2.5s`, `850ms`.
fn duration(text: &str) -> Option<f64> {
    let word = text.split_whitespace().next()?.trim_end_matches(['.', ',']);
    let (mut rest, mut seconds) = (word, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|length| *length > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let letters = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        seconds += number
            * match &unit[..letters] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "µs" | "us" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &unit[letters..];
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::name;
    use super::super::seen::{SeenContainer, SeenJob};
    use super::super::watch::Notice;
    use super::*;
    use crate::model::event::fold;
    use crate::model::time::from_seconds;
    use crate::model::timeline::timeline;

    const NOW: f64 = 1_000_000.0;
    const HANDED: Handed = Handed { sent: NOW + 0.2, answered: NOW + 0.3 };

    fn run() -> Run {
        let id = "0190f3a2-0000-7000-8000-000000000000";
        let (at, state) = (from_seconds(NOW), "CREATED");
        serde_json::from_value(json!({
            "id": id, "key": format!("store://demo/run/python/{id}"), "project": "demo", "function": "f", "kind": "python", "version": "0".repeat(64), "action": "job",
            "spec": {}, "backend": "kubernetes", "client": "c", "state": state, "history": [{"state": state, "time": at}], "created": at, "updated": at,
        }))
        .expect("a run")
    }

    /// A pod that was created 0.5 s, scheduled 0.6 s and began 3.9 s after the run; its image took 2 s. `ahead`: of the cluster's clock. `seen`: as it happened.
    fn sight(ahead: f64, seen: bool) -> Sight {
        let cut = |after: f64| (NOW + after + ahead).floor();
        let job = SeenJob { created: cut(0.25), started: Some(cut(0.25)), ..SeenJob::default() };
        let main = SeenContainer { name: name::MAIN.into(), running: Some(cut(3.9)), ..SeenContainer::default() };
        let observed = if seen {
            Observed { created: Some(NOW + 0.5), scheduled: Some(NOW + 0.6), begun: Some(NOW + 3.9) }
        } else {
            Observed { created: Some(NOW + 60.0), scheduled: Some(NOW + 60.0), begun: Some(NOW + 60.0) }
        };
        let pod = SeenPod { name: "p".into(), created: cut(0.5), scheduled: Some(cut(0.6)), containers: vec![main], observed, ..SeenPod::default() };
        let message = "Successfully pulled image \"python:3.11\" in 1.5s (2s including waiting). Image size: 50 bytes.";
        let pulled = Notice { reason: "Pulled".into(), message: message.into(), warning: false, time: cut(3.0) };
        Sight { job: Some(job), pods: [("p".into(), pod)].into(), notices: [("p".into(), vec![pulled])].into(), handed: seen.then_some(HANDED), ..Sight::default() }
    }

    fn told(way: &[Event]) -> Vec<(String, f64)> {
        way.iter().map(|event| if let Event::Mark { name, seconds, .. } = event { (name.clone(), (seconds * 1000.0).round() / 1000.0) } else { panic!("{event:?}") }).collect()
    }

    fn named(way: &[(&str, f64)]) -> Vec<(String, f64)> {
        way.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect()
    }

    #[test]
    fn what_was_seen_as_it_happened_is_told_finely() {
        let (run, sight) = (run(), sight(0.0, true));
        let ahead = Ahead::of(&run, &sight, NOW + 3.95);
        assert_eq!(ahead, Ahead::default());
        let expected = [("client", 0.2), ("api", 0.1), ("queue", 0.2), ("scheduling", 0.1), ("pull", 2.0), ("init", 1.3)];
        assert_eq!(told(&way(&run, &sight, ahead, NOW + 4.0)), named(&expected));
    }

    #[test]
    fn who_looks_later_has_whole_seconds() {
        let (run, sight) = (run(), sight(0.0, false));
        let ahead = Ahead::of(&run, &sight, NOW + 60.0);
        let expected = [("client", 0.0), ("queue", 0.0), ("scheduling", 0.0), ("pull", 2.0), ("init", 1.0)];
        assert_eq!(told(&way(&run, &sight, ahead, NOW + 60.0)), named(&expected));
    }

    #[test]
    fn clocks_that_differ_give_nothing_negative_and_nothing_much_longer() {
        for by in [-3600.0, -2.0, -0.4, 0.4, 2.0, 3600.0] {
            for (of_pod, seen) in [(by, true), (by, false), (0.0, true), (-by, true)] {
                let (mut run, sight) = (run(), sight(by, seen));
                let now = NOW + 6.0;
                let ahead = Ahead::of(&run, &sight, now);
                assert!((ahead.cluster - by).abs() <= 3.0, "{by}: {ahead:?}");
                let mut events = way(&run, &sight, ahead, now);
                let begun = events.last_mut().map(|last| *last.time());
                let mark = |name: &str, after: f64, seconds: f64| Event::Mark { time: NOW + after + of_pod, name: name.into(), seconds };
                let mut ran = vec![mark("import", 4.5, 0.5), mark("call", 5.5, 1.0)];
                let ahead = ahead.with(&mut ran, None, begun, now);
                earlier(&mut ran, ahead.pod);
                events.push(Event::Running { time: begun.expect("a beginning"), attempt: 1, pid: None, python: None });
                events.extend(ran);
                for event in events {
                    fold(&mut run, event).expect("folded");
                }
                let phases = timeline(&run, from_seconds(now));
                let whole: f64 = phases.iter().map(|phase| phase.seconds).sum();
                assert!(phases.iter().all(|phase| phase.seconds >= 0.0), "{by} {of_pod}: {phases:?}");
                assert!((4.0..9.5).contains(&whole), "{by} {of_pod}: {phases:#?}");
                let call = phases.iter().find(|phase| phase.name == "user code").expect("user code");
                assert!((call.seconds - 1.0).abs() < 1e-3, "{by} {of_pod}: {phases:#?}");
            }
        }
    }

    #[test]
    fn what_never_began_waited_until_the_end() {
        let mut before = sight(0.0, true);
        let pod = before.pods.get_mut("p").expect("a pod");
        pod.containers[0] = SeenContainer { name: name::MAIN.into(), waiting: Some(("ImagePullBackOff".into(), String::new())), ..SeenContainer::default() };
        let last = |sight: &Sight| told(&way(&run(), sight, Ahead::default(), NOW + 50.0)).pop().expect("a phase");
        assert_eq!(last(&before), ("init".to_owned(), 0.0));
        assert_eq!(told(&way(&run(), &before, Ahead::default(), NOW + 50.0))[4], ("pull".to_owned(), 49.4));
        before.pods.get_mut("p").expect("a pod").scheduled = None;
        assert_eq!(last(&before), ("scheduling".to_owned(), 49.5));
        before.pods.clear();
        assert_eq!(last(&before), ("queue".to_owned(), 49.7));
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in
            [("1.234s (2s including waiting)", Some(1.234)), ("1m2.5s.", Some(62.5)), ("850ms", Some(0.85)), ("2h0m1s", Some(7201.0)), ("soon", None), ("", None)]
        {
            assert_eq!(duration(text), seconds, "{text}");
        }
    }
}
