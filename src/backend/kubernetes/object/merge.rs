//! One pod template laid over another, as `kubectl patch` does it: mappings member by member, lists of things that have names (containers, volumes, mounts by
//! their path, ports by their number, …) thing by thing, other lists as a whole.
//!
//! It differs from `kubectl patch` in one: a volume, a mount or a variable that both have is taken as a whole, because what is left of the one below (another
//! source of the volume, `valueFrom` beside a `value`) would make it invalid.

use k8s_openapi::DeepMerge as _;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Probe};

/// `over` wins.
#[must_use]
pub fn overlay(mut base: PodTemplateSpec, mut over: PodTemplateSpec) -> PodTemplateSpec {
    if let (Some(base), Some(over)) = (&mut base.spec, &mut over.spec) {
        prepare(base, over);
    }
    base.merge_from(over);
    base
}

/// What the typed merge sees otherwise.
fn prepare(base: &mut PodSpec, over: &mut PodSpec) {
    replace(&mut base.volumes, &mut over.volumes, |volume| &volume.name);
    if let (Some(base), Some(over)) = (&base.node_selector, &mut over.node_selector) {
        for (label, value) in base {
            over.entry(label.clone()).or_insert_with(|| value.clone());
        }
    }
    let mut below: Vec<&mut Container> = base.containers.iter_mut().chain(base.init_containers.iter_mut().flatten()).collect();
    for container in over.containers.iter_mut().chain(over.init_containers.iter_mut().flatten()) {
        if let Some(below) = below.iter_mut().find(|below| below.name == container.name) {
            prepare_container(below, container);
        }
    }
}

fn prepare_container(base: &mut Container, over: &mut Container) {
    replace(&mut base.env, &mut over.env, |variable| &variable.name);
    replace(&mut base.volume_mounts, &mut over.volume_mounts, |mount| &mount.mount_path);
    // A port without a protocol is one of TCP.
    for port in base.ports.iter_mut().chain(over.ports.iter_mut()).flatten() {
        port.protocol.get_or_insert_with(|| "TCP".into());
    }
    let probes = [(&mut base.liveness_probe, &over.liveness_probe), (&mut base.readiness_probe, &over.readiness_probe), (&mut base.startup_probe, &over.startup_probe)];
    for (base, over) in probes {
        if let (Some(base), Some(over)) = (base, over) {
            one_way(base, over);
        }
    }
}

/// A thing that both have is taken from `over`, at its place in `base`.
fn replace<T, K: PartialEq>(base: &mut Option<Vec<T>>, over: &mut Option<Vec<T>>, key: fn(&T) -> &K) {
    let (Some(base), Some(over)) = (base, over) else { return };
    for thing in base {
        if let Some(at) = over.iter().position(|other| key(other) == key(thing)) {
            *thing = over.remove(at);
        }
    }
}

/// A probe asks in one way only.
fn one_way(base: &mut Probe, over: &Probe) {
    if over.exec.is_some() || over.grpc.is_some() || over.http_get.is_some() || over.tcp_socket.is_some() {
        (base.exec, base.grpc, base.http_get, base.tcp_socket) = (None, None, None, None);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_case() {
        let cases: Vec<Value> = serde_saphyr::from_str(include_str!("../../../../tests/golden/merge.yaml")).expect("YAML");
        assert!(cases.len() > 10);
        for case in cases {
            let template = |field: &str| serde_json::from_value::<PodTemplateSpec>(case[field].clone()).unwrap_or_else(|error| panic!("{}: {field}: {error}", case["case"]));
            let merged = overlay(template("base"), template("over"));
            assert_eq!(serde_json::to_value(merged).expect("JSON"), case["merged"], "{}", case["case"]);
        }
    }
}
