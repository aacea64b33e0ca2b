//! Golden cases: what a spec translates into, and what that is in a cluster, for a person to read. `tests/golden/<kind>/<case>/{spec,plan,kubernetes}.yaml`.
//!
//! `RUNWRIGHT_GOLDEN=write cargo test --test golden` writes each kubernetes.yaml anew; read the difference.

#![allow(clippy::expect_used)] // It is a test.

use std::path::{Path, PathBuf};

use runwright::backend::Load;
use runwright::backend::kubernetes::lower::{Objects, Owner, Surroundings, Version, lower};
use runwright::model::function::Function;
use runwright::model::name::RunId;
use runwright::model::plan::Plan;
use runwright::model::run::{Run, RunSpec};
use runwright::runtime::Runtimes;
use serde_json::{Map, Value, json};

/// The first bytes are a time: 2026.
const ID: &str = "019b7c00-0000-7000-8000-000000000000";
/// Stands for what is the same in each pod and nobody reads there.
const MARKERS: [(&str, &str); 1] = [(include_str!("../src/backend/kubernetes/boot.py"), "<src/backend/kubernetes/boot.py>")];

fn read_all(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Value {
    read_all(path).remove(0)
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(path).expect("golden cases").flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// A case, translated.
struct Case {
    folder: PathBuf,
    function: Function,
    plan: Plan,
    runs: Vec<Run>,
}

fn cases() -> (Vec<String>, Vec<Case>) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (mut kinds, mut cases) = (Vec::new(), Vec::new());
    for kind in folders(&golden) {
        let name = kind.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        cases.extend(folders(&kind).into_iter().map(|folder| case(&name, folder)));
        kinds.push(name);
    }
    (kinds, cases)
}

fn case(kind: &str, folder: PathBuf) -> Case {
    let asked = read(&folder.join("spec.yaml"));
    let runtime = Runtimes::default().get(kind).expect("a kind");
    let spec = asked["spec"].as_object().expect("a spec").clone();
    runtime.check(&spec).expect("a good spec");
    let function: Function = serde_json::from_value(json!({
        "project": "demo", "name": "example", "kind": kind, "version": "0".repeat(64), "spec": spec, "created": "2026-01-01T00:00:00Z"
    }))
    .expect("a function");
    let action = asked["action"].as_str().expect("an action");
    let spec: RunSpec = serde_json::from_value(asked["run"].clone()).expect("a run's spec");
    let plan = runtime.translate(&function, action, &spec).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let runs = asked["items"].as_array().map_or_else(|| vec![run(&function, action, &spec)], |items| fan_out(&function, action, &spec, items));
    Case { folder, function, plan, runs }
}

/// Its record, without what a golden case is not about.
fn run(function: &Function, action: &str, spec: &RunSpec) -> Run {
    let time = "2026-01-01T00:00:00Z";
    serde_json::from_value(json!({
        "id": ID, "key": format!("store://demo/run/{}/{ID}", function.kind), "project": "demo", "function": "example", "kind": function.kind,
        "version": function.version, "action": action, "spec": spec, "backend": "kubernetes", "client": "client", "state": "CREATED",
        "history": [{"state": "CREATED", "time": time}], "created": time, "updated": time
    }))
    .expect("a run")
}

fn fan_out(function: &Function, action: &str, spec: &RunSpec, items: &[Value]) -> Vec<Run> {
    let map: RunId = ID.parse().expect("an id");
    let of_item = |(index, item): (usize, &Value)| {
        let index = u32::try_from(index).expect("few items");
        let id = RunId::of_item(map.map(), index);
        let mut run = run(function, action, spec);
        run.key = run.key.replace(ID, &id.to_string());
        run.id = id;
        run.reference.insert("index".into(), index.into());
        run.spec.parameters.extend(item.as_object().expect("parameters").clone());
        run.spec.map = Some(serde_json::from_value(json!({"id": map.map(), "index": index, "of": items.len()})).expect("a place"));
        run
    };
    items.iter().enumerate().map(of_item).collect()
}

/// The objects as a person reads them: what is compressed or the same everywhere is replaced, JSON in annotations indented.
fn readable(objects: Objects) -> Vec<Value> {
    let owner = match objects.owner {
        Owner::Job(job) => serde_json::to_value(job),
        Owner::Deployment(deployment) => serde_json::to_value(deployment),
    };
    let mut manifests = vec![owner.expect("JSON")];
    manifests.extend(objects.code.map(|code| serde_json::to_value(code).expect("JSON")));
    manifests.extend(objects.service.map(|service| serde_json::to_value(service).expect("JSON")));
    manifests.extend(objects.autoscaler.map(|autoscaler| serde_json::to_value(autoscaler).expect("JSON")));
    manifests.iter_mut().for_each(rewrite);
    manifests
}

fn rewrite(value: &mut Value) {
    match value {
        Value::Object(all) => all.values_mut().for_each(rewrite),
        Value::Array(all) => all.iter_mut().for_each(rewrite),
        Value::String(text) => {
            if let Some((_, marker)) = MARKERS.iter().find(|(long, _)| text == long) {
                *text = (*marker).into();
            } else if text.starts_with("z:") {
                *text = "<zlib, base64>".into();
            } else if let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                *text = a_line_a_member(&json);
            }
        }
        _ => {}
    }
}

fn a_line_a_member(json: &Value) -> String {
    let (ends, lines): (_, Vec<String>) = match json {
        Value::Object(all) => (('{', '}'), all.iter().map(|(name, value)| format!("{}: {value}", json!(name))).collect()),
        _ => (('[', ']'), json.as_array().into_iter().flatten().map(Value::to_string).collect()),
    };
    format!("{}\n  {}\n{}\n", ends.0, lines.join(",\n  "), ends.1)
}

#[test]
fn every_case_translates_into_its_plan() {
    let (kinds, cases) = cases();
    for case in cases {
        assert_eq!(serde_json::to_value(&case.plan).expect("JSON"), read(&case.folder.join("plan.yaml")), "{}", case.folder.display());
    }
    assert_eq!(kinds, Runtimes::default().kinds(), "a kind without a golden case, or a case without a kind");
}

#[test]
fn every_case_is_lowered_to_its_objects() {
    let around = Surroundings { image: "docker.io/library/python:3.13-slim", runner: "runwright-runner-0000000000000000" };
    for case in cases().1 {
        let loads: Vec<Load> = case.runs.into_iter().map(|run| Load::new(run, case.plan.clone(), Map::new(), None)).collect();
        let version = Version::pack(&case.function).expect("packed");
        let objects = lower(&around, &case.function, &version, &loads).unwrap_or_else(|error| panic!("{}: {error}", case.folder.display()));
        let path = case.folder.join("kubernetes.yaml");
        let manifests = readable(objects);
        if std::env::var("RUNWRIGHT_GOLDEN").is_ok_and(|wish| wish == "write") {
            let texts: Vec<String> = manifests.iter().map(|manifest| serde_saphyr::to_string(manifest).expect("YAML")).collect();
            std::fs::write(&path, texts.join("---\n")).expect("written");
        }
        assert_eq!(manifests, read_all(&path), "{}", case.folder.display());
    }
}
