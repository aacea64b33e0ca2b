//! Services: what is seen of a Deployment becomes news of a run; asked, scaled, updated, stopped. Those that run to their end are in `collect`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::Status;
use serde_json::{Value, json};

use super::apply::{Access, owner, patiently};
use super::collect::not_started;
use super::confirm::{confirm, find};
use super::diagnose::{Fault, Patience, ended, waiting};
use super::doubt::Doubt;
use super::name::{self, HELD, MAIN, MANAGER, STOPPED};
use super::news::{self, ANSWERS, begun};
use super::seen::{SeenContainer, SeenPod, seconds};
use super::watch::Sight;
use super::{Cluster, Kubernetes, logs, provenance, timing};
use crate::backend::{Answer, Call, Luggage, News};
use crate::engine::serve::UPDATED;
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::run::Run;
use crate::model::state::State;
use crate::model::time;
use crate::secrets::Redactor;

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
    /// The beginning of the digest of the newest.
    pub version: Option<String>,
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
        // Ready for as long as one without a probe must have been up.
        let ready = number(status.available_replicas);
        let observed = status.observed_generation >= metadata.generation;
        let stopped = metadata.annotations.as_ref().and_then(|annotations| annotations.get(STOPPED)?.parse::<jiff::Timestamp>().ok());
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map_or(0.0, seconds),
            replicas,
            ready: ready.min(replicas),
            settled: observed && number(status.updated_replicas) == replicas && ready == replicas && number(status.replicas) == replicas,
            version: name::version(metadata),
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
                let Told { events, mut end, stands, due } = news_of(&cluster.access, run, &sight, deployment, now());
                if let Some(followed) = self.followed.lock().unwrap_or_else(PoisonError::into_inner).get(&run.id) {
                    followed.look_in(due);
                }
                if stands {
                    add_log(&cluster.access, run, &sight, &mut end).await;
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

/// The last that it printed, where its end says nothing itself.
async fn add_log(access: &Access, run: &Run, sight: &Sight, end: &mut Option<End>) {
    let Some(failure) = end.as_mut().and_then(|end| end.error.as_mut()).filter(|failure| failure.traceback.is_none() && failure.log.is_empty()) else { return };
    let named = failure.attributes.get("pod").and_then(Value::as_str);
    if let Some(pod) = named.and_then(|name| sight.pods.get(name)).filter(|pod| pod.container(MAIN).is_some_and(|main| main.ended.is_some())) {
        let redactor = Redactor::of(run);
        failure.log = logs::last_lines(access, pod).await.iter().map(|line| redactor.text(line)).collect();
    }
}

/// What there is to tell of a service.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    /// What its record does not say yet.
    pub events: Vec<Event>,
    pub end: Option<End>,
    /// Whether its Deployment still has to be stopped, for that end.
    pub stands: bool,
    /// It is to be looked at again in so many seconds, even if nothing happens.
    pub due: Option<f64>,
}

pub fn news_of(access: &Access, run: &Run, sight: &Sight, deployment: &SeenDeployment, now: f64) -> Told {
    let mut told = Told::default();
    if matches!(run.state, State::Created | State::Resume) {
        told.events.push(Event::Pending { time: deployment.created });
    }
    // Once an update is recorded, what is not of that version is about to go.
    let updated = run.history.iter().any(|step| step.message.as_ref().is_some_and(|message| message.starts_with(UPDATED)));
    let is_of = |version: &Option<String>| !updated || version.as_deref().is_none_or(|version| version == run.version.short());
    let settled = deployment.settled && is_of(&deployment.version);
    let deployment = &SeenDeployment { settled, ..deployment.clone() };
    let mut pods: Vec<&SeenPod> = sight.pods.values().filter(|pod| !pod.gone).collect();
    pods.sort_by(|a, b| a.created.total_cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
    if deployment.gone {
        let asked = deployment.stopped.is_some();
        return Told { end: Some(if asked { stopped() } else { ended::deleted(None, now) }), ..told };
    }
    let resumed = run.history.iter().rev().find(|step| step.state == State::Resume).map(|step| step.time.as_duration().as_secs_f64());
    if deployment.replicas == 0 && deployment.stopped.is_some_and(|stopped| resumed.is_none_or(|resumed| stopped > resumed)) {
        return Told { end: pods.iter().all(|pod| pod.has_ended()).then(stopped), ..told };
    }
    if let Some(time) = pods.iter().filter_map(|pod| begun(pod)).reduce(f64::min)
        && run.state != State::Running
    {
        told.events.push(Event::Running { time, attempt: 1, pid: None, python: None });
    }
    told.events.extend(readiness(access, run, deployment, now));
    // One may be up again before anybody looks.
    let crashes: BTreeSet<String> = pods.iter().filter_map(|pod| fails(pod)).filter(|said| run.history.iter().all(|step| step.message.as_ref() != Some(said))).collect();
    told.events.extend(crashes.into_iter().map(|message| Event::Notice { time: now, message }));
    if !deployment.settled {
        let newest = pods.iter().rev().find(|pod| !pod.deleting && is_of(&pod.version)).copied();
        does_not_answer(run, sight, newest, now, &mut told);
    }
    told
}

/// How many answer, where the record says otherwise.
fn readiness(access: &Access, run: &Run, deployment: &SeenDeployment, now: f64) -> Vec<Event> {
    let service = run.service.clone().unwrap_or_default();
    let ready = if deployment.settled { deployment.replicas } else { deployment.ready.min(deployment.replicas.saturating_sub(1)) };
    let mended = deployment.settled && (service.failure.is_some() || rolls_out(run));
    if (service.ready, service.replicas) == (ready, deployment.replicas) && !mended {
        return Vec::new();
    }
    let first = ready > 0 && service.ready == 0 && !answered(run);
    let said = if mended { Some(format!("{ANSWERS} again")) } else { first.then(|| ANSWERS.to_owned()) };
    let notice = said.map(|message| Event::Notice { time: now, message });
    notice.into_iter().chain([Event::Ready { time: now, url: url(access, run), ready, replicas: Some(deployment.replicas) }]).collect()
}

/// Why not all of it answers: told, and once that will not pass by itself, the end of what never answered. What did goes on with what is left of it.
fn does_not_answer(run: &Run, sight: &Sight, pod: Option<&SeenPod>, now: f64, told: &mut Told) {
    let (silent, due) = silent(run, sight, pod, now);
    let fault = waiting::fault(sight, pod, &run.spec.resources).or(silent);
    let of_fault = fault.as_ref().filter(|fault| !news::is_noticed(run, fault)).map(Fault::notice);
    told.events.extend(of_fault.map(|message| Event::Notice { time: now, message }));
    let verdict = news::judge(run, sight, fault, pod, (now, 0.0));
    told.due = verdict.due.into_iter().chain(due).reduce(f64::min);
    let crashed = pod.filter(|pod| pod.container(MAIN).is_some_and(|main| (main.restarts >= ATTEMPTS && main.ended.is_some()) || (main.restarts > 0 && told_by(pod).is_some())));
    let crashed = crashed.map(|pod| told_by(pod).unwrap_or_else(|| ended::found(sight, Some(pod), None)));
    let given_up = verdict.over.map(|failure| End { error: Some(failure), ..End::at(State::Error, now) });
    let Some(end) = crashed.or(given_up) else { return };
    if !answered(run) {
        (told.end, told.stands) = (Some(end), true);
    } else if run.service.as_ref().is_some_and(|service| service.failure.is_none()) {
        told.events.extend(end.error.map(|error| Event::Failing { time: now, error }));
    }
}

/// A container that runs, and whose probe fails. A served function says itself what is wrong with it, and may take its time.
fn silent(run: &Run, sight: &Sight, pod: Option<&SeenPod>, now: f64) -> (Option<Fault>, Option<f64>) {
    let Some((pod, since)) = pod.filter(|_| run.action.as_str() != SERVED || run.kind.as_str() != "python").and_then(|pod| Some((pod, pod.container(MAIN)?.running?))) else {
        return (None, None);
    };
    let left = SILENCE - (now - since);
    if left > 0.0 {
        return (None, Some(left));
    }
    let failed = sight.notices.get(&pod.name).into_iter().flatten().filter(|notice| notice.reason == "Unhealthy").max_by(|a, b| a.time.total_cmp(&b.time));
    let cure = "correct the probe (readinessProbe in pod_template=) or the port (service_ports=), or give it more time with start_timeout=";
    (failed.map(|notice| Fault::new("NotReady", format!("it runs and does not answer: {}", notice.message), cure, Patience::Start)), None)
}

/// The action of what is reached by HTTP.
const SERVED: &str = "serve";
/// Where a function is served unless it is said otherwise.
const PORT: u16 = 8080;
/// For how long a container may run and not answer before that is worth a word, in seconds.
const SILENCE: f64 = 10.0;

/// Whether another version was given to it, and it did not answer with all that it should have since.
fn rolls_out(run: &Run) -> bool {
    let told = run.history.iter().rev().filter_map(|step| step.message.as_deref()).find(|message| message.starts_with(ANSWERS) || message.starts_with(UPDATED));
    told.is_some_and(|message| message.starts_with(UPDATED))
}

/// Whether it ever did: what fails afterwards is the cluster's to start again.
fn answered(run: &Run) -> bool {
    run.history.iter().any(|step| step.message.as_deref() == Some(ANSWERS))
}

/// The end that the runner told of a container that was started again.
fn told_by(pod: &SeenPod) -> Option<End> {
    let message: Value = serde_json::from_str(&pod.container(MAIN)?.ended.as_ref()?.message).ok()?;
    serde_json::from_value(message.get("end")?.clone()).ok().filter(|end: &End| end.state == State::Error)
}

/// How the main container of a pod keeps ending. Of many times not each is told.
fn fails(pod: &SeenPod) -> Option<String> {
    let main = pod.container(MAIN)?;
    let times = u32::try_from(main.restarts).unwrap_or(0).max(1);
    if (main.restarts == 0 && main.waiting.is_none()) || !times.is_power_of_two() {
        return None;
    }
    let last = main.ended.clone().or_else(|| main.before.clone())?;
    let containers =
        pod.containers.iter().map(|container| if container.name == MAIN { SeenContainer { ended: Some(last.clone()), ..container.clone() } } else { container.clone() });
    let pod = SeenPod { containers: containers.collect(), ..pod.clone() };
    let error = told_by(&pod).unwrap_or_else(|| ended::found(&Sight::default(), Some(&pod), None)).error?;
    Some(format!("it does not stay up ({times}): {}: {}", error.cause, error.message))
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
    let call_text = format!("{} {}", call.method, call.path);
    let path = format!("/api/v1/namespaces/{}/services/{service}:{port}/proxy{}", access.target.namespace, call.path);
    let refused = |message: String| Error::backend(format!("{call_text} of the service {} got no answer: {message}", run.function), "look at its log, then try again");
    let mut request = http::Request::builder().method(call.method.as_str()).uri(path);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let request = request.body(kube::client::Body::from(call.body)).map_err(|error| refused(error.to_string()))?;
    let answer = access.client.send(request).await.map_err(|error| refused(super::apply::explain(&error)))?;
    let (head, body) = answer.into_parts();
    let body = body.collect_bytes().await.map_err(|error| refused(error.to_string()))?;
    if let Some(status) = of_the_server(&body, &service) {
        return Err(unreached(access, run, &call_text, status));
    }
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    Ok(Answer { status: head.status.as_u16(), headers, body: body.to_vec() })
}

/// What the API server says where it answers itself, and not the service.
fn of_the_server(body: &[u8], service: &str) -> Option<Status> {
    let status: Status = Some(body).filter(|body| body.starts_with(b"{\"kind\":\"Status\"")).and_then(|body| serde_json::from_slice(body).ok())?;
    let of_proxy = ["error trying to reach service", "no endpoints available for service"].iter().any(|words| status.message.starts_with(words));
    (of_proxy || status.message.contains(&format!("services \"{service}"))).then_some(status)
}

/// Why a request did not come to the service, or its answer not back.
fn unreached(access: &Access, run: &Run, call: &str, status: Status) -> Error {
    if matches!(status.code, 401 | 403 | 404) {
        let verb = if call.starts_with("GET ") { "get proxy of" } else { "create proxy of" };
        return access.refused::<Service>(verb, &name::of_run(run), &kube::Error::Api(Box::new(status)));
    }
    let said = status.message.trim_start_matches("error trying to reach service: ");
    let (words, cure) = match said {
        "EOF" => ("its pod closed the connection without an answer: what served the request may have died of it", "look at its log: run.logs()"),
        _ if said.contains("connection refused") => ("nothing listens at its port", "correct the target_port in service_ports=, or look at its log: run.logs()"),
        _ if said.starts_with("no endpoints") => ("none of its pods is ready", "wait for it: run.wait(); or look at its log: run.logs()"),
        _ if said.contains("timeout") || said.contains("deadline") => ("its pod does not answer", "look at its log: run.logs()"),
        _ => ("the API server does not reach it", "look at its log: run.logs()"),
    };
    Error::backend(format!("{call} of the service {} got no answer: {words} ({said})", run.function), cure).because("Unreached").passing()
}

/// Where a service is reached in the cluster: the Service's name and its port. None where it has no port.
#[must_use]
pub fn address(run: &Run) -> Option<(String, u16)> {
    let task = run.spec.task().ok()?;
    let served = (run.action.as_str() == SERVED).then(|| task.serving.get("port").and_then(Value::as_u64).map_or(Some(PORT), |port| u16::try_from(port).ok())).flatten();
    let port = task.service_ports.first().map(|port| port.port).or(served)?;
    Some((task.service_name.unwrap_or_else(|| name::of_run(run)), port))
}

/// The URL of that.
fn url(access: &Access, run: &Run) -> Option<String> {
    address(run).map(|(name, port)| format!("http://{name}.{}.svc:{port}", access.target.namespace))
}
