//! Records given back by the cluster alone: a store that has lost them, or another machine's, has them again.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use super::apply::{Access, patiently};
use super::lower::records;
use super::name::{self, CODE, FUNCTION};
use super::watch::Board;
use crate::error::Result;
use crate::model::function::Function;
use crate::model::name::RunId;
use crate::model::run::Run;

/// The runs whose Jobs are there.
pub fn ids(board: &Board) -> Vec<RunId> {
    let mut ids = Vec::new();
    for job in board.jobs() {
        let (Some(id), Some(seen)) = (name::id_in(&job), board.sight(&job).job) else { continue };
        match seen.runs {
            Some(runs) => ids.extend((0..runs).map(|index| RunId::of_item(id, index))),
            None => ids.push(id),
        }
    }
    ids
}

/// The record of a run, as it was handed over.
pub async fn find(access: &Access, id: RunId) -> Result<Option<Run>> {
    for name in [format!("rw-{id}"), format!("rw-{}", id.map())] {
        let Some(job) = get(access, &name).await? else { continue };
        let annotations = job.spec.and_then(|spec| spec.template.metadata).and_then(|metadata| metadata.annotations).unwrap_or_default();
        let text = id.to_string();
        let record = records(&annotations).into_iter().find(|record| record.get("id").and_then(serde_json::Value::as_str) == Some(text.as_str()));
        if let Some(mut run) = record.and_then(|record| serde_json::from_value::<Run>(record).ok()) {
            // Where it is found: the context may be called otherwise where it was submitted.
            run.reference.extend(access.target.reference(&name));
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// The function version of a run, where its Job holds all of it.
pub async fn version(access: &Access, run: &Run) -> Option<Function> {
    let job = get(access, &name::of_run(run)).await.ok()??;
    let mut function: serde_json::Value = serde_json::from_str(job.annotations().get(FUNCTION)?).ok()?;
    let template = job.spec?.template.metadata?.annotations?;
    if let Some(source) = function.get_mut("spec").and_then(|spec| spec.get_mut("source")).and_then(serde_json::Value::as_object_mut) {
        source.extend(super::packed::read_code(template.get(CODE)?)?);
    }
    serde_json::from_value(function).ok()
}

async fn get(access: &Access, name: &str) -> Result<Option<Job>> {
    let api = access.api::<Job>();
    patiently(|| api.get_opt(name)).await.map_err(|error| access.refused::<Job>("get", name, &error))
}
