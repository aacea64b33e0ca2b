//! Step *lower*: a Plan as Kubernetes objects. Pure: the same run gives the same objects.

use serde_json::{Map, Value, json};

use super::object::{config_map, job, pod};
use super::pack::PIECES;
use super::{name, packed};
use crate::backend::Load;
use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::name::Digest;
use crate::model::plan::Plan;
use crate::model::workload::{Process, Workload};
use bytes::Bytes;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;

/// The version of the run folder's protocol.
const PROTOCOL: u32 = 1;
/// What the annotations of one object may hold together is 256 KiB, by the API server; some room is left for others'.
const ANNOTATIONS: usize = 240 * 1024;
/// Code up to this size travels in the Job itself.
const SMALL_CODE: usize = 48 * 1024;
/// An object may have 1.5 MiB in etcd by default, a ConfigMap 1 MiB by the API server.
const CONFIG_MAP: usize = 1000 * 1024;

/// What holds for all runs of this process.
pub struct Surroundings<'a> {
    /// The image of Python functions that name none.
    pub image: &'a str,
    /// The ConfigMap with the runner.
    pub runner: &'a str,
}

/// The code of a function version, packed.
#[derive(Clone)]
pub struct Code {
    /// The digest of the source.
    pub source: Digest,
    pub zip: Bytes,
}

/// The objects of a run, or of a fan-out.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    pub job: Job,
    /// The code, where it does not fit into the Job.
    pub code: Option<ConfigMap>,
}

pub fn lower(around: &Surroundings<'_>, function: &Function, code: Option<&Code>, loads: &[Load]) -> Result<Objects> {
    let Some(first) = loads.first() else { return Err(Error::backend("nothing was to be lowered", "this is a fault of Runwright; please report it")) };
    let workload = match &first.plan {
        Plan::Task(workload) => workload,
        Plan::Service(_) | Plan::Build(_) | Plan::Manifests(_) => {
            return Err(Error::invalid(
                "action",
                &first.run.action,
                format!("{}: a {} is not executed on Kubernetes yet", first.run.action, first.plan.name()),
                "use the action `job`",
            ));
        }
    };
    let labels = name::labels(&first.run);
    let placed = code.map(|code| place(code, first)).transpose()?;
    let waits = waits(first);
    // What its inputs weigh is known only when they have come, and volumes cannot be added then.
    let pieces = if waits { PIECES } else { first.pieces };
    let mut template = pod::template(around, &first.run, workload, placed.as_ref(), pieces)?;
    let annotations = annotations(function, workload, placed.as_ref(), loads)?;
    check_size(&annotations)?;
    if let Some(metadata) = &mut template.metadata {
        metadata.labels = Some(labels.clone());
        metadata.annotations.get_or_insert_default().extend(annotations);
    }
    let config_map = match placed {
        Some(Placed::Volume(name, zip)) => Some(config_map::binary(&name, name::SHARED, "code", "code.zip", zip)),
        _ => None,
    };
    Ok(Objects { job: job::job(function, &first.run, labels, template, loads.len(), waits), code: config_map })
}

/// Whether an input is of a run that has not ended.
pub fn waits(load: &Load) -> bool {
    load.inputs.values().any(|input| input.get("run").is_some_and(Value::is_string))
}

/// Where the code travels.
pub enum Placed {
    Annotation(String),
    /// The name of the ConfigMap, and the zip.
    Volume(String, Bytes),
}

fn place(code: &Code, load: &Load) -> Result<Placed> {
    if code.zip.len() <= SMALL_CODE {
        return Ok(Placed::Annotation(packed::binary_annotation(&code.zip)));
    }
    if code.zip.len() <= CONFIG_MAP {
        return Ok(Placed::Volume(name::of_code(&code.source), code.zip.clone()));
    }
    Err(Error::invalid(
        "code_src",
        format!("{} bytes", code.zip.len()),
        format!("the code of {} has {} KiB packed; an object of Kubernetes takes {} KiB", load.run.function, code.zip.len() / 1024, CONFIG_MAP / 1024),
        "leave data out of the code folder, or put the packages into the image or into requirements=",
    ))
}

/// What the pod reads, and what gives the records back.
fn annotations(function: &Function, workload: &Workload, placed: Option<&Placed>, loads: &[Load]) -> Result<Vec<(String, String)>> {
    let first = &loads[0];
    let mut annotations = vec![(name::FROZEN.to_owned(), packed::annotation(&frozen(function, workload, placed, first))?)];
    if let Some(Placed::Annotation(code)) = placed {
        annotations.push((name::CODE.to_owned(), code.clone()));
    }
    if first.run.spec.map.is_some() {
        let items: Vec<Value> = loads.iter().map(|load| json!({"parameters": load.run.spec.parameters, "inputs": load.inputs, "asked": load.run.spec.inputs})).collect();
        annotations.push((name::ITEMS.to_owned(), packed::annotation(&Value::Array(items))?));
    }
    Ok(annotations)
}

fn check_size(annotations: &[(String, String)]) -> Result<()> {
    let size: usize = annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size <= ANNOTATIONS {
        return Ok(());
    }
    let largest = annotations.iter().max_by_key(|(_, value)| value.len()).map_or("", |(name, _)| name);
    let (field, cure) = match largest {
        name::ITEMS => ("items", "map over fewer items at a time, or over keys of data instead of the data itself"),
        _ => ("parameters", "give large values as inputs: log them as a dataitem or an artifact, and set RUNWRIGHT_ARTIFACTS to a bucket that pods reach"),
    };
    Err(Error::invalid(
        field,
        format!("{} KiB", size / 1024),
        format!("the {field} have {} KiB compressed; together with the code an object of Kubernetes takes {} KiB", size / 1024, ANNOTATIONS / 1024),
        cure,
    ))
}

fn frozen(function: &Function, workload: &Workload, placed: Option<&Placed>, load: &Load) -> Value {
    let run = &load.run;
    let secrets: Vec<&String> = run.spec.secrets.keys().collect();
    let task = match &workload.process {
        Process::Call(call) => json!({"call": {"path": null, "handler": call.handler, "outputs": call.outputs, "signature": function.spec.get("signature")}}),
        Process::Serve(serve) => {
            let mut settings = serve.settings.clone();
            settings.insert("host".into(), "0.0.0.0".into());
            json!({"call": {"path": null, "handler": serve.handler, "signature": function.spec.get("signature")}, "serve": settings})
        }
        Process::Command(arguments) => json!({"command": arguments}),
        Process::Container(container) => json!({"container": container}),
    };
    let mut frozen = json!({
        "protocol": PROTOCOL,
        "id": run.id, "key": run.key, "project": run.project, "function": run.function, "kind": run.kind, "version": run.version, "action": run.action,
        "task": task,
        "python": null, "cwd": null,
        "parameters": run.spec.parameters, "inputs": load.inputs, "needs": [],
        "envs": workload.envs, "requirements": workload.requirements,
        "timeout": run.spec.timeout, "grace": run.spec.grace, "retries": run.spec.retries,
        "concurrency": 0,
        "record": record(load),
    });
    if let Process::Call(_) | Process::Serve(_) = workload.process {
        frozen["pod"] = json!({
            "secrets": secrets,
            "code": match placed { None => Value::Null, Some(Placed::Annotation(_)) => "annotation".into(), Some(Placed::Volume(..)) => "volume".into() },
            "luggage": load.pieces, "slots": load.slots, "limit": super::STREAM,
        });
    }
    frozen
}

/// The record, without what stands beside it.
fn record(load: &Load) -> Value {
    let mut record = serde_json::to_value(&load.run).unwrap_or_default();
    if let Some(spec) = record.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("parameters");
        if load.run.spec.map.is_some() {
            spec.remove("inputs");
        }
    }
    record
}

/// The records in a Job's annotations: of its run, or of all runs of its fan-out.
#[must_use]
pub fn records(annotations: &std::collections::BTreeMap<String, String>) -> Vec<Value> {
    let Some(frozen) = annotations.get(name::FROZEN).and_then(|text| packed::read_annotation(text)) else { return Vec::new() };
    let mut base = frozen.get("record").cloned().unwrap_or_default();
    base["spec"]["parameters"] = frozen.get("parameters").cloned().unwrap_or_default();
    let Some(items) = annotations.get(name::ITEMS).and_then(|text| packed::read_annotation(text)) else { return vec![base] };
    let items = items.as_array().cloned().unwrap_or_default();
    items.into_iter().enumerate().filter_map(|(index, item)| of_item(&base, index, &item)).collect()
}

fn of_item(base: &Value, index: usize, item: &Value) -> Option<Value> {
    use crate::model::name::RunId;
    let index = u32::try_from(index).ok()?;
    let mut record = base.clone();
    let first: RunId = base.get("id")?.as_str()?.parse().ok()?;
    let id = RunId::of_item(first.map(), index).to_string();
    record["key"] = base.get("key")?.as_str()?.replace(&first.to_string(), &id).into();
    record["id"] = id.into();
    record["spec"]["parameters"] = item.get("parameters").cloned().unwrap_or_else(|| Map::new().into());
    record["spec"]["inputs"] = item.get("asked").cloned().unwrap_or_else(|| Map::new().into());
    record["spec"]["map"]["index"] = index.into();
    record["reference"]["index"] = index.into();
    Some(record)
}
