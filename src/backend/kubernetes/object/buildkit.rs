//! BuildKit beside the container that builds: its client, brought by an init container, because no image but BuildKit's own has it.

use k8s_openapi::api::core::v1::{AppArmorProfile, Capabilities, Container, EmptyDirVolumeSource, ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value};

use super::container::resources;
use super::volume;
use crate::model::build::Buildkit;
use crate::model::resources::Resources;

/// Where the containers share what is BuildKit's.
const FOLDER: &str = "/runwright/buildkit";
/// The name of that volume.
const VOLUME: &str = "runwright-buildkit";
/// Where its image has what it keeps: overlays need another file system than that of the image.
const STATE: &str = "/home/user/.local/share/buildkit";
/// The user that its image is made for.
pub const USER: i64 = 1000;
/// What containers ask for that do not build: resource, request, limit.
const SMALL: [(&str, &str, &str); 2] = [("cpu", "1m", "500m"), ("memory", "16Mi", "256Mi")];

/// What the builder is told of it. `image`: what is built on where nothing says otherwise.
pub fn complete(settings: &mut Map<String, Value>, buildkit: &Buildkit, image: &str) {
    if !settings.contains_key("dockerfile") {
        settings.entry("base").or_insert_with(|| image.into());
    }
    let address = buildkit.address.clone().unwrap_or_else(socket);
    settings.insert("address".into(), address.into());
    settings.insert("tool".into(), format!("{FOLDER}/buildctl").into());
}

/// Where a container has what is shared.
#[must_use]
pub fn mount() -> VolumeMount {
    volume::mount(VOLUME, FOLDER, true, None)
}

#[must_use]
pub fn volumes(_buildkit: &Buildkit) -> Vec<Volume> {
    vec![Volume { name: VOLUME.into(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() }]
}

/// What starts before main does.
#[must_use]
pub fn containers(buildkit: &Buildkit, asked: &Resources) -> Vec<Container> {
    let mut containers = vec![client(buildkit)];
    if buildkit.address.is_none() {
        containers.push(daemon(buildkit, asked));
    }
    containers
}

/// Brings the client, and writes down how a BuildKit that is started here shall work.
fn client(buildkit: &Buildkit) -> Container {
    let bring = format!("cp \"$(command -v buildctl)\" {FOLDER}/buildctl");
    let mut command = vec!["sh".to_owned(), "-c".into()];
    if buildkit.address.is_none() {
        let plain: Vec<String> = buildkit.insecure.iter().map(|host| format!("[registry.{}]\nhttp = true\n", Value::from(host.as_str()))).collect();
        command.extend([format!("{bring} && printf %s \"$0\" > {FOLDER}/buildkitd.toml"), plain.concat()]);
    } else {
        command.push(bring);
    }
    Container {
        name: "buildctl".into(),
        image: Some(buildkit.image.clone()),
        command: Some(command),
        resources: Some(small()),
        volume_mounts: Some(vec![mount()]),
        ..Container::default()
    }
}

/// What a container has that only brings or asks.
pub fn small() -> ResourceRequirements {
    let part = |of: fn(&(&str, &'static str, &'static str)) -> &'static str| SMALL.iter().map(|part| (part.0.to_owned(), Quantity(of(part).into()))).collect();
    ResourceRequirements { requests: Some(part(|part| part.1)), limits: Some(part(|part| part.2)), claims: None }
}

/// BuildKit without root, as a native sidecar: it makes a user namespace, which the baseline Pod Security Standard does not allow.
fn daemon(buildkit: &Buildkit, asked: &Resources) -> Container {
    let command = ["rootlesskit", "buildkitd", "--addr", &socket(), "--oci-worker-no-process-sandbox", "--config", &format!("{FOLDER}/buildkitd.toml")];
    Container {
        name: "buildkitd".into(),
        image: Some(buildkit.image.clone()),
        command: Some(command.map(str::to_owned).to_vec()),
        // The work is done here, not in main.
        resources: resources(asked),
        restart_policy: Some("Always".into()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(true),
            app_armor_profile: Some(AppArmorProfile { type_: "Unconfined".into(), ..AppArmorProfile::default() }),
            capabilities: Some(Capabilities { drop: Some(Vec::new()), ..Capabilities::default() }),
            seccomp_profile: Some(SeccompProfile { type_: "Unconfined".into(), ..SeccompProfile::default() }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![mount(), volume::mount(VOLUME, STATE, true, Some("state"))]),
        ..Container::default()
    }
}

fn socket() -> String {
    format!("unix://{FOLDER}/buildkitd.sock")
}
