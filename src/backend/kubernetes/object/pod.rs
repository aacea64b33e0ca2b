//! The pod of a run, as a template: what the run asks for over what its `pod_template` says over what its profile says, and for what none of them says
//! something that passes the `restricted` Pod Security Standard.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{buildkit, container, merge, security, volume};
use crate::backend::kubernetes::lower::{Placed, Surroundings, grace};
use crate::backend::kubernetes::name::{MAIN, RESULTS};
use crate::error::Result;
use crate::model::build::Buildkit;
use crate::model::run::{Profile, Run};
use crate::model::task::{ServicePort, TaskParameters};
use crate::model::workload::Workload;

/// Seconds beyond the run's own grace, for what ends it to be delivered.
const DELIVERY: i64 = 20;

/// What a pod is made from.
pub struct Wanted<'a> {
    pub around: &'a Surroundings<'a>,
    pub run: &'a Run,
    pub workload: &'a Workload,
    pub task: &'a TaskParameters,
    pub placed: Option<&'a Placed>,
    /// How many pieces of luggage there may be.
    pub pieces: usize,
    /// Whether it goes on until it is stopped.
    pub serves: bool,
    /// Where it is reached, if it serves.
    pub ports: &'a [ServicePort],
    /// The BuildKit that it asks, if it builds with one.
    pub buildkit: Option<&'a Buildkit>,
}

impl Wanted<'_> {
    /// Whether the runner executes it.
    pub const fn has_runner(&self) -> bool {
        self.workload.process.has_runner()
    }

    /// Whether a BuildKit is started in its pod.
    pub fn starts_buildkit(&self) -> bool {
        self.buildkit.is_some_and(|buildkit| buildkit.address.is_none())
    }

    /// Whether results come back.
    pub const fn reports(&self) -> bool {
        self.has_runner() && !self.serves
    }
}

pub fn template(wanted: &Wanted<'_>, labels: BTreeMap<String, String>, annotations: BTreeMap<String, String>) -> Result<PodTemplateSpec> {
    let metadata = ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() };
    let mut template = PodTemplateSpec { metadata: Some(metadata), spec: Some(asked(wanted)?) };
    let profile = wanted.run.spec.profile.as_ref().map(Profile::pod_template).transpose()?.flatten();
    for below in [wanted.task.pod_template.clone(), profile].into_iter().flatten() {
        template = merge::overlay(below, template);
    }
    if let Some(spec) = &mut template.spec {
        finish(spec, wanted);
    }
    Ok(template)
}

/// What the run asks for, and what its execution depends on.
fn asked(wanted: &Wanted<'_>) -> Result<PodSpec> {
    let Wanted { run, workload, task, .. } = wanted;
    let mut volumes = if wanted.has_runner() { volume::own(wanted.around.runner, run, wanted.placed, wanted.pieces) } else { Vec::new() };
    volumes.extend(wanted.buildkit.map(buildkit::volumes).into_iter().flatten());
    volumes.extend(volume::asked(&task.volumes)?);
    let pull_secrets = workload.image_pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
    // A BuildKit that is started here is this user of its image, and shares a socket with main.
    let together = wanted.starts_buildkit().then_some(buildkit::USER);
    let [user, group, fs_group] = [task.run_as_user, task.run_as_group, task.fs_group].map(|id| id.or(together));
    let identity = PodSecurityContext { fs_group, run_as_group: group, run_as_user: user, ..PodSecurityContext::default() };
    Ok(PodSpec {
        // The runner ends an attempt itself, and says why.
        active_deadline_seconds: run.spec.timeout.filter(|_| !wanted.has_runner() && !wanted.serves).map(whole_seconds),
        affinity: task.affinity.clone(),
        containers: vec![container::main(wanted)],
        image_pull_secrets: given(pull_secrets),
        init_containers: given(before_main(wanted)),
        node_selector: Some(task.node_selector.clone()).filter(|labels| !labels.is_empty()),
        priority_class_name: task.priority_class.clone(),
        restart_policy: Some(if wanted.serves { "Always" } else { "Never" }.into()),
        runtime_class_name: task.runtime_class.clone(),
        security_context: (user.is_some() || group.is_some() || fs_group.is_some()).then_some(identity),
        tolerations: given(task.tolerations.clone()),
        volumes: given(volumes),
        ..PodSpec::default()
    })
}

fn before_main(wanted: &Wanted<'_>) -> Vec<Container> {
    let results = wanted.reports().then(|| container::results(wanted));
    results.into_iter().chain(wanted.buildkit.map(|buildkit| buildkit::containers(buildkit, &wanted.workload.resources)).into_iter().flatten()).collect()
}

fn finish(spec: &mut PodSpec, wanted: &Wanted<'_>) {
    // What other containers there are come after these: the first is the one that logs are of. Of the others it is the last that counts: once main has ended, the
    // kubelet ends sidecars that go on only if the last of them has not ended by itself, as results does.
    to_front(&mut spec.containers, MAIN);
    to_front(spec.init_containers.get_or_insert_default(), RESULTS);
    let main = &mut spec.containers[0];
    container::finish_main(main, wanted);
    if let Some(results) = spec.init_containers.iter_mut().flatten().next().filter(|_| wanted.reports()) {
        container::finish_results(results, main);
    }
    spec.init_containers = spec.init_containers.take().and_then(given);
    security::confine(spec);
    spec.enable_service_links.get_or_insert(false);
    // Less would cut what the run was promised.
    let grace = whole_seconds(grace(wanted.run, wanted.workload)) + if wanted.has_runner() { DELIVERY } else { 0 };
    spec.termination_grace_period_seconds = spec.termination_grace_period_seconds.max(Some(grace));
}

fn to_front(containers: &mut [Container], name: &str) {
    if let Some(at) = containers.iter().position(|container| container.name == name) {
        containers[..=at].rotate_right(1);
    }
}

/// At least one, because none is no time for Kubernetes.
fn whole_seconds(seconds: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // Years are not meant.
    let whole = seconds.ceil().clamp(1.0, f64::from(i32::MAX)) as i64;
    whole
}

fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
