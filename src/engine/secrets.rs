//! Secrets: references in records, values only on their way to the process that needs them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::project::Project;
use crate::model::run::Run;

/// The reference of a secret: the project's own, else an environment variable of that name.
pub fn reference(project: &Project, name: &str) -> Result<String> {
    let reference = project.secrets.get(name).and_then(Value::as_str).map_or_else(|| format!("env:{name}"), str::to_owned);
    // Known to be missing before anything is created.
    read(name, &reference)?;
    Ok(reference)
}

/// The values of a run's secrets, by the name of their environment variable.
pub fn values(run: &Run) -> Result<BTreeMap<String, String>> {
    run.spec.secrets.iter().map(|(name, reference)| Ok((name.clone(), read(name, reference)?))).collect()
}

fn read(name: &str, reference: &str) -> Result<String> {
    let found = match reference.split_once(':') {
        Some(("env", variable)) => std::env::var(variable).ok(),
        Some(("file", path)) => std::fs::read_to_string(path).ok().map(|text| text.trim_end_matches('\n').to_owned()),
        _ => None,
    };
    found.ok_or_else(|| {
        Error::invalid(
            "secrets",
            name,
            format!("the secret {name:?} is not to be had from {reference}"),
            format!("set the environment variable {name}, or save it with project.new_secret({name:?}, secret_value=…)"),
        )
    })
}
