//! The pod of a run, as a template. It passes the `restricted` Pod Security Standard, has no token, and needs nothing in its image but Python.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource, EnvVar, ObjectFieldSelector, PodSecurityContext, PodSpec,
    PodTemplateSpec, ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backend::kubernetes::lower::{Placed, Surroundings};
use crate::backend::kubernetes::name::{self, CODE, FROZEN, ITEMS, MAIN, RESULTS};
use crate::error::Result;
use crate::model::resources::Resources;
use crate::model::run::Run;
use crate::model::workload::{Process, Workload};

/// What starts the runner, as the argument of `python -c`.
const BOOT: &str = include_str!("../boot.py");
/// Where everything of ours is in the containers.
const ROOT: &str = "/runwright";
/// The user and group that a pod runs as where nothing else is said: most images would be root, which `restricted` refuses.
const USER: i64 = 10_001;
/// Seconds beyond the run's own grace, for what ends it to be delivered.
const DELIVERY: i64 = 20;
/// What the container that brings results back asks for: resource, request, limit.
pub const SIDECAR: [(&str, &str, &str); 2] = [("cpu", "1m", "500m"), ("memory", "16Mi", "64Mi")];

pub fn template(around: &Surroundings<'_>, run: &Run, workload: &Workload, placed: Option<&Placed>, pieces: usize) -> Result<PodTemplateSpec> {
    let image = workload.image.as_deref().unwrap_or(around.image);
    let calls = matches!(workload.process, Process::Call(_) | Process::Serve(_));
    let mounts = if calls { mounts(placed, pieces, !run.spec.secrets.is_empty()) } else { Vec::new() };
    let (command, args) = match &workload.process {
        Process::Call(_) | Process::Serve(_) => (boot("job"), Vec::new()),
        Process::Command(arguments) => (arguments.clone(), Vec::new()),
        Process::Container(container) => (container.command.clone(), container.args.clone()),
    };
    let main = Container {
        name: MAIN.into(),
        image: Some(image.into()),
        command: Some(command).filter(|command| !command.is_empty()),
        args: Some(args).filter(|args| !args.is_empty()),
        // A call's are set by the runner, for its child alone.
        env: (!calls).then(|| variables(&workload.envs)),
        resources: Some(resources(&workload.resources)),
        security_context: Some(confined()),
        volume_mounts: Some(mounts.clone()).filter(|mounts| !mounts.is_empty()),
        ..Container::default()
    };
    let spec = PodSpec {
        automount_service_account_token: Some(false),
        containers: vec![main],
        enable_service_links: Some(false),
        init_containers: calls.then(|| vec![results(image, mounts)]),
        restart_policy: Some("Never".into()),
        security_context: Some(PodSecurityContext {
            fs_group: Some(USER),
            run_as_group: Some(USER),
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        #[allow(clippy::cast_possible_truncation)] // A grace of years is none.
        termination_grace_period_seconds: Some(run.spec.grace.ceil() as i64 + DELIVERY),
        volumes: calls.then(|| volumes(around, run, placed, pieces)),
        ..PodSpec::default()
    };
    Ok(PodTemplateSpec {
        metadata: Some(ObjectMeta { annotations: Some(BTreeMap::from([("kubectl.kubernetes.io/default-container".into(), MAIN.into())])), ..ObjectMeta::default() }),
        spec: Some(spec),
    })
}

fn boot(what: &str) -> Vec<String> {
    ["python3", "-I", "-S", "-c", BOOT, what].map(str::to_owned).to_vec()
}

/// The native sidecar through whose log results come back.
fn results(image: &str, mounts: Vec<VolumeMount>) -> Container {
    let small =
        |amount: fn(&(&str, &'static str, &'static str)) -> &'static str| SIDECAR.iter().map(|of| (of.0.to_owned(), Quantity(amount(of).into()))).collect::<BTreeMap<_, _>>();
    Container {
        name: RESULTS.into(),
        image: Some(image.into()),
        command: Some(boot("results")),
        resources: Some(ResourceRequirements { requests: Some(small(|of| of.1)), limits: Some(small(|of| of.2)), claims: None }),
        restart_policy: Some("Always".into()),
        security_context: Some(confined()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn confined() -> SecurityContext {
    SecurityContext { allow_privilege_escalation: Some(false), capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }), ..SecurityContext::default() }
}

fn variables(envs: &BTreeMap<String, String>) -> Vec<EnvVar> {
    envs.iter().map(|(name, value)| EnvVar { name: name.clone(), value: Some(value.clone()), value_from: None }).collect()
}

fn resources(asked: &Resources) -> ResourceRequirements {
    let named = [("cpu", &asked.cpu), ("memory", &asked.mem), ("nvidia.com/gpu", &asked.gpu), ("ephemeral-storage", &asked.disk)];
    let quantities: BTreeMap<String, Quantity> =
        named.into_iter().filter_map(|(name, quantity)| quantity.as_ref().map(|quantity| (name.to_owned(), Quantity(quantity.clone())))).collect();
    let quantities = Some(quantities).filter(|quantities| !quantities.is_empty());
    ResourceRequirements { requests: quantities.clone(), limits: quantities, claims: None }
}

fn mount(name: &str, path: &str, writable: bool, sub_path: Option<&str>) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), read_only: (!writable).then_some(true), sub_path: sub_path.map(Into::into), ..VolumeMount::default() }
}

fn mounts(placed: Option<&Placed>, pieces: usize, secrets: bool) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount("home", &format!("{ROOT}/home"), true, None),
        mount("home", "/tmp", true, Some("tmp")),
        mount("job", &format!("{ROOT}/job"), false, None),
        mount("runner", &format!("{ROOT}/runner"), false, None),
    ];
    if let Some(Placed::Volume(..)) = placed {
        mounts.push(mount("code", &format!("{ROOT}/code"), false, None));
    }
    for piece in 0..pieces {
        mounts.push(mount(&format!("luggage-{piece}"), &format!("{ROOT}/luggage/{piece}"), false, None));
    }
    if secrets {
        mounts.push(mount("secrets", &format!("{ROOT}/secrets"), false, None));
    }
    mounts
}

fn volumes(around: &Surroundings<'_>, run: &Run, placed: Option<&Placed>, pieces: usize) -> Vec<Volume> {
    let of_config_map = |name: &str, of: &str| Volume {
        name: name.into(),
        // It may be made an instant later than the Job; the pod waits for it.
        config_map: Some(ConfigMapVolumeSource { name: of.into(), optional: Some(true), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    };
    let mut files = vec![annotation("run", FROZEN)];
    if let Some(Placed::Annotation(_)) = placed {
        files.push(annotation("code", CODE));
    }
    if run.spec.map.is_some() {
        files.push(annotation("items", ITEMS));
    }
    let mut volumes = vec![
        Volume { name: "home".into(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
        Volume { name: "job".into(), downward_api: Some(DownwardAPIVolumeSource { default_mode: None, items: Some(files) }), ..Volume::default() },
        of_config_map("runner", around.runner),
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
        volumes.push(Volume { name: "secrets".into(), secret: Some(secret), ..Volume::default() });
    }
    volumes
}

fn annotation(file: &str, annotation: &str) -> DownwardAPIVolumeFile {
    let field = ObjectFieldSelector { api_version: None, field_path: format!("metadata.annotations['{annotation}']") };
    DownwardAPIVolumeFile { path: file.into(), field_ref: Some(field), ..DownwardAPIVolumeFile::default() }
}
