//! Timeline: the phases of a run in their order, from what was measured on the way and from its history. Pure.

use jiff::Timestamp;

use super::run::{Phase, Run};
use super::state::State;

/// Phases before the code of a run begins, in their order; those that the runner measures follow.
const WAY: [&str; 6] = ["client", "api", "queue", "scheduling", "pull", "init"];
/// A gap of fewer seconds is no phase.
const SHORT: f64 = 0.001;

/// The phases until `now`, or until the end. None begins before the one before it has ended.
///
/// On the way: `client` (it prepares and hands over), `api` (the cluster takes it), `queue` (it waits for its turn), `scheduling` (for a node), `image pull`, `init`
/// (volumes and containers are made ready). Where it executes: `start` (of its process), `requirements`, `import`, `inputs`, `user code`, `outputs`, `retry` (the pause
/// between attempts), `upload`, `finish` (what remains); `run` where no more is known of it than that.
#[must_use]
pub fn timeline(run: &Run, now: Timestamp) -> Vec<Phase> {
    let until = if run.state.is_final() { run.history.last().map_or(now, |last| last.time) } else { now };
    let mut known = run.phases.clone();
    if !known.iter().any(|phase| is_way(&phase.name)) {
        known.extend(told(run, until));
        known.sort_by_key(|phase| phase.start);
    }
    let mut parts: Vec<Phase> = Vec::new();
    for phase in known {
        if let Some(last) = parts.last() {
            let gap = between(&last.name, &phase.name);
            fill(&mut parts, gap, phase.start);
        }
        push(&mut parts, phase);
    }
    let last = parts.last().map(|phase| phase.name.clone()).unwrap_or_default();
    fill(&mut parts, rest(run, &last), until);
    for phase in &mut parts {
        phase.name = shown(&phase.name).to_owned();
    }
    parts
}

fn is_way(name: &str) -> bool {
    WAY.contains(&name)
}

/// As people call it.
fn shown(name: &str) -> &str {
    match name {
        "pull" => "image pull",
        "call" => "user code",
        other => other,
    }
}

/// What the history tells of the way, where nothing was measured.
fn told(run: &Run, until: Timestamp) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let mut before = None;
    for (place, step) in run.history.iter().enumerate() {
        let end = run.history.get(place + 1).map_or(until, |next| next.time);
        let name = match step.state {
            State::Created => "client",
            State::Pending | State::Resume => "queue",
            _ => "",
        };
        match phases.last_mut() {
            // A message, not another state.
            Some(last) if before == Some(name) && !name.is_empty() => last.seconds = seconds(last.start, end),
            _ if name.is_empty() => {}
            _ => phases.push(Phase { name: name.to_owned(), start: step.time, seconds: seconds(step.time, end) }),
        }
        before = Some(name);
    }
    phases
}

/// What passes between two phases, by their names; None for nothing that has a name.
fn between(last: &str, next: &str) -> Option<&'static str> {
    match (last, next) {
        (last, next) if is_way(last) && is_way(next) => Some("queue"),
        (last, _) if is_way(last) => Some("start"),
        ("requirements", _) => Some("start"),
        (_, "call") => Some("inputs"),
        (_, "upload") => Some("finish"),
        (_, next) if is_way(next) || matches!(next, "import" | "requirements") => Some("retry"),
        _ => None,
    }
}

/// What goes on after the last phase that is known.
fn rest(run: &Run, last: &str) -> Option<&'static str> {
    let begun = run.history.iter().any(|step| step.state == State::Running);
    match (run.state, last) {
        (State::Pending | State::Resume, _) => Some("queue"),
        (State::Created, _) => Some("client"),
        _ if !begun => None,
        (_, last) if is_way(last) || last.is_empty() => Some("run"),
        (State::Running, "requirements") => Some("start"),
        (State::Running, "import") => Some("call"),
        (State::Running, "call") => Some("outputs"),
        (_, "upload") => Some("upload"),
        _ => Some("finish"),
    }
}

/// A phase from the end of the last one to a time, if that is worth one.
fn fill(parts: &mut Vec<Phase>, name: Option<&str>, to: Timestamp) {
    let (Some(name), Some(last)) = (name, parts.last_mut()) else { return };
    let start = end_of(last);
    let length = seconds(start, to);
    if last.name == name {
        last.seconds += length;
    } else if length >= SHORT {
        parts.push(Phase { name: name.to_owned(), start, seconds: length });
    }
}

/// Clocks differ a little: it begins when the last one has ended, at the earliest.
fn push(parts: &mut Vec<Phase>, phase: Phase) {
    let start = parts.last().map_or(phase.start, |last| phase.start.max(end_of(last)));
    parts.push(Phase { start, seconds: phase.seconds.max(0.0), ..phase });
}

fn end_of(phase: &Phase) -> Timestamp {
    super::time::from_seconds(phase.start.as_duration().as_secs_f64() + phase.seconds)
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::time::from_seconds;

    /// `history`: state and second; `phases`: name, second, how long.
    fn run(history: &[(&str, f64)], phases: &[(&str, f64, f64)]) -> Run {
        let steps: Vec<Value> = history.iter().map(|(state, time)| json!({"state": state, "time": from_seconds(*time)})).collect();
        let phases: Vec<Value> = phases.iter().map(|(name, start, seconds)| json!({"name": name, "start": from_seconds(*start), "seconds": seconds})).collect();
        let id = "0190f3a2-0000-7000-8000-000000000000";
        serde_json::from_value(json!({
            "id": id, "key": format!("store://demo/run/python/{id}"), "project": "demo", "function": "f", "kind": "python", "version": "0".repeat(64), "action": "job",
            "spec": {}, "backend": "local", "client": "c", "state": history.last().expect("a step").0, "history": steps, "phases": phases,
            "created": from_seconds(0.0), "updated": from_seconds(0.0),
        }))
        .expect("a run")
    }

    /// Name and how long, and that none overlaps another.
    fn shown(run: &Run, now: f64) -> Vec<(String, f64)> {
        let phases = timeline(run, from_seconds(now));
        for pair in phases.windows(2) {
            assert!(end_of(&pair[0]) <= pair[1].start, "{pair:?}");
        }
        phases.into_iter().map(|phase| (phase.name, (phase.seconds * 1000.0).round() / 1000.0)).collect()
    }

    fn expect(run: &Run, now: f64, phases: &[(&str, f64)]) {
        assert_eq!(shown(run, now), phases.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect::<Vec<_>>());
    }

    const LIFE: [(&str, f64); 4] = [("CREATED", 0.0), ("PENDING", 0.1), ("RUNNING", 0.5), ("COMPLETED", 4.0)];

    #[test]
    fn of_a_run_on_this_machine_the_history_tells_the_way() {
        let ended = run(&LIFE, &[("requirements", 0.5, 1.0), ("import", 1.6, 0.4), ("call", 2.25, 1.0), ("outputs", 3.25, 0.25)]);
        let phases =
            [("client", 0.1), ("queue", 0.4), ("requirements", 1.0), ("start", 0.1), ("import", 0.4), ("inputs", 0.25), ("user code", 1.0), ("outputs", 0.25), ("finish", 0.5)];
        expect(&ended, 9.0, &phases);
        expect(&run(&LIFE, &[]), 9.0, &[("client", 0.1), ("queue", 0.4), ("run", 3.5)]);
    }

    #[test]
    fn what_goes_on_lasts_until_now() {
        expect(&run(&LIFE[..1], &[]), 2.0, &[("client", 2.0)]);
        expect(&run(&LIFE[..2], &[]), 2.0, &[("client", 0.1), ("queue", 1.9)]);
        expect(&run(&LIFE[..3], &[]), 2.0, &[("client", 0.1), ("queue", 0.4), ("run", 1.5)]);
        expect(&run(&LIFE[..3], &[("import", 0.6, 0.4)]), 2.0, &[("client", 0.1), ("queue", 0.4), ("start", 0.1), ("import", 0.4), ("user code", 1.0)]);
    }

    #[test]
    fn messages_do_not_cut_what_it_waits_for_into_pieces() {
        let told = [("CREATED", 0.0), ("PENDING", 0.1), ("PENDING", 0.2), ("PENDING", 0.4), ("RUNNING", 0.5), ("RUNNING", 1.0), ("ERROR", 2.0)];
        expect(&run(&told, &[]), 9.0, &[("client", 0.1), ("queue", 0.4), ("run", 1.5)]);
    }

    #[test]
    fn what_was_measured_of_the_way_stands_for_the_history() {
        let way = [("client", 0.0, 0.05), ("api", 0.05, 0.05), ("queue", 0.1, 0.1), ("scheduling", 0.2, 0.05), ("pull", 0.25, 0.15), ("init", 0.4, 0.1)];
        let ran = [way.as_slice(), &[("import", 0.75, 0.25), ("call", 1.0, 2.0), ("upload", 3.5, 1.5)]].concat();
        let phases = [("client", 0.05), ("api", 0.05), ("queue", 0.1), ("scheduling", 0.05), ("image pull", 0.15), ("init", 0.1)];
        let rest = [("start", 0.25), ("import", 0.25), ("user code", 2.0), ("finish", 0.5), ("upload", 1.5)];
        expect(&run(&LIFE, &ran), 9.0, &[phases.as_slice(), &rest].concat());
        expect(&run(&LIFE[..3], &way), 2.5, &[phases.as_slice(), &[("run", 2.0)]].concat());
    }

    #[test]
    fn attempts_follow_each_other() {
        let twice = [("import", 0.5, 0.5), ("call", 1.0, 0.5), ("import", 2.5, 0.5), ("call", 3.0, 1.0)];
        let phases = [("client", 0.1), ("queue", 0.4), ("import", 0.5), ("user code", 0.5), ("retry", 1.0), ("import", 0.5), ("user code", 1.0)];
        expect(&run(&LIFE, &twice), 9.0, &phases);
    }

    #[test]
    fn clocks_that_jump_give_no_negative_phase() {
        let jumped = [("CREATED", 0.0), ("PENDING", 0.1), ("RUNNING", 0.1), ("COMPLETED", 0.1)];
        for (_, seconds) in shown(&run(&jumped, &[("import", -50.0, 0.5), ("call", 3.0, -1.0), ("outputs", 2.0, 1.0)]), -7.0) {
            assert!(seconds >= 0.0);
        }
    }
}
