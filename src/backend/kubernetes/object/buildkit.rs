//! BuildKit beside the container that builds: its client, brought by an init container, because no image but BuildKit's own has it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EmptyDirVolumeSource, ResourceRequirements, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value};

use super::volume;
use crate::model::build::Buildkit;

/// Where the containers share what is BuildKit's.
const FOLDER: &str = "/runwright/buildkit";
/// The name of that volume.
const VOLUME: &str = "runwright-buildkit";
/// What the container that brings the client asks for: resource, request, limit.
const CLIENT: [(&str, &str, &str); 2] = [("cpu", "1m", "500m"), ("memory", "16Mi", "128Mi")];

/// What the builder is told of it. `image`: what is built on where nothing says otherwise.
pub fn complete(settings: &mut Map<String, Value>, buildkit: &Buildkit, image: &str) {
    if !settings.contains_key("dockerfile") {
        settings.entry("base").or_insert_with(|| image.into());
    }
    let address = buildkit.address.clone().unwrap_or_else(|| format!("unix://{FOLDER}/buildkitd.sock"));
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
pub fn containers(buildkit: &Buildkit) -> Vec<Container> {
    vec![client(buildkit)]
}

fn client(buildkit: &Buildkit) -> Container {
    let part = |of: fn(&(&str, &'static str, &'static str)) -> &'static str| CLIENT.iter().map(|part| (part.0.to_owned(), Quantity(of(part).into()))).collect::<BTreeMap<_, _>>();
    Container {
        name: "buildctl".into(),
        image: Some(buildkit.image.clone()),
        command: Some(["sh", "-c", &format!("cp \"$(command -v buildctl)\" {FOLDER}/buildctl")].map(str::to_owned).to_vec()),
        resources: Some(ResourceRequirements { requests: Some(part(|part| part.1)), limits: Some(part(|part| part.2)), claims: None }),
        volume_mounts: Some(vec![mount()]),
        ..Container::default()
    }
}
