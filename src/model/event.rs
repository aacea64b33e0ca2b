//! Event: what a backend reports of a run, and the pure fold of events into its record.
//!
//! The JSON is that of `docs/decisions/0002-run-folder.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::run::{Failure, Phase, Point, Run, Transition};
use super::state::State;
use super::time::from_seconds;
use crate::error::{Error, Result};

/// How many points of one metric a record keeps at least (and a tenth more at most); older ones make room.
const POINTS: usize = 10_000;

/// How many phases of its way a record keeps: of one that is tried again and again, the first.
const PHASES: usize = 200;

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// It was handed over and waits.
    Pending {
        time: f64,
    },
    /// Something to know while it waits, such as why no node takes it.
    Notice {
        time: f64,
        message: String,
    },
    /// An attempt began.
    Running {
        time: f64,
        attempt: u32,
        #[serde(default)]
        pid: Option<i64>,
        #[serde(default)]
        python: Option<String>,
    },
    /// A service answers: so many of it, at that URL.
    Ready {
        time: f64,
        #[serde(default)]
        url: Option<String>,
        #[serde(default = "one")]
        ready: u32,
        #[serde(default)]
        replicas: Option<u32>,
    },
    /// A service does not answer (any more).
    Unready {
        time: f64,
        #[serde(default)]
        message: Option<String>,
    },
    /// A service that answered before does not come to again, by itself. What is left of it goes on.
    Failing {
        time: f64,
        error: Failure,
    },
    /// A phase took so many seconds, until then.
    Mark {
        time: f64,
        name: String,
        seconds: f64,
    },
    Metric {
        time: f64,
        name: String,
        value: Value,
        #[serde(default)]
        step: Option<i64>,
    },
    Result {
        time: f64,
        name: String,
        value: Value,
    },
    /// The code logged an artifact, dataitem or model.
    Entity {
        time: f64,
        entity: LoggedEntity,
    },
    /// More of where the run comes from, which only the place to run knows: it is not believed where a runner writes it.
    #[serde(skip_deserializing)]
    Provenance {
        time: f64,
        facts: Map<String, Value>,
    },
    /// An attempt failed and another follows.
    Retry {
        time: f64,
        attempt: u32,
        error: Failure,
        delay: f64,
    },
    /// The end.
    End(Box<End>),
}

const fn one() -> u32 {
    1
}

impl Event {
    /// When it happened, in seconds since the epoch. To be read, or set right.
    #[must_use]
    pub fn time(&mut self) -> &mut f64 {
        match self {
            Self::Pending { time }
            | Self::Notice { time, .. }
            | Self::Running { time, .. }
            | Self::Ready { time, .. }
            | Self::Unready { time, .. }
            | Self::Failing { time, .. }
            | Self::Mark { time, .. }
            | Self::Metric { time, .. }
            | Self::Result { time, .. }
            | Self::Entity { time, .. }
            | Self::Provenance { time, .. }
            | Self::Retry { time, .. } => time,
            Self::End(end) => &mut end.time,
        }
    }
}

/// An entity as the runner logged it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedEntity {
    #[serde(rename = "type")]
    pub of: super::key::KeyType,
    pub kind: String,
    pub name: String,
    pub id: String,
    pub output: Map<String, Value>,
    #[serde(default)]
    pub metrics: Map<String, Value>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    pub state: State,
    pub time: f64,
    #[serde(default)]
    pub started: Option<f64>,
    #[serde(default)]
    pub seconds: Option<f64>,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub exit_code: Option<i64>,
    #[serde(default)]
    pub signal: Option<String>,
    #[serde(default)]
    pub error: Option<Failure>,
    #[serde(default)]
    pub shape: Option<String>,
    /// The names of the outputs, in the order in which they were returned.
    #[serde(default)]
    pub names: Vec<String>,
    /// Descriptors by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    pub distributions: Option<String>,
    #[serde(default)]
    pub python: Option<String>,
}

impl End {
    /// An end that was found rather than written: the runner is gone, or never was.
    #[must_use]
    pub fn found(cause: &str, message: &str, cure: &str, time: f64) -> Self {
        let mut end = Self::found_in(State::Error, cause, message, time);
        if let Some(error) = &mut end.error {
            error.cure = Some(cure.into());
        }
        end
    }

    /// The end of a run that could not be handed over.
    #[must_use]
    pub fn not_started(error: &Error) -> Self {
        let time = super::time::now().as_duration().as_secs_f64();
        let (cause, message, cure) = match error.fault() {
            Some(fault) => (fault.cause.unwrap_or("NotStarted"), fault.message.clone(), fault.cure.clone().unwrap_or_default()),
            None => ("NotStarted", error.to_string(), String::new()),
        };
        Self::found(cause, &message, &format!("{cure}; then start it again with run.reproduce()"), time)
    }

    /// The same in another state, with nothing to mend.
    #[must_use]
    pub fn found_in(state: State, cause: &str, message: &str, time: f64) -> Self {
        Self { error: Some(Failure { cause: cause.into(), message: message.into(), ..Failure::default() }), ..Self::at(state, time) }
    }

    /// An end of which only state and time are known.
    #[must_use]
    pub fn at(state: State, time: f64) -> Self {
        Self {
            state,
            time,
            started: None,
            seconds: None,
            attempts: 0,
            exit_code: None,
            signal: None,
            error: None,
            shape: None,
            names: Vec::new(),
            outputs: BTreeMap::new(),
            distributions: None,
            python: None,
        }
    }
}

/// Folds one event into the record. A record that has ended takes no more events.
pub fn fold(run: &mut Run, event: Event) -> Result<()> {
    if run.state.is_final() {
        return Ok(());
    }
    match event {
        Event::Pending { time } => {
            if matches!(run.state, State::Created | State::Resume) {
                run.transition(State::Pending, from_seconds(time), None)?;
            }
        }
        Event::Notice { time, message } => {
            let time = run.history.last().map_or(from_seconds(time), |last| last.time.max(from_seconds(time)));
            run.history.push(Transition { state: run.state, time, message: Some(message) });
            run.updated = run.updated.max(time);
        }
        Event::Running { time, attempt, python, .. } => {
            run.attempts = run.attempts.max(attempt);
            if run.state != State::Running {
                run.transition(State::Running, from_seconds(time), None)?;
            }
            if let Some(python) = python {
                run.provenance.insert("python".into(), python.into());
            }
            if let Some(service) = run.service.as_mut().filter(|service| !service.announces && service.ready == 0) {
                service.ready = service.replicas;
            }
        }
        Event::Ready { time, url, ready, replicas } => {
            run.updated = run.updated.max(from_seconds(time));
            if let Some(service) = &mut run.service {
                service.ready = ready;
                service.replicas = replicas.unwrap_or(service.replicas);
                service.url = url.or(service.url.take());
                if service.is_ready() {
                    service.failure = None;
                }
            }
        }
        Event::Unready { time, message } => {
            run.updated = run.updated.max(from_seconds(time));
            if let Some(service) = &mut run.service {
                service.ready = 0;
            }
            if message.is_some() {
                run.history.push(Transition { state: run.state, time: run.updated, message });
            }
        }
        Event::Failing { time, error } => {
            run.updated = run.updated.max(from_seconds(time));
            if let Some(service) = &mut run.service {
                service.failure = Some(error);
            }
        }
        Event::Mark { time, name, seconds } => fold_mark(run, time, name, seconds),
        Event::Metric { time, name, value, step } => {
            let points = run.metrics.entry(name).or_default();
            points.push(Point { value, step, time: from_seconds(time) });
            // Not one by one: each time all that stay are moved.
            if points.len() >= POINTS + POINTS / 10 {
                points.drain(..points.len() - POINTS);
            }
        }
        Event::Result { name, value, .. } => {
            run.results.insert(name, value);
        }
        // The engine registers entities before it folds; here only the attempt's message is kept.
        Event::Entity { .. } => {}
        Event::Provenance { facts, .. } => run.provenance.extend(facts),
        Event::Retry { attempt, error, delay, time } => {
            let message = format!("attempt {attempt} failed ({}: {}); the next one in {delay:.1} s", error.cause, error.message);
            let time = from_seconds(time);
            let time = run.history.last().map_or(time, |last| last.time.max(time));
            run.history.push(super::run::Transition { state: run.state, time, message: Some(message) });
        }
        Event::End(end) => fold_end(run, *end)?,
    }
    Ok(())
}

fn fold_mark(run: &mut Run, time: f64, name: String, seconds: f64) {
    if run.phases.len() < PHASES {
        let start = from_seconds(time - seconds);
        // A message takes a moment: the one before ended when this began.
        if let Some(last) = run.phases.last_mut().filter(|last| last.start <= start) {
            last.seconds = last.seconds.min(start.duration_since(last.start).as_secs_f64());
        }
        run.phases.push(Phase { name: name.clone(), start, seconds });
    }
    *run.marks.entry(name).or_default() += seconds;
}

fn fold_end(run: &mut Run, mut end: End) -> Result<()> {
    let time = from_seconds(end.time);
    if !end.state.is_final() {
        let message = format!("the runner reported {} as the end", end.state);
        end = End { error: Some(Failure { cause: "RunnerError".into(), message, ..Failure::default() }), state: State::Error, ..end };
    }
    if end.state == State::Completed && run.state != State::Running {
        run.transition(State::Running, end.started.map_or(time, from_seconds), None)?;
    }
    run.transition(end.state, time, end.error.as_ref().map(|error| error.message.clone()))?;
    if let Some(service) = &mut run.service {
        service.ready = 0;
        service.failure = None;
    }
    run.attempts = run.attempts.max(end.attempts);
    run.seconds = end.seconds;
    run.shape = end.shape;
    run.names = end.names;
    for (name, descriptor) in end.outputs {
        if descriptor.get("type").and_then(Value::as_str) == Some("value") {
            run.results.insert(name, descriptor.get("value").cloned().unwrap_or_default());
        }
    }
    if let Some(mut error) = end.error {
        error.exit_code = error.exit_code.or(end.exit_code);
        error.signal = error.signal.or(end.signal);
        run.error = Some(error);
    }
    for (name, value) in [("python", end.python), ("distributions", end.distributions)] {
        if let Some(value) = value {
            run.provenance.insert(name.into(), value.into());
        }
    }
    Ok(())
}
