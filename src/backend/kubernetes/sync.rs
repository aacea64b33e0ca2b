//! Records given back by the cluster alone: a store that has lost them, or another machine's, has them again.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodTemplateSpec;
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
        let Some(id) = name::id_in(&job) else { continue };
        match board.sight(&job).job.and_then(|seen| seen.runs) {
            Some(runs) => ids.extend((0..runs).map(|index| RunId::of_item(id, index))),
            None => ids.push(id),
        }
    }
    ids
}

/// The record of a run, as it was handed over.
pub async fn find(access: &Access, id: RunId) -> Result<Option<Run>> {
    for name in [format!("rw-{id}"), format!("rw-{}", id.map())] {
        let Some((own, of_pods)) = get(access, &name).await? else { continue };
        let text = id.to_string();
        let record = records(&own, &of_pods).into_iter().find(|record| record.get("id").and_then(serde_json::Value::as_str) == Some(text.as_str()));
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
    let (own, template) = get(access, &name::of_run(run)).await.ok()??;
    let mut function: serde_json::Value = serde_json::from_str(own.get(FUNCTION)?).ok()?;
    if let Some(source) = function.get_mut("spec").and_then(|spec| spec.get_mut("source")).and_then(serde_json::Value::as_object_mut) {
        source.extend(super::packed::read_code(template.get(CODE)?)?);
    }
    serde_json::from_value(function).ok()
}

type Annotations = BTreeMap<String, String>;

/// The annotations of a Job, or of a Deployment of that name, and those of its pods' template.
async fn get(access: &Access, name: &str) -> Result<Option<(Annotations, Annotations)>> {
    let jobs = access.api::<Job>();
    if let Some(job) = patiently(|| jobs.get_opt(name)).await.map_err(|error| access.refused::<Job>("get", name, &error))? {
        return Ok(Some((job.annotations().clone(), of_template(job.spec.map(|spec| spec.template)))));
    }
    let deployments = access.api::<Deployment>();
    match patiently(|| deployments.get_opt(name)).await {
        Ok(found) => Ok(found.map(|deployment| (deployment.annotations().clone(), of_template(deployment.spec.map(|spec| spec.template))))),
        // Who may not see Deployments has none.
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(None),
        Err(error) => Err(access.refused::<Deployment>("get", name, &error)),
    }
}

fn of_template(template: Option<PodTemplateSpec>) -> Annotations {
    template.and_then(|template| template.metadata).and_then(|metadata| metadata.annotations).unwrap_or_default()
}
