//! The volumes of a pod: those that a run asks for, and our own.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource, EphemeralVolumeSource, KeyToPath, ObjectFieldSelector, PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate, PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::backend::kubernetes::lower::Placed;
use crate::backend::kubernetes::name::{self, CODE, FROZEN, ITEMS};
use crate::error::{Error, Result};
use crate::model::run::Run;
use crate::model::task::volume::{self as asked, Claim, Source};

/// Where everything of ours is in the containers.
const ROOT: &str = "/runwright";
/// What the names of our own volumes begin with.
const PREFIX: &str = "runwright-";

/// The volumes that a run asks for.
pub fn asked(volumes: &[asked::Volume]) -> Result<Vec<Volume>> {
    volumes.iter().enumerate().map(|(at, volume)| of(at, volume)).collect()
}

/// Where the container that executes the run has them.
pub fn mounts_asked(volumes: &[asked::Volume]) -> impl Iterator<Item = VolumeMount> {
    volumes.iter().map(|volume| mount(&volume.name, &volume.mount_path, !volume.read_only, volume.sub_path.as_deref()))
}

fn of(at: usize, volume: &asked::Volume) -> Result<Volume> {
    if volume.name.starts_with(PREFIX) {
        let field = format!("volumes[{at}].name");
        return Err(Error::invalid(
            &field,
            &volume.name,
            format!("{field}={:?}: names that begin with {PREFIX} are those of Runwright's own volumes", volume.name),
            "give the volume another name",
        ));
    }
    let named = Volume { name: volume.name.clone(), ..Volume::default() };
    Ok(match &volume.source {
        Source::PersistentVolumeClaim(Claim::Existing(claim_name)) | Source::SharedVolume { claim_name } => {
            let claim = PersistentVolumeClaimVolumeSource { claim_name: claim_name.clone(), read_only: None };
            Volume { persistent_volume_claim: Some(claim), ..named }
        }
        Source::PersistentVolumeClaim(Claim::Made { size, storage_class }) | Source::Ephemeral { size, storage_class } => {
            Volume { ephemeral: Some(made_with_the_pod(size, storage_class.clone())), ..named }
        }
        Source::EmptyDir { size_limit, medium } => {
            Volume { empty_dir: Some(EmptyDirVolumeSource { medium: medium.clone(), size_limit: size_limit.clone().map(Quantity) }), ..named }
        }
        Source::ConfigMap(files) => {
            let config_map = ConfigMapVolumeSource { name: files.object.clone(), items: items(files), optional: files.optional.then_some(true), default_mode: None };
            Volume { config_map: Some(config_map), ..named }
        }
        Source::Secret(files) => {
            let secret = SecretVolumeSource { secret_name: Some(files.object.clone()), items: items(files), optional: files.optional.then_some(true), default_mode: None };
            Volume { secret: Some(secret), ..named }
        }
    })
}

/// A claim that is made with each pod and goes with it.
fn made_with_the_pod(size: &str, storage_class: Option<String>) -> EphemeralVolumeSource {
    let requests = Some(BTreeMap::from([("storage".to_owned(), Quantity(size.to_owned()))]));
    let spec = PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".into()]),
        resources: Some(VolumeResourceRequirements { limits: None, requests }),
        storage_class_name: storage_class,
        ..PersistentVolumeClaimSpec::default()
    };
    EphemeralVolumeSource { volume_claim_template: Some(PersistentVolumeClaimTemplate { metadata: None, spec }) }
}

fn items(files: &asked::Files) -> Option<Vec<KeyToPath>> {
    let items: Vec<KeyToPath> = files.items.iter().map(|(key, path)| KeyToPath { key: key.clone(), path: path.clone(), mode: None }).collect();
    Some(items).filter(|items| !items.is_empty())
}

pub fn mount(name: &str, path: &str, writable: bool, sub_path: Option<&str>) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), read_only: (!writable).then_some(true), sub_path: sub_path.map(Into::into), ..VolumeMount::default() }
}

fn ours(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Where the runner and its sidecar have what is ours.
pub fn own_mounts(run: &Run, placed: Option<&Placed>, pieces: usize) -> Vec<VolumeMount> {
    let at = |name: &str, writable: bool| mount(&ours(name), &format!("{ROOT}/{name}"), writable, None);
    let mut mounts = vec![at("home", true), at("job", false), at("runner", false)];
    if let Some(Placed::Volume(..)) = placed {
        mounts.push(at("code", false));
    }
    for piece in 0..pieces {
        mounts.push(mount(&ours(&format!("luggage-{piece}")), &format!("{ROOT}/luggage/{piece}"), false, None));
    }
    if !run.spec.secrets.is_empty() {
        mounts.push(at("secrets", false));
    }
    mounts
}

/// `/tmp`, for containers that have none of their own: the root may be read-only.
pub fn scratch(mounts: &mut Vec<VolumeMount>) {
    if mounts.iter().all(|mount| mount.mount_path.trim_end_matches('/') != "/tmp") {
        mounts.push(mount(&ours("home"), "/tmp", true, Some("tmp")));
    }
}

/// What is ours. `runner`: the ConfigMap with the runner.
pub fn own(runner: &str, run: &Run, placed: Option<&Placed>, pieces: usize) -> Vec<Volume> {
    let of_config_map = |name: &str, of: &str| Volume {
        name: ours(name),
        // It may be made an instant later than the Job; the pod waits for it.
        config_map: Some(ConfigMapVolumeSource { name: of.into(), optional: Some(true), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    };
    let mut files = vec![annotation("run", FROZEN)];
    if let Some(Placed::Annotation(_)) = placed {
        files.push(annotation("code", CODE));
    }
    if name::gathered(run).is_some() {
        files.push(annotation("items", ITEMS));
    }
    let mut volumes = vec![
        Volume { name: ours("home"), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
        Volume { name: ours("job"), downward_api: Some(DownwardAPIVolumeSource { default_mode: None, items: Some(files) }), ..Volume::default() },
        of_config_map("runner", runner),
    ];
    if let Some(Placed::Volume(name, _)) = placed {
        volumes.push(of_config_map("code", name));
    }
    let owner = name::of_run(run);
    for piece in 0..pieces {
        volumes.push(of_config_map(&format!("luggage-{piece}"), &name::of_piece(&owner, piece)));
    }
    if !run.spec.secrets.is_empty() {
        let secret = SecretVolumeSource { secret_name: Some(owner), optional: Some(true), ..SecretVolumeSource::default() };
        volumes.push(Volume { name: ours("secrets"), secret: Some(secret), ..Volume::default() });
    }
    volumes
}

fn annotation(file: &str, annotation: &str) -> DownwardAPIVolumeFile {
    let field = ObjectFieldSelector { api_version: None, field_path: format!("metadata.annotations['{annotation}']") };
    DownwardAPIVolumeFile { path: file.into(), field_ref: Some(field), ..DownwardAPIVolumeFile::default() }
}
