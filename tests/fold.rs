//! The fold of events into a record: every event, events after the end, times that go backwards, and what tells two runs apart.

#![allow(clippy::expect_used, clippy::unwrap_used)] // It is a test.

use runwright::engine::compare;
use runwright::model::event::{Event, fold};
use runwright::model::run::Run;
use runwright::model::state::State;
use serde_json::{Value, json};

fn run() -> Run {
    let now = "1970-01-01T00:00:00Z";
    serde_json::from_value(json!({
        "id": "0190f3a2-0000-7000-8000-000000000000", "key": "store://p/run/python/0190f3a2-0000-7000-8000-000000000000", "project": "p", "function": "f",
        "kind": "python", "version": "0".repeat(64), "action": "job", "spec": {"parameters": {"depth": 8}}, "backend": "local", "client": "c",
        "state": "CREATED", "history": [{"state": "CREATED", "time": now}], "created": now, "updated": now
    }))
    .unwrap()
}

fn event(event: Value) -> Event {
    serde_json::from_value(event).unwrap()
}

fn end(end: Value) -> Event {
    Event::End(Box::new(serde_json::from_value(end).unwrap()))
}

fn folded(events: impl IntoIterator<Item = Event>) -> Run {
    let mut run = run();
    for event in events {
        fold(&mut run, event).unwrap();
    }
    run
}

fn states(run: &Run) -> Vec<(&'static str, i64)> {
    run.history.iter().map(|step| (step.state.as_str(), step.time.as_second())).collect()
}

fn running(time: f64, attempt: u32) -> Event {
    event(json!({"type": "running", "time": time, "attempt": attempt, "pid": 7, "python": "3.11.7"}))
}

#[test]
fn a_life_from_beginning_to_end() {
    let run = folded([
        event(json!({"type": "pending", "time": 1.0})),
        running(2.0, 1),
        event(json!({"type": "mark", "time": 2.1, "name": "import", "seconds": 0.5})),
        event(json!({"type": "mark", "time": 2.2, "name": "import", "seconds": 0.25})),
        event(json!({"type": "metric", "time": 2.3, "name": "loss", "value": 0.5, "step": 3})),
        event(json!({"type": "metric", "time": 2.4, "name": "loss", "value": "NaN"})),
        event(json!({"type": "result", "time": 2.5, "name": "early", "value": 1})),
        end(json!({
            "state": "COMPLETED", "time": 9.0, "started": 2.0, "seconds": 7.0, "attempts": 1, "shape": "tuple", "names": ["a", "b"], "python": "3.11.8",
            "outputs": {"a": {"type": "value", "value": [1]}, "b": {"type": "dataitem", "kind": "table", "path": "outputs/b/data.parquet"}}, "distributions": "d"
        })),
    ]);
    assert_eq!(states(&run), [("CREATED", 0), ("PENDING", 1), ("RUNNING", 2), ("COMPLETED", 9)]);
    assert_eq!((run.attempts, run.seconds, run.shape.as_deref(), run.marks["import"]), (1, Some(7.0), Some("tuple"), 0.75));
    assert_eq!(serde_json::to_value(&run.metrics["loss"]).unwrap()[0]["step"], 3);
    assert_eq!(run.metrics["loss"][1].value, json!("NaN"));
    assert_eq!(Value::Object(run.results.clone()), json!({"early": 1, "a": [1]}), "only plain values are results");
    assert_eq!((&run.provenance["python"], &run.provenance["distributions"]), (&json!("3.11.8"), &json!("d")));
    assert_eq!(run.updated.as_second(), 9);
}

#[test]
fn after_the_end_nothing_is_taken() {
    let ended = [running(2.0, 1), end(json!({"state": "STOPPED", "time": 3.0, "attempts": 1, "error": {"cause": "Stopped", "message": "by me"}}))];
    let before = folded(ended.clone());
    let late = [
        event(json!({"type": "pending", "time": 4.0})),
        running(4.0, 2),
        event(json!({"type": "mark", "time": 4.0, "name": "call", "seconds": 1.0})),
        event(json!({"type": "metric", "time": 4.0, "name": "loss", "value": 1})),
        event(json!({"type": "result", "time": 4.0, "name": "x", "value": 1})),
        event(json!({"type": "retry", "time": 4.0, "attempt": 1, "delay": 1.0, "error": {"cause": "UserError", "message": "m"}})),
        end(json!({"state": "COMPLETED", "time": 5.0})),
        ended[1].clone(),
    ];
    assert_eq!(folded(ended.into_iter().chain(late)), before);
    assert_eq!(before.history.last().unwrap().message.as_deref(), Some("by me"));
}

#[test]
fn a_retry_is_told_and_the_next_attempt_is_no_new_transition() {
    let error = json!({"cause": "ExitCode", "message": "exit code 3", "attributes": {}});
    let run = folded([running(1.0, 1), event(json!({"type": "retry", "time": 2.0, "attempt": 1, "error": error, "delay": 2.5})), running(5.0, 2)]);
    assert_eq!(states(&run), [("CREATED", 0), ("RUNNING", 1), ("RUNNING", 2)]);
    assert_eq!(run.history[2].message.as_deref(), Some("attempt 1 failed (ExitCode: exit code 3); the next one in 2.5 s"));
    assert_eq!(run.attempts, 2);
}

#[test]
fn times_never_go_backwards_in_a_record() {
    let retry = event(json!({"type": "retry", "time": -5.0, "attempt": 1, "error": {"cause": "UserError", "message": "m"}, "delay": 1.0}));
    let run = folded([event(json!({"type": "pending", "time": 10.0})), running(3.0, 1), retry, end(json!({"state": "COMPLETED", "time": 1e300}))]);
    let times: Vec<i64> = run.history.iter().map(|step| step.time.as_second()).collect();
    assert_eq!(times, [0, 10, 10, 10, 10]);
}

#[test]
fn where_it_executed_is_told_by_the_place_and_not_by_a_runner() {
    let facts = json!({"node": "n1", "images": {"main": "python@sha256:1"}});
    let told = Event::Provenance { time: 2.0, facts: facts.as_object().unwrap().clone() };
    let run = folded([running(1.0, 1), told.clone()]);
    assert_eq!((&run.provenance["node"], &run.provenance["images"], &run.provenance["python"]), (&facts["node"], &facts["images"], &json!("3.11.7")));
    assert!(serde_json::from_value::<Event>(serde_json::to_value(&told).unwrap()).is_err());
}

#[test]
fn an_end_says_all_that_was_missed() {
    let run = folded([end(json!({"state": "COMPLETED", "time": 9.0, "started": 4.0, "attempts": 2}))]);
    assert_eq!((states(&run), run.attempts), (vec![("CREATED", 0), ("RUNNING", 4), ("COMPLETED", 9)], 2));
    let run = folded([end(json!({"state": "ERROR", "time": 9.0, "exit_code": -9, "signal": "SIGKILL", "error": {"cause": "OutOfMemory", "message": "m"}}))]);
    let error = run.error.as_ref().unwrap();
    assert_eq!((states(&run).len(), error.exit_code, error.signal.as_deref()), (2, Some(-9), Some("SIGKILL")));
    for no_end in [State::Created, State::Pending, State::Running, State::Resume] {
        let run = folded([running(1.0, 1), end(json!({"state": no_end, "time": 2.0}))]);
        assert_eq!((run.state, run.error.unwrap().cause.as_str()), (State::Error, "RunnerError"));
    }
}

#[test]
fn of_a_metric_the_newest_points_stay_and_many_take_no_time() {
    let points = 50_000;
    let began = std::time::Instant::now();
    let run = folded((0..points).map(|step| event(json!({"type": "metric", "time": 1.0, "name": "loss", "value": step, "step": step}))));
    let kept = &run.metrics["loss"];
    assert!((10_000..=11_000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().unwrap().step, Some(points - 1));
    assert!(kept.windows(2).all(|two| two[0].step < two[1].step));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_comparison_tells_what_differs_and_not_who_and_when() {
    let metric = |value: f64| event(json!({"type": "metric", "time": 1.0, "name": "loss", "value": value}));
    let one = folded([running(1.0, 1), metric(0.9), metric(0.1), end(json!({"state": "COMPLETED", "time": 2.0, "seconds": 1.0}))]);
    let mut two = folded([running(5.0, 1), metric(0.5), metric(0.1), end(json!({"state": "COMPLETED", "time": 9.0, "seconds": 4.0}))]);
    two.id = runwright::model::name::RunId::new();
    two.key = two.key.replace("0190f3a2", "0190f3a3");
    assert_eq!(compare(&one, &two), [], "of a metric the last value tells");
    two.spec.parameters.insert("depth".into(), 9.into());
    two.spec.parameters.insert("extra".into(), json!({"a": 1}));
    two.results.insert("score".into(), json!([1, 2]));
    two.metrics.clear();
    let found: Vec<_> = compare(&one, &two).into_iter().map(|difference| (difference.path, difference.left, difference.right)).collect();
    assert_eq!(
        found,
        [
            ("metrics.loss".into(), Some(json!(0.1)), None),
            ("parameters.depth".into(), Some(json!(8)), Some(json!(9))),
            ("parameters.extra".into(), None, Some(json!({"a": 1}))),
            ("results.score".into(), None, Some(json!([1, 2]))),
        ]
    );
}
