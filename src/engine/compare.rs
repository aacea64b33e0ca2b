//! Compare: what changed between two runs.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::run::Run;

/// One difference: a path such as `parameters.depth`, and both values (None: not there).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub path: String,
    pub left: Option<Value>,
    pub right: Option<Value>,
}

/// All differences that tell two runs apart, in the order of the record; identities and times are left out.
#[must_use]
pub fn compare(left: &Run, right: &Run) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", &telling(left), &telling(right), &mut found);
    found
}

fn telling(run: &Run) -> Value {
    let mut record = match serde_json::to_value(run) {
        Ok(Value::Object(record)) => record,
        _ => Map::new(),
    };
    if let Some(Value::Object(spec)) = record.remove("spec") {
        record.extend(spec);
    }
    for field in ["id", "key", "client", "reference", "history", "created", "updated", "folded", "log", "cache_key", "marks", "phases", "seconds", "names", "map"] {
        record.remove(field);
    }
    if let Some(Value::Object(provenance)) = record.get_mut("provenance") {
        for identity in ["pid", "job", "deployment", "pod"] {
            provenance.remove(identity);
        }
    }
    // Of a metric its last value tells; a series has a place of its own.
    if let Some(Value::Object(metrics)) = record.get_mut("metrics") {
        for points in metrics.values_mut() {
            let last = points.as_array().and_then(|points| points.last()).and_then(|point| point.get("value")).cloned();
            *points = last.unwrap_or_default();
        }
    }
    Value::Object(record)
}

fn walk(path: &str, left: &Value, right: &Value, found: &mut Vec<Difference>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => walk(&path, a, b, found),
                    (a, b) => found.push(Difference { path, left: a.cloned(), right: b.cloned() }),
                }
            }
        }
        _ if left != right => found.push(Difference { path: path.into(), left: Some(left.clone()), right: Some(right.clone()) }),
        _ => {}
    }
}
