//! The containers of a run's pod: `main`, which executes it, and for a Python function `results`, through whose log results come back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::DeepMerge as _;
use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, Probe, ResourceRequirements, SecretKeySelector, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::buildkit;
use super::pod::Wanted;
use super::security::same_user;
use super::volume::{mounts_asked, own_mounts, scratch};
use crate::backend::kubernetes::name::{self, MAIN, RESULTS};
use crate::model::resources::Resources;
use crate::model::workload::Process;

/// What starts the runner, as the argument of `python -c`.
const BOOT: &str = include_str!("../boot.py");
/// What the container that brings results back asks for: resource, request, limit.
pub const SIDECAR: [(&str, &str, &str); 2] = [("cpu", "1m", "500m"), ("memory", "16Mi", "64Mi")];

/// What a run says of the container that executes it.
pub fn main(wanted: &Wanted<'_>) -> Container {
    let Wanted { run, workload, task, .. } = wanted;
    let mut mounts = if wanted.has_runner() { own_mounts(run, wanted.placed, wanted.pieces) } else { Vec::new() };
    mounts.extend(wanted.buildkit.map(|_| buildkit::mount()));
    mounts.extend(mounts_asked(&task.volumes));
    let ports = wanted.ports.iter().map(|port| ContainerPort { container_port: port.target_port.into(), protocol: Some("TCP".into()), ..ContainerPort::default() });
    Container {
        name: MAIN.into(),
        image: workload.image.clone(),
        image_pull_policy: workload.image_pull_policy.map(|policy| policy.as_str().to_owned()),
        // A call's are set by the runner, for its child alone.
        env: if wanted.has_runner() { None } else { given(variables(wanted)) },
        ports: given(ports.collect()),
        readiness_probe: readiness(&workload.process),
        resources: if wanted.starts_buildkit() { Some(buildkit::small()) } else { resources(&workload.resources) },
        security_context: task.security_context.clone(),
        volume_mounts: given(mounts),
        ..Container::default()
    }
}

/// What nothing around it may change, and what it has where nothing says otherwise.
pub fn finish_main(main: &mut Container, wanted: &Wanted<'_>) {
    main.image.get_or_insert_with(|| wanted.around.image.to_owned());
    match &wanted.workload.process {
        Process::Call(_) | Process::Serve(_) => {
            (main.command, main.args) = (Some(boot("job")), None);
            finish_ours(main);
        }
        Process::Command(arguments) => (main.command, main.args) = (literally(arguments), None),
        Process::Container(container) => {
            if !container.command.is_empty() {
                (main.command, main.args) = (literally(&container.command), None);
            }
            if !container.args.is_empty() {
                main.args = literally(&container.args);
            }
            if wanted.serves {
                main.readiness_probe = main.readiness_probe.take().or_else(|| connects(wanted));
            }
            // What it printed last says best why it failed; but in the pod's status no secret may come to stand.
            if wanted.run.spec.secrets.is_empty() {
                main.termination_message_policy.get_or_insert_with(|| "FallbackToLogsOnError".into());
            }
        }
    }
}

/// The native sidecar through whose log results come back. `main`: the finished one, whose files it reads.
pub fn results(wanted: &Wanted<'_>) -> Container {
    Container { name: RESULTS.into(), restart_policy: Some("Always".into()), volume_mounts: Some(own_mounts(wanted.run, wanted.placed, wanted.pieces)), ..Container::default() }
}

/// The same as for main. It is of main's image and user, whose files it reads.
pub fn finish_results(results: &mut Container, main: &Container) {
    (results.command, results.args) = (Some(boot("results")), None);
    results.image.clone_from(&main.image);
    results.image_pull_policy.clone_from(&main.image_pull_policy);
    let part = |of: fn(&(&str, &'static str, &'static str)) -> &'static str| SIDECAR.iter().map(|part| (part.0.to_owned(), Quantity(of(part).into()))).collect();
    results.resources.get_or_insert_with(|| ResourceRequirements { requests: Some(part(|part| part.1)), limits: Some(part(|part| part.2)), claims: None });
    results.security_context.merge_from(same_user(main));
    finish_ours(results);
}

/// A container with the runner: how it ends is told by the runner. The root may be read-only.
fn finish_ours(container: &mut Container) {
    (container.termination_message_path, container.termination_message_policy) = (None, None);
    scratch(container.volume_mounts.get_or_insert_default());
}

fn boot(what: &str) -> Vec<String> {
    ["python3", "-I", "-S", "-c", BOOT, what].map(str::to_owned).to_vec()
}

/// The environment of a process that has no runner: secrets come from the run's Secret, which is there before its pod.
fn variables(wanted: &Wanted<'_>) -> Vec<EnvVar> {
    let secrets = &wanted.run.spec.secrets;
    let plain = wanted.workload.envs.iter().filter(|(name, _)| !secrets.contains_key(*name));
    let plain = plain.map(|(name, value)| EnvVar { name: name.clone(), value: Some(literal(value).into_owned()), value_from: None });
    let secret = secrets.keys().map(|name| {
        let key = SecretKeySelector { name: name::of_run(wanted.run), key: name.clone(), optional: None };
        EnvVar { name: name.clone(), value: None, value_from: Some(EnvVarSource { secret_key_ref: Some(key), ..EnvVarSource::default() }) }
    });
    plain.chain(secret).collect()
}

/// A served function says itself when it answers.
fn readiness(process: &Process) -> Option<Probe> {
    let Process::Serve(serve) = process else { return None };
    let http_get = HTTPGetAction { path: Some("/readyz".into()), port: IntOrString::Int(serve.port().into()), ..HTTPGetAction::default() };
    Some(Probe { http_get: Some(http_get), period_seconds: Some(2), ..Probe::default() })
}

/// A program that says nothing itself answers when its port takes connections.
fn connects(wanted: &Wanted<'_>) -> Option<Probe> {
    let tcp_socket = TCPSocketAction { port: IntOrString::Int(wanted.ports.first()?.target_port.into()), host: None };
    Some(Probe { tcp_socket: Some(tcp_socket), period_seconds: Some(2), ..Probe::default() })
}

/// What is asked for is reserved, and is the limit.
pub fn resources(asked: &Resources) -> Option<ResourceRequirements> {
    let named = [("cpu", &asked.cpu), ("memory", &asked.mem), ("nvidia.com/gpu", &asked.gpu), ("ephemeral-storage", &asked.disk)];
    let quantities: BTreeMap<String, Quantity> =
        named.into_iter().filter_map(|(name, quantity)| quantity.as_ref().map(|quantity| (name.to_owned(), Quantity(quantity.clone())))).collect();
    (!quantities.is_empty()).then(|| ResourceRequirements { requests: Some(quantities.clone()), limits: Some(quantities), claims: None })
}

fn literally(words: &[String]) -> Option<Vec<String>> {
    given(words.iter().map(|word| literal(word).into_owned()).collect())
}

/// Kubernetes replaces `$(NAME)` and `$$` in commands, arguments and variables; here they mean themselves, as on any other place.
fn literal(text: &str) -> Cow<'_, str> {
    if !text.contains("$$") && !text.contains("$(") {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        escaped.push(letter);
        if letter == '$' && matches!(letters.peek(), Some('$' | '(')) {
            escaped.push('$');
        }
    }
    escaped.into()
}

fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn dollars_mean_themselves() {
        for (text, escaped) in [("$HOME", "$HOME"), ("echo $$", "echo $$$"), ("$(A)", "$$(A)"), ("$$(A)", "$$$$(A)"), ("a$$b", "a$$$b"), ("$", "$"), ("", "")] {
            assert_eq!(literal(text), escaped);
        }
    }
}
