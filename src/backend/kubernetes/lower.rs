//! Step *lower*: a Plan as Kubernetes objects. Pure: the same run gives the same objects.

use std::collections::BTreeMap;

use bytes::Bytes;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use serde_json::{Map, Value, json};

use super::object::{self, config_map, deployment, horizontal_pod_autoscaler, job, pod, service};
use super::pack::PIECES;
use super::size::{self, CONFIG_MAP};
use super::{name, packed};
use crate::backend::Load;
use crate::error::{Error, Result};
use crate::model::build::{Build, Builder, Buildkit};
use crate::model::function::Function;
use crate::model::name::Digest;
use crate::model::plan::Plan;
use crate::model::run::Run;
use crate::model::task::TaskParameters;
use crate::model::workload::{Process, Workload};
use crate::runtime::SERVER;

/// Seconds for which a service that was told to end still takes new connections: as long as the cluster may take to send none any more.
const DRAIN: f64 = 3.0;
/// The version of the run folder's protocol.
const PROTOCOL: u32 = 1;
/// Code up to this size travels in the Job itself.
const SMALL_CODE: usize = 48 * 1024;

/// What holds for all runs of this process.
pub struct Surroundings<'a> {
    /// The image of Python functions that name none.
    pub image: &'a str,
    /// The ConfigMap with the runner.
    pub runner: &'a str,
}

/// A function version, packed once for all its runs.
pub struct Version {
    /// Where its code travels. None where it has none.
    code: Option<Placed>,
    /// The version without its code, as an annotation.
    text: String,
}

/// Where the code of a function version travels.
pub enum Placed {
    /// In each Job, as this text.
    Annotation(String),
    /// The name of the ConfigMap, and the zip.
    Volume(String, Bytes),
    /// The path in the artifact store, and the zip.
    Stored(String, Bytes),
}

impl Version {
    /// Where the artifact store has its code, and the zip; None where the code travels along.
    #[must_use]
    pub const fn stored(&self) -> Option<(&String, &Bytes)> {
        match &self.code {
            Some(Placed::Stored(at, zip)) => Some((at, zip)),
            Some(Placed::Annotation(_) | Placed::Volume(..)) | None => None,
        }
    }

    pub fn pack(function: &Function) -> Result<Self> {
        let code = function.spec.get("source").map(|source| Ok(place(function, &Digest::of_json(source), packed::code(source)?))).transpose()?;
        let mut version = serde_json::to_value(function).unwrap_or_default();
        if let Some(source) = version.get_mut("spec").and_then(|spec| spec.get_mut("source")).and_then(Value::as_object_mut) {
            // The code is in the pod's template, or in a ConfigMap.
            source.remove("files");
            source.remove("binary");
        }
        Ok(Self { code, text: version.to_string() })
    }
}

fn place(function: &Function, source: &Digest, zip: Bytes) -> Placed {
    if zip.len() <= SMALL_CODE {
        return Placed::Annotation(packed::binary_annotation(&zip));
    }
    if zip.len() <= CONFIG_MAP {
        return Placed::Volume(name::of_code(source), zip);
    }
    Placed::Stored(format!("{}/code/{source}.zip", function.project), zip)
}

/// Code that no object takes, and that cannot be fetched.
#[must_use]
pub fn too_large(function: &Function, size: usize, cure: &str) -> Error {
    let message = format!("the code of {} has {} KiB packed; an object of Kubernetes takes {} KiB", function.name, size / 1024, CONFIG_MAP / 1024);
    Error::invalid("code_src", format!("{size} bytes"), message, cure)
}

/// The objects of a run, or of a fan-out.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    pub owner: Owner,
    /// The code, where it does not fit into the owner.
    pub code: Option<ConfigMap>,
    /// Where it serves.
    pub service: Option<Service>,
    /// What says how many there are of it.
    pub autoscaler: Option<HorizontalPodAutoscaler>,
    /// Whether the owner is held back until the others and the Secret are there, because its pod cannot wait for them by itself.
    pub held: bool,
}

/// The object that all others of a run belong to.
#[derive(Debug, Clone, PartialEq)]
pub enum Owner {
    Job(Box<Job>),
    Deployment(Box<Deployment>),
}

pub fn lower(around: &Surroundings<'_>, function: &Function, version: &Version, loads: &[Load]) -> Result<Objects> {
    let Some(first) = loads.first() else { return Err(Error::backend("nothing was to be lowered", "this is a fault of Runwright; please report it")) };
    let (workload, serves) = match &first.plan {
        Plan::Task(workload) | Plan::Build(Build { workload, .. }) => (workload, false),
        Plan::Service(workload) => (workload, true),
        Plan::Manifests(_) => {
            return Err(Error::invalid(
                "action",
                &first.run.action,
                format!("{}: a {} is not executed on Kubernetes yet", first.run.action, first.plan.name()),
                "use another action",
            ));
        }
    };
    check(first, workload, serves)?;
    size::words(&first.run, &workload.process)?;
    check_autoscale(first, workload, serves)?;
    let (run, task, has_runner) = (&first.run, first.run.spec.task()?, workload.process.has_runner());
    let placed = version.code.as_ref().filter(|_| has_runner);
    let waits = loads.iter().any(waits);
    // What its inputs weigh is known only when they have come, and volumes cannot be added then.
    let pieces = if waits { PIECES } else { first.pieces };
    let labels = name::labels(run);
    let ports = if serves { service::ports(&workload.process, &task) } else { Vec::new() };
    let wanted = pod::Wanted { around, run, workload, task: &task, placed, pieces, serves, ports: &ports, buildkit: buildkit_of(&first.plan) };
    let template = pod::template(&wanted, labels.clone(), annotations(around, function, workload, &task, placed, loads)?)?;
    let metadata = job::metadata(run, labels.clone(), of_owner(version, &task, loads, waits)?);
    let service = if serves { service::service(run, &task, &ports, labels.clone())? } else { None };
    let autoscaler = task.autoscale.map(|asked| horizontal_pod_autoscaler::horizontal_pod_autoscaler(run, asked, labels));
    let owner = if serves {
        Owner::Deployment(Box::new(deployment::deployment(run, &task, metadata, template)))
    } else {
        Owner::Job(Box::new(job::job(&job::Wanted { run, task: &task, has_runner, runs: loads.len(), waits }, metadata, template)))
    };
    match &owner {
        Owner::Job(job) => size::owner(job, run, &workload.process)?,
        Owner::Deployment(deployment) => size::owner(deployment, run, &workload.process)?,
    }
    let code = match placed {
        Some(Placed::Volume(name, zip)) => Some(config_map::binary(name, name::SHARED, "code", "code.zip", zip.clone())),
        _ => None,
    };
    let held = service.is_some() || autoscaler.is_some() || (!has_runner && !run.spec.secrets.is_empty());
    Ok(Objects { owner, code, service, autoscaler, held })
}

/// Whether a number that follows the use is asked for where it can be had.
fn check_autoscale(load: &Load, workload: &Workload, serves: bool) -> Result<()> {
    let Some(autoscale) = load.run.spec.task()?.autoscale else { return Ok(()) };
    if serves {
        return autoscale.check(&workload.resources);
    }
    Err(Error::invalid("autoscale", "", format!("{}: it is one, and runs to its end", load.run.action), "leave autoscale= out; map() runs one for each item"))
}

/// What can be had elsewhere and not here.
fn check(load: &Load, workload: &Workload, serves: bool) -> Result<()> {
    let spec = &load.run.spec;
    if let (true, Some(timeout)) = (serves, spec.timeout) {
        return Err(Error::invalid("timeout", timeout, format!("{}: it goes on until it is stopped", load.run.action), "leave timeout= out"));
    }
    if let (true, Some(map)) = (serves, &spec.map) {
        return Err(Error::invalid(
            "map",
            &map.id,
            format!("{}: what serves is not mapped over items", load.run.action),
            "start one with run(), and give replicas= for more of it",
        ));
    }
    if let (false, Some(input)) = (workload.process.has_runner(), spec.inputs.keys().next()) {
        return Err(Error::invalid(
            input,
            "",
            format!("{}: inputs are brought to Python functions only", load.run.function),
            "mount a volume, or let it fetch what it needs by a URL in args= or envs=",
        ));
    }
    if let (false, Some(requirement)) = (workload.process.has_runner(), workload.requirements.first()) {
        return Err(Error::invalid("requirements", requirement, format!("{}: requirements are installed for Python functions only", load.run.function), "put them into the image"));
    }
    Ok(())
}

/// Whether an input is of a run that has not ended.
#[must_use]
pub fn waits(load: &Load) -> bool {
    load.inputs.values().any(|input| input.get("run").is_some_and(Value::is_string))
}

/// What the pod reads, and what gives the records back, beside what the run asks for.
fn annotations(
    around: &Surroundings<'_>,
    function: &Function,
    workload: &Workload,
    task: &TaskParameters,
    placed: Option<&Placed>,
    loads: &[Load],
) -> Result<BTreeMap<String, String>> {
    let first = &loads[0];
    let mut annotations = task.annotations.clone();
    annotations.insert("kubectl.kubernetes.io/default-container".into(), name::MAIN.into());
    annotations.insert(name::FROZEN.to_owned(), packed::annotation(&frozen(around, function, workload, placed, first))?);
    if let Some(Placed::Annotation(code)) = placed {
        annotations.insert(name::CODE.to_owned(), code.clone());
    }
    if name::gathered(&first.run).is_some() && !first.apart {
        annotations.insert(name::ITEMS.to_owned(), packed::annotation(&items(loads))?);
    }
    size::annotations(&annotations)?;
    Ok(annotations)
}

/// What differs between the items of a fan-out.
#[must_use]
pub fn items(loads: &[Load]) -> Value {
    loads.iter().map(|load| json!({"parameters": load.run.spec.parameters, "inputs": load.inputs, "asked": load.run.spec.inputs})).collect()
}

/// What the Job or Deployment itself says: what no pod reads.
fn of_owner(version: &Version, task: &TaskParameters, loads: &[Load], waits: bool) -> Result<BTreeMap<String, String>> {
    let mut annotations = task.annotations.clone();
    if waits {
        annotations.insert(name::WAITS.to_owned(), "true".to_owned());
    }
    if loads[0].apart {
        let asked: Value = loads.iter().map(|load| json!({"parameters": load.run.spec.parameters, "asked": load.run.spec.inputs})).collect();
        annotations.insert(name::ITEMS.to_owned(), packed::annotation(&asked)?);
    }
    size::annotations(&annotations)?;
    // Without it only a store that has lost the version misses something.
    if size::of_annotations(&annotations) + name::FUNCTION.len() + version.text.len() <= size::ANNOTATIONS {
        annotations.insert(name::FUNCTION.to_owned(), version.text.clone());
    }
    Ok(annotations)
}

/// Seconds between TERM and KILL.
#[must_use]
pub fn grace(run: &Run, workload: &Workload) -> f64 {
    match &workload.process {
        Process::Serve(serve) => serve.ends_within(DRAIN),
        Process::Call(_) | Process::Command(_) | Process::Container(_) => run.spec.grace,
    }
}

/// What is installed where the image does not have it: for a service that requires nothing the server at least.
fn requirements<'a>(run: &Run, workload: &'a Workload) -> Vec<&'a str> {
    match &workload.process {
        // An image that was built of the version has it.
        Process::Serve(_) if workload.requirements.is_empty() && run.spec.built.is_none() => SERVER.to_vec(),
        _ => workload.requirements.iter().map(String::as_str).collect(),
    }
}

/// The BuildKit that a build needs.
#[must_use]
pub const fn buildkit_of(plan: &Plan) -> Option<&Buildkit> {
    match plan {
        Plan::Build(Build { builder: Builder::Buildkit(buildkit), .. }) => Some(buildkit),
        Plan::Build(_) | Plan::Task(_) | Plan::Service(_) | Plan::Manifests(_) => None,
    }
}

/// Its arguments. A build is told what it builds on (the image that its pod is of), or where the BuildKit is that it asks.
fn parameters(around: &Surroundings<'_>, workload: &Workload, load: &Load) -> Map<String, Value> {
    let mut parameters = workload.parameters().unwrap_or(&load.run.spec.parameters).clone();
    if let (Plan::Build(build), Some(settings)) = (&load.plan, parameters.get_mut("settings").and_then(Value::as_object_mut)) {
        match &build.builder {
            Builder::Layer => {
                let base = workload.image.as_deref().unwrap_or(around.image);
                settings.entry("base").or_insert_with(|| base.into());
                settings.insert("inside".into(), true.into());
            }
            Builder::Buildkit(buildkit) => object::buildkit::complete(settings, buildkit, around.image),
        }
    }
    parameters
}

fn frozen(around: &Surroundings<'_>, function: &Function, workload: &Workload, placed: Option<&Placed>, load: &Load) -> Value {
    let (run, nothing) = (&load.run, Map::new());
    let secrets: Vec<&String> = run.spec.secrets.keys().collect();
    let task = match &workload.process {
        Process::Call(call) => json!({"call": {"path": null, "handler": call.handler, "outputs": call.outputs, "signature": function.spec.get("signature")}}),
        Process::Serve(serve) => {
            let mut settings = serve.settings.clone();
            settings.insert("host".into(), "0.0.0.0".into());
            settings.entry("drain").or_insert_with(|| DRAIN.into());
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
        "parameters": if load.apart { Map::new() } else { parameters(around, workload, load) }, "inputs": if load.apart { &nothing } else { &load.inputs }, "needs": [],
        "envs": workload.envs, "requirements": requirements(run, workload),
        "timeout": run.spec.timeout, "grace": grace(run, workload), "retries": run.spec.retries,
        "concurrency": 0,
        "record": record(load),
    });
    if let Process::Call(_) | Process::Serve(_) = workload.process {
        frozen["pod"] = json!({
            "secrets": secrets,
            "code": match placed {
                None => Value::Null,
                Some(Placed::Annotation(_)) => "annotation".into(),
                Some(Placed::Volume(..)) => "volume".into(),
                Some(Placed::Stored(..)) => load.code.clone().into(),
            },
            "luggage": load.pieces, "slots": if load.apart { &[] } else { load.slots.as_slice() }, "limit": super::STREAM,
        });
        if let Some(until) = load.until {
            frozen["pod"]["until"] = until.into();
        }
    }
    frozen
}

/// The record, without what stands beside it.
fn record(load: &Load) -> Value {
    let mut record = serde_json::to_value(&load.run).unwrap_or_default();
    if let Some(spec) = record.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("parameters");
        if name::gathered(&load.run).is_some() {
            spec.remove("inputs");
        }
    }
    record
}

/// The records in a Job's own annotations and in those of its pods: of its run, or of all runs of its fan-out.
#[must_use]
pub fn records(own: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Vec<Value> {
    let Some(frozen) = annotations.get(name::FROZEN).and_then(|text| packed::read_annotation(text)) else { return Vec::new() };
    let Some(mut base) = frozen.get("record").filter(|record| record.get("spec").is_some_and(Value::is_object)).cloned() else { return Vec::new() };
    base["spec"]["parameters"] = frozen.get("parameters").cloned().unwrap_or_default();
    let Some(items) = annotations.get(name::ITEMS).or_else(|| own.get(name::ITEMS)).and_then(|text| packed::read_annotation(text)) else { return vec![base] };
    let items = items.as_array().cloned().unwrap_or_default();
    items.into_iter().enumerate().filter_map(|(index, item)| of_item(&base, index, &item)).collect()
}

fn of_item(base: &Value, index: usize, item: &Value) -> Option<Value> {
    use crate::model::name::RunId;
    let index = u32::try_from(index).ok()?;
    let mut record = base.clone();
    if !["map", "reference"].iter().all(|part| record.get(part).or_else(|| record["spec"].get(part)).is_some_and(Value::is_object)) {
        return None;
    }
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
