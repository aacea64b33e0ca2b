//! Services: what is seen of a Deployment becomes news of a run; asked, scaled, updated, stopped. Those that run to their end are in `collect`.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::apply::{Access, owner, patiently};
use super::collect::not_started;
use super::confirm::{confirm, find};
use super::diagnose::{ended, waiting};
use super::doubt::Doubt;
use super::name::{self, HELD, MAIN, MANAGER, STOPPED};
use super::news::{self, begun};
use super::seen::{SeenPod, seconds};
use super::watch::Sight;
use super::{Cluster, Kubernetes, provenance, timing};
use crate::backend::{Answer, Call, Luggage, News};
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;

/// How often what never answered may end before the run has.
const ATTEMPTS: i32 = 3;

/// A Deployment as the API server told last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenDeployment {
    pub uid: String,
    pub created: f64,
    /// How many there should be.
    pub replicas: u32,
    /// How many of the newest version answer; of an older one, while none of the newest does.
    pub ready: u32,
    /// Whether the controller has seen the newest version, and all of it answers.
    pub settled: bool,
    pub stopped: Option<f64>,
    /// Its client has not come to let its pods come.
    pub held: bool,
    pub gone: bool,
}

impl SeenDeployment {
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let (status, metadata) = (deployment.status.clone().unwrap_or_default(), &deployment.metadata);
        let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        let replicas = number(deployment.spec.as_ref().map(|spec| spec.replicas.unwrap_or(1)));
        let ready = number(status.ready_replicas);
        let observed = status.observed_generation >= metadata.generation;
        let stopped = metadata.annotations.as_ref().and_then(|annotations| annotations.get(STOPPED)?.parse::<jiff::Timestamp>().ok());
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map_or(0.0, seconds),
            replicas,
            ready: ready.min(replicas),
            settled: observed && number(status.updated_replicas) == replicas && ready == replicas && number(status.replicas) == replicas,
            stopped: stopped.map(|time| time.as_duration().as_secs_f64()),
            held: metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(HELD)),
            gone: false,
        }
    }
}

impl Kubernetes {
    pub(super) async fn collect_service(&self, cluster: &Cluster, run: &Run) -> Result<News> {
        if !cluster.watches.services().await? {
            return Err(Error::backend(
                format!("the service {} (run {}) cannot be watched in {}", run.function, run.id, cluster.access.target),
                "have this rule in a Role: apiGroups: [\"apps\"], resources: [\"deployments\"], verbs: [\"list\", \"watch\"]; `runwright rbac deploy` prints the whole Role",
            ));
        }
        let sight = confirm(&cluster.access, run, cluster.watches.board.sight(&name::of_run(run))).await?;
        let (mut events, end) = match &sight.deployment {
            None => (Vec::new(), self.absent_service(cluster, run).await?),
            Some(deployment) if deployment.held => (Vec::new(), self.half_made(cluster, run).await?),
            Some(deployment) => {
                if run.state == State::Resume && deployment.replicas == 0 && deployment.stopped.is_some() {
                    // Its client was killed between the record and the patch.
                    resume(&cluster.access, run).await?;
                }
                let (events, end, stands) = news_of(&cluster.access, run, &sight, deployment);
                if stands {
                    stop(&cluster.access, run).await?;
                }
                (events, end)
            }
        };
        timing::note(run, &sight, &mut events, now());
        if end.is_some() || events.iter().any(|event| matches!(event, Event::Running { .. })) {
            events.extend(provenance::event(run, &sight, now()));
        }
        if end.is_some() {
            events.extend(timing::of_none(run, &sight, now()));
        }
        events.extend(end.map(|end| Event::End(Box::new(end))));
        let folded = run.folded + events.len() as u64;
        Ok(News { events, folded, more: false })
    }

    async fn absent_service(&self, cluster: &Cluster, run: &Run) -> Result<Option<End>> {
        if run.state == State::Created && self.is_handed_over_by_somebody(run) {
            return Ok(None);
        }
        let there = find::<Deployment>(&cluster.access, run, &name::of_run(run)).await?;
        Ok(there.is_none().then(|| if run.state == State::Created { not_started() } else { ended::deleted(None, now()) }))
    }

    /// A Deployment whose client made it and has not let its pods come.
    async fn half_made(&self, cluster: &Cluster, run: &Run) -> Result<Option<End>> {
        if self.is_handed_over_by_somebody(run) {
            return Ok(None);
        }
        remove(&cluster.access, run).await?;
        Ok(Some(not_started()))
    }
}

/// What the record of a service does not say yet. With an end, whether its Deployment still has to be stopped.
pub fn news_of(access: &Access, run: &Run, sight: &Sight, deployment: &SeenDeployment) -> (Vec<Event>, Option<End>, bool) {
    let mut events = Vec::new();
    if matches!(run.state, State::Created | State::Resume) {
        events.push(Event::Pending { time: deployment.created });
    }
    let mut pods: Vec<&SeenPod> = sight.pods.values().filter(|pod| !pod.gone).collect();
    pods.sort_by(|a, b| a.created.total_cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
    if deployment.gone {
        let asked = deployment.stopped.is_some();
        return (events, Some(if asked { stopped() } else { ended::deleted(None, now()) }), false);
    }
    let resumed = run.history.iter().rev().find(|step| step.state == State::Resume).map(|step| step.time.as_duration().as_secs_f64());
    if deployment.replicas == 0 && deployment.stopped.is_some_and(|stopped| resumed.is_none_or(|resumed| stopped > resumed)) {
        return (events, pods.iter().all(|pod| pod.has_ended()).then(stopped), false);
    }
    if let Some(time) = pods.iter().filter_map(|pod| begun(pod)).reduce(f64::min)
        && run.state != State::Running
    {
        events.push(Event::Running { time, attempt: 1, pid: None, python: None });
    }
    let service = run.service.clone().unwrap_or_default();
    let ready = if deployment.settled { deployment.replicas } else { deployment.ready.min(deployment.replicas.saturating_sub(1)) };
    if (service.ready, service.replicas) != (ready, deployment.replicas) {
        if ready > 0 && service.ready == 0 && !answered(run) {
            events.push(Event::Notice { time: now(), message: ANSWERED.into() });
        }
        events.push(Event::Ready { time: now(), url: url(access, run), ready, replicas: Some(deployment.replicas) });
    }
    if deployment.settled {
        return (events, None, false);
    }
    let last = pods.last().copied();
    if let Some(message) =
        last.and_then(fails).or_else(|| waiting::fault(sight, last, &run.spec.resources).filter(|fault| !news::is_noticed(run, fault)).map(|fault| fault.notice()))
        && run.history.iter().all(|step| step.message.as_ref() != Some(&message))
    {
        events.push(Event::Notice { time: now(), message });
    }
    if answered(run) {
        return (events, None, false);
    }
    let end = last.filter(|pod| pod.container(MAIN).is_some_and(|main| main.restarts >= ATTEMPTS || (main.restarts > 0 && told(pod).is_some())));
    (events, end.map(|pod| told(pod).unwrap_or_else(|| ended::found(sight, Some(pod), None))), end.is_some())
}

/// What the history of a service says when it answered first.
const ANSWERED: &str = "it answers";
/// Where a function is served unless it is said otherwise.
const PORT: u16 = 8080;

/// Whether it ever did: what fails afterwards is the cluster's to start again.
fn answered(run: &Run) -> bool {
    run.history.iter().any(|step| step.message.as_deref() == Some(ANSWERED))
}

/// The end that the runner told of a container that was started again.
fn told(pod: &SeenPod) -> Option<End> {
    let message: Value = serde_json::from_str(&pod.container(MAIN)?.ended.as_ref()?.message).ok()?;
    serde_json::from_value(message.get("end")?.clone()).ok().filter(|end: &End| end.state == State::Error)
}

/// How the main container of a pod keeps ending.
fn fails(pod: &SeenPod) -> Option<String> {
    let main = pod.container(MAIN)?;
    let ended = main.ended.as_ref().filter(|_| main.restarts > 0 || main.waiting.is_some())?;
    let why = told(pod).and_then(|end| end.error).map_or_else(|| format!("exit code {} ({})", ended.code, ended.reason), |error| format!("{}: {}", error.cause, error.message));
    Some(format!("it does not stay up: {why}"))
}

fn stopped() -> End {
    End::found_in(State::Stopped, "Stopped", "it was stopped", now())
}

fn now() -> f64 {
    time::now().as_duration().as_secs_f64()
}

/// Has so many pods from now on.
pub async fn scale(access: &Access, run: &Run, replicas: u32) -> Result<()> {
    patch(access, run, &json!({"spec": {"replicas": replicas}})).await
}

/// Has none any more, until it is resumed.
pub async fn stop(access: &Access, run: &Run) -> Result<()> {
    patch(access, run, &json!({"metadata": {"annotations": {STOPPED: super::stop::moment(run)}}, "spec": {"replicas": 0}})).await
}

/// Has as many as before it was stopped.
pub async fn resume(access: &Access, run: &Run) -> Result<()> {
    let replicas = run.service.as_ref().map_or(1, |service| service.replicas.max(1));
    patch(access, run, &json!({"metadata": {"annotations": {STOPPED: null}}, "spec": {"replicas": replicas}})).await
}

/// Serves what another version was lowered to: new pods answer before old ones end.
pub async fn update(access: &Access, run: &Run, lowered: &Value, luggage: Luggage) -> Result<()> {
    let part = |part: &str| lowered.get(part).cloned().unwrap_or_default();
    let (deployments, name) = (access.api::<Deployment>(), name::of_run(run));
    let there = patiently(|| deployments.get(&name)).await.map_err(|error| access.refused::<Deployment>("get", &name, &error))?;
    let owner = OwnerReference { api_version: "apps/v1".into(), kind: "Deployment".into(), controller: None, ..owner(&there) };
    if let Ok(code) = serde_json::from_value::<ConfigMap>(part("code")) {
        access.share(&code, Some(&owner), &Doubt::default()).await?;
    }
    access.attach(&there, owner, BTreeMap::new(), luggage.pieces, &Doubt::default()).await?;
    let new = part("deployment");
    let labels = new.pointer("/metadata/labels");
    patch(access, run, &json!({"metadata": {"labels": labels, "annotations": new.pointer("/metadata/annotations")}, "spec": {"template": new.pointer("/spec/template")}})).await
}

/// Deletes it, and with it all that it owns.
pub async fn remove(access: &Access, run: &Run) -> Result<()> {
    remove_deployment(access, &name::of_run(run)).await
}

pub async fn remove_deployment(access: &Access, name: &str) -> Result<()> {
    let (api, params) = (access.api::<Deployment>(), DeleteParams::background());
    match patiently(|| api.delete(name, &params)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(access.refused::<Deployment>("delete", name, &error)),
    }
}

async fn patch(access: &Access, run: &Run, patch: &Value) -> Result<()> {
    let (api, name, patch) = (access.api::<Deployment>(), name::of_run(run), Patch::Merge(patch));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    patiently(|| api.patch(&name, &params, &patch)).await.map(drop).map_err(|error| access.refused::<Deployment>("patch", &name, &error))
}

/// Asks it through the API server, which reaches its pods without an ingress.
pub async fn invoke(access: &Access, run: &Run, call: Call) -> Result<Answer> {
    let Some((service, port)) = address(run) else {
        return Err(Error::conflict(
            format!("the service {} (run {}) has no port", run.function, run.id),
            "give service_ports=[{\"port\": 80, \"target_port\": 8080}] when it is started",
        ));
    };
    let path = format!("/api/v1/namespaces/{}/services/{service}:{port}/proxy{}", access.target.namespace, call.path);
    let refused =
        |message: String| Error::backend(format!("{} {} of the service {} got no answer: {message}", call.method, call.path, run.function), "look at its log, then try again");
    let mut request = http::Request::builder().method(call.method.as_str()).uri(path);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let request = request.body(kube::client::Body::from(call.body)).map_err(|error| refused(error.to_string()))?;
    let answer = access.client.send(request).await.map_err(|error| refused(super::apply::explain(&error)))?;
    let (head, body) = answer.into_parts();
    let body = body.collect_bytes().await.map_err(|error| refused(error.to_string()))?;
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    Ok(Answer { status: head.status.as_u16(), headers, body: body.to_vec() })
}

/// Where a service is reached in the cluster: the Service's name and its port. None where it has no port.
#[must_use]
pub fn address(run: &Run) -> Option<(String, u16)> {
    let task = run.spec.task().ok()?;
    let served = (run.action.as_str() == "serve").then(|| task.serving.get("port").and_then(Value::as_u64).map_or(Some(PORT), |port| u16::try_from(port).ok())).flatten();
    let port = task.service_ports.first().map(|port| port.port).or(served)?;
    Some((task.service_name.unwrap_or_else(|| name::of_run(run)), port))
}

/// The URL of that.
fn url(access: &Access, run: &Run) -> Option<String> {
    address(run).map(|(name, port)| format!("http://{name}.{}.svc:{port}", access.target.namespace))
}
