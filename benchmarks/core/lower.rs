//! How many Jobs one core translates and lowers a second: steps 3 and 4 of a run's way, both pure. Prints `{"seconds": …, "value": bytes of the Job}` for as
//! many rounds of as many as it is told: `lower ROUNDS JOBS`. Seconds are those in which it had a core.

#![allow(clippy::expect_used)] // It ends with what went wrong.

use runwright::backend::Load;
use runwright::backend::kubernetes::lower::{Owner, Surroundings, Version, lower};
use runwright::model::function::Function;
use runwright::model::run::Run;
use runwright::runtime::Runtimes;
use serde_json::{Map, json};

const ID: &str = "019b7c00-0000-7000-8000-000000000000";

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (rounds, jobs) = (arguments.next().expect("rounds"), arguments.next().expect("jobs"));
    let (function, run) = example();
    let version = Version::pack(&function).expect("a version");
    let runtimes = Runtimes::default();
    let runtime = runtimes.get("python").expect("a kind");
    let around = Surroundings { image: "docker.io/library/python:3.12-slim", runner: "runwright-runner" };
    let one = || {
        let plan = runtime.translate(&function, "job", &run.spec).expect("a plan");
        let load = Load::new(run.clone(), plan, Map::new(), None);
        lower(&around, &function, &version, &[load]).expect("a Job")
    };
    let size = match one().owner {
        Owner::Job(job) => serde_json::to_vec(&job).expect("JSON").len(),
        Owner::Deployment(_) => unreachable!("a job is no service"),
    };
    for _ in 0..rounds {
        let began = on_core();
        for _ in 0..jobs {
            std::hint::black_box(one());
        }
        println!("{}", json!({"seconds": on_core() - began, "value": size}));
    }
}

/// Seconds for which this thread has had a core.
fn on_core() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

/// A function of one file, and a run of it.
fn example() -> (Function, Run) {
    let time = "2026-01-01T00:00:00Z";
    let code = "def train(depth: int = 5) -> float:\n    return depth * 0.1\n".repeat(20);
    let source = json!({"origin": "text", "handler": "train:train", "files": {"train.py": code}});
    let function = json!({"project": "demo", "name": "train", "kind": "python", "version": "0".repeat(64), "created": time,
        "spec": {"source": source, "requirements": ["scikit-learn"]}});
    let run = json!({"id": ID, "key": format!("store://demo/run/python/{ID}"), "project": "demo", "function": "train", "kind": "python",
        "version": "0".repeat(64), "action": "job", "spec": {"parameters": {"depth": 8}, "resources": {"cpu": "2", "mem": "4Gi"}}, "backend": "kubernetes",
        "client": "client", "state": "CREATED", "history": [{"state": "CREATED", "time": time}], "created": time, "updated": time});
    (serde_json::from_value(function).expect("a function"), serde_json::from_value(run).expect("a run"))
}
