//! Golden cases: what a spec translates into, for a person to read. `tests/golden/<kind>/<case>/{spec,plan}.yaml`.

#![allow(clippy::expect_used)] // It is a test.

use std::path::Path;

use runwright::model::function::Function;
use runwright::model::run::RunSpec;
use runwright::runtime::Runtimes;
use serde_json::{Value, json};

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(path).expect("golden cases").flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

#[test]
fn every_case_translates_into_its_plan() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let runtimes = Runtimes::default();
    let mut kinds = Vec::new();
    for kind in folders(&golden) {
        let name = kind.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let runtime = runtimes.get(&name).expect("a kind");
        for case in folders(&kind) {
            let asked = read(&case.join("spec.yaml"));
            let spec = asked["spec"].as_object().expect("a spec").clone();
            runtime.check(&spec).expect("a good spec");
            let function: Function = serde_json::from_value(json!({
                "project": "demo", "name": "example", "kind": name, "version": "0".repeat(64), "spec": spec, "created": "2026-01-01T00:00:00Z"
            }))
            .expect("a function");
            let run: RunSpec = serde_json::from_value(asked["run"].clone()).expect("a run's spec");
            let plan = runtime.translate(&function, asked["action"].as_str().expect("an action"), &run).expect("a plan");
            assert_eq!(serde_json::to_value(plan).expect("JSON"), read(&case.join("plan.yaml")), "{}", case.display());
        }
        kinds.push(name);
    }
    assert_eq!(kinds, runtimes.kinds(), "a kind without a golden case, or a case without a kind");
}
