//! The kind `python`: a Python function. Action `job` calls it once.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Runtime;
use super::building::{self, Contents};
use crate::error::{Error, Result, did_you_mean};
use crate::model::function::Function;
use crate::model::plan::Plan;
use crate::model::run::RunSpec;
use crate::model::workload::{Call, Process, Serve, Workload};

/// The runtime.
pub struct Python;

/// What serving needs to have installed: the server, and what makes it fast.
pub const SERVER: [&str; 3] = ["uvicorn>=0.30,<1", "httptools>=0.6", "uvloop>=0.17"];

/// What a spec may hold.
const FIELDS: [&str; 6] = ["source", "signature", "outputs", "requirements", "image", "base_image"];

/// What this runtime reads of a function's spec.
#[derive(Deserialize)]
struct Spec {
    source: Source,
    #[serde(default)]
    outputs: Option<Vec<String>>,
    #[serde(default)]
    requirements: Vec<String>,
    #[serde(default)]
    image: Option<String>,
    /// What an image is built on.
    #[serde(default)]
    base_image: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    handler: String,
}

impl Spec {
    fn parse(spec: &Map<String, Value>) -> Result<Self> {
        serde_json::from_value(Value::Object(spec.clone())).map_err(|error| {
            Error::invalid("spec", "", format!("the spec of a python function is not right: {error}"), "correct it; code= or code_src= and handler= say what is called")
        })
    }
}

impl Runtime for Python {
    fn kind(&self) -> &'static str {
        "python"
    }

    fn actions(&self) -> Vec<String> {
        vec!["job".into(), "serve".into(), "build".into()]
    }

    fn takes_arguments(&self, action: &str) -> bool {
        // What a service is started with is for its `init`; the arguments come with each request. What is built is not called.
        action == "job"
    }

    fn check(&self, spec: &Map<String, Value>) -> Result<()> {
        if let Some(field) = spec.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(Error::invalid(
                field,
                &spec[field],
                format!("a python function has no field {field:?}{}", did_you_mean(field, FIELDS)),
                format!("it has: {}", FIELDS.join(", ")),
            ));
        }
        let spec = Spec::parse(spec)?;
        for (at, requirement) in spec.requirements.iter().enumerate() {
            check_requirement(&format!("requirements[{at}]"), requirement)?;
        }
        for (at, output) in spec.outputs.iter().flatten().enumerate() {
            crate::model::name::Name::parse(&format!("outputs[{at}]"), output)?;
        }
        Ok(())
    }

    fn translate(&self, function: &Function, action: &str, run: &RunSpec) -> Result<Plan> {
        let spec = Spec::parse(&function.spec)?;
        match action {
            "serve" => serve(spec, run),
            "build" => build(function, spec, run),
            _ => Ok(job(spec, run)),
        }
        .and_then(|plan| plan.with_image_of(run))
    }
}

fn job(spec: Spec, run: &RunSpec) -> Plan {
    let call = Process::Call(Call { handler: spec.source.handler, outputs: spec.outputs, parameters: None });
    Plan::Task(Workload { image: spec.image, requirements: still_required(spec.requirements, run), ..Workload::of(call, run) })
}

fn serve(spec: Spec, run: &RunSpec) -> Result<Plan> {
    let mut settings = run.task()?.serving;
    settings.entry("grace").or_insert_with(|| run.grace.into());
    let serve = Process::Serve(Serve { handler: spec.source.handler, settings });
    let mut requirements = still_required(spec.requirements, run);
    if !requirements.is_empty() {
        // An environment of its own has nothing but its requirements.
        requirements.extend(SERVER.map(str::to_owned));
    }
    Ok(Plan::Service(Workload { image: spec.image, requirements, ..Workload::of(serve, run) }))
}

/// What is built is called as it is, and may be served.
fn build(function: &Function, spec: Spec, run: &RunSpec) -> Result<Plan> {
    let serves = run.task()?.building.get("serve").and_then(Value::as_bool).unwrap_or(true);
    let requirements = spec.requirements.into_iter().chain(serves.then_some(SERVER).into_iter().flatten().map(str::to_owned)).collect();
    building::plan(function, run, Contents { base: spec.base_image.or(spec.image), dockerfile: None, requirements, code: true, importable: true })
}

/// The requirements that the image does not have: one that was built of this version has all.
fn still_required(requirements: Vec<String>, run: &RunSpec) -> Vec<String> {
    if run.built.is_some() { Vec::new() } else { requirements }
}

/// The beginning of a PEP 508 requirement, or a reference to one by URL or path. What the installer alone can tell (does it exist?) it tells.
fn check_requirement(field: &str, requirement: &str) -> Result<()> {
    let name_end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(requirement.len());
    let rest = requirement[name_end..].trim_start();
    let well_formed = name_end > 0 && (rest.is_empty() || rest.starts_with(['[', '=', '<', '>', '!', '~', '@', ';', '('])) && (rest.starts_with("==") || !rest.starts_with('='));
    if well_formed && !requirement.starts_with('-') && !requirement.contains('\n') {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        requirement,
        format!("{field} {requirement:?} is not a requirement"),
        "write it as in requirements.txt: \"scikit-learn\", \"scikit-learn==1.5.0\", \"pandas[parquet]>=2\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_checked_before_anything_starts() {
        for good in ["scikit-learn", "pandas[parquet]>=2", "a==1", "a @ https://x/y.whl", "x ; python_version < '3.12'", "x~=1.2", "x (>=1)"] {
            check_requirement("requirements[0]", good).expect(good);
        }
        for bad in ["", "scikit learn", "--index-url", "a=1", "a\nb", "==1"] {
            assert!(check_requirement("requirements[0]", bad).is_err(), "{bad:?}");
        }
    }
}
