//! `run manifest`: what was handed over of a run, as it is there now.

use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use super::super::console::Console;
use super::super::{Outcome, SUCCESS};
use crate::engine::Engine;
use crate::error::Error;

/// The options of `run manifest`.
#[derive(Debug, Args)]
pub struct Manifest {
    /// Its key, its id, or the first 6 or more characters of its id
    run: String,
    /// Print a list of the objects as JSON
    #[arg(long)]
    json: bool,
}

impl Manifest {
    pub async fn execute(self, engine: Arc<Engine>, console: &mut Console) -> Outcome {
        let manifests = engine.manifest(&self.run).await?;
        print(&manifests, self.json, console)
    }
}

/// Objects as `kubectl apply -f -` takes them.
pub fn print(manifests: &[Value], json: bool, console: &mut Console) -> Outcome {
    if json {
        console.json(&manifests)?;
        return Ok(SUCCESS);
    }
    for (place, manifest) in manifests.iter().enumerate() {
        let yaml = serde_saphyr::to_string(manifest)
            .map_err(|error| Error::backend(format!("it cannot be written as YAML: {error}"), "give --json; if it comes again, please report it"))?;
        console.line(&format!("{}{}", if place > 0 { "---\n" } else { "" }, yaml.trim_end()))?;
    }
    Ok(SUCCESS)
}
