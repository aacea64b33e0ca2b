//! Step *lower*: a Plan as the `run.json` that the runner reads. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::folder::RunFolder;
use super::{Settings, building, code, container};
use crate::backend::Load;
use crate::error::{Error, Result};
use crate::model::build::Build;
use crate::model::function::Function;
use crate::model::plan::Plan;
use crate::model::run::{Input, Run};
use crate::model::workload::{Process, Workload};

/// The version of the run folder's protocol.
const PROTOCOL: u32 = 1;

/// Gives the program that runs containers; asked only where there is one to run.
pub type Tool<'a> = &'a dyn Fn() -> Result<&'a Path>;

pub fn lower(home: &Path, settings: &Settings, tool: Tool<'_>, function: &Function, load: &Load) -> Result<Value> {
    let Load { run, plan, inputs, .. } = load;
    let workload = match plan {
        Plan::Task(workload) | Plan::Build(Build { workload, .. }) => workload,
        Plan::Service(workload) if !matches!(workload.process, Process::Container(_)) => workload,
        Plan::Service(_) | Plan::Manifests(_) => {
            return Err(Error::invalid(
                "action",
                &run.action,
                format!("{}: the local backend does not execute a {} yet", run.action, plan.name()),
                "use another action, or run it on=\"kubernetes\"",
            ));
        }
    };
    // Those that had not ended: what the others gave is in the inputs already, and their folders may be gone.
    let needs: Vec<String> = run
        .spec
        .inputs
        .iter()
        .filter_map(|(name, input)| match input {
            Input::Run { run, .. } => Some(run.to_string()).filter(|id| inputs.get(name).and_then(|input| input.get("run")).and_then(Value::as_str) == Some(id)),
            Input::Entity { .. } | Input::Value { .. } => None,
        })
        .collect();
    let cwd = match workload.process {
        // Podman leaves files where it is started; what runs in the container does not see that folder.
        Process::Container(_) => RunFolder::of(home, run.id).path().display().to_string().into(),
        Process::Call(_) | Process::Serve(_) | Process::Command(_) => run.provenance.get("cwd").cloned().unwrap_or_default(),
    };
    let parameters = match plan {
        Plan::Build(build) => building::complete(function, build)?,
        Plan::Task(_) | Plan::Service(_) | Plan::Manifests(_) => workload.parameters().unwrap_or(&run.spec.parameters).clone(),
    };
    Ok(json!({
        "protocol": PROTOCOL,
        "id": run.id, "key": run.key, "project": run.project, "function": run.function, "kind": run.kind, "version": run.version, "action": run.action,
        "task": task(home, tool, function, load, workload)?,
        "python": settings.python,
        "cwd": cwd,
        "parameters": parameters, "inputs": inputs, "needs": needs,
        "envs": envs(workload), "requirements": workload.requirements,
        "timeout": run.spec.timeout, "grace": grace(run, workload), "retries": run.spec.retries,
        // What a run starts while it goes on, and what goes on until it is stopped, must not keep others waiting.
        "concurrency": if run.provenance.contains_key("parent") || matches!(plan, Plan::Service(_)) { 0 } else { settings.concurrency },
        "record": run,
    }))
}

/// Seconds between TERM and KILL.
fn grace(run: &Run, workload: &Workload) -> f64 {
    match &workload.process {
        Process::Serve(serve) => serve.ends_within(0.25),
        Process::Call(_) | Process::Command(_) | Process::Container(_) => run.spec.grace,
    }
}

fn task(home: &Path, tool: Tool<'_>, function: &Function, load: &Load, workload: &Workload) -> Result<Value> {
    Ok(match &workload.process {
        Process::Call(call) => json!({"call": {
            "path": code::path(home, function),
            "handler": call.handler,
            "outputs": call.outputs,
            "signature": function.spec.get("signature"),
        }}),
        Process::Serve(serve) => json!({
            "call": {"path": code::path(home, function), "handler": serve.handler, "signature": function.spec.get("signature")},
            "serve": serve.settings,
        }),
        Process::Command(arguments) => json!({"command": arguments}),
        Process::Container(container) => container::task(tool()?, &load.run, workload, container)?,
    })
}

/// What the runner sets in the environment of the process.
fn envs(workload: &Workload) -> BTreeMap<&String, &String> {
    let container = matches!(workload.process, Process::Container(_));
    workload.envs.iter().filter(|(name, _)| !(container && container::disturbs(name))).collect()
}
