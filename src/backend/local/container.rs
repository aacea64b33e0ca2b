//! Containers on this machine: what podman or docker is told. Pure, but for the search of that program.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::model::image::AN_IMAGE;
use crate::model::resources::{Resources, quantity};
use crate::model::run::Run;
use crate::model::task::TaskParameters;
use crate::model::task::volume::{Claim, Source, Volume};
use crate::model::workload::{Container, PullPolicy, Workload};

/// Names the program, or its path.
pub const TOOL: &str = "RUNWRIGHT_CONTAINER_TOOL";
/// Those that are looked for where it names none.
const TOOLS: [&str; 2] = ["podman", "docker"];
/// What the runner tells every process of its run.
const OURS: [&str; 2] = ["RUNWRIGHT_PROJECT", "RUNWRIGHT_RUN"];

/// The program that runs containers: the one asked for (a name or a path), or the first that is on the search path.
pub fn find(asked: Option<&OsStr>, search: Option<&OsStr>) -> Result<PathBuf> {
    match asked.filter(|asked| !asked.is_empty()) {
        // A path is not looked for, but must be there.
        Some(asked) if asked.as_encoded_bytes().contains(&b'/') => std::path::absolute(asked).ok().filter(|path| is_program(path)),
        Some(asked) => on_path(&[asked], search),
        None => on_path(&TOOLS, search),
    }
    .ok_or_else(|| match asked {
        Some(asked) if !asked.is_empty() => {
            let asked = asked.to_string_lossy();
            Error::invalid(TOOL, &asked, format!("{TOOL} names {asked:?}, and there is no such program"), "correct it, or unset it: podman and docker are found by themselves")
        }
        _ => Error::invalid(
            "on",
            "local",
            "container functions need podman or docker here, and neither is installed",
            format!("install one of them (or name another in {TOOL}), or run it on=\"kubernetes\""),
        ),
    })
}

/// The first of some programs that the search path has.
pub fn on_path<S: AsRef<OsStr>>(names: &[S], search: Option<&OsStr>) -> Option<PathBuf> {
    let one = |name: &S| std::env::split_paths(search.unwrap_or_default()).map(|folder| folder.join(name.as_ref())).find(|path| is_program(path));
    names.iter().find_map(one)
}

/// The same with this process's environment.
pub fn find_here() -> Result<PathBuf> {
    let variable = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    find(variable(TOOL).as_deref(), variable("PATH").as_deref())
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The task of the runner. No value of a secret is in it: the program passes on what is in its own environment.
pub fn task(tool: &Path, run: &Run, workload: &Workload, container: &Container) -> Result<Value> {
    let parameters = run.spec.task()?;
    let name = format!("rw-{}", run.id);
    let image = workload
        .image
        .as_deref()
        .ok_or_else(|| Error::invalid("image", "", format!("{}: there is no image to start a container from", run.function), format!("give {AN_IMAGE}")))?;
    let mut command: Vec<String> = vec![tool.display().to_string()];
    // What it prints is kept by the run; a log of the program's own would be a second copy.
    command.extend(["run", "--rm", "--name", &name, "--log-driver", "none", "--label"].map(str::to_owned));
    command.push(format!("runwright.dev/run={}", run.id));
    for name in OURS.into_iter().chain(workload.envs.keys().chain(run.spec.secrets.keys()).map(String::as_str)) {
        let given = workload.envs.get(name).filter(|_| disturbs(name));
        command.extend(["--env".into(), given.map_or_else(|| name.to_owned(), |value| format!("{name}={value}"))]);
    }
    command.extend(limits(&workload.resources)?);
    command.extend(user(&parameters));
    for (at, volume) in parameters.volumes.iter().enumerate() {
        command.extend(mount(at, volume)?);
    }
    if let Some(policy) = workload.image_pull_policy {
        let policy = match policy {
            PullPolicy::Always => "always",
            PullPolicy::IfNotPresent => "missing",
            PullPolicy::Never => "never",
        };
        command.extend(["--pull".into(), policy.into()]);
    }
    let mut arguments = container.command.iter();
    if let Some(program) = arguments.next() {
        command.extend(["--entrypoint".into(), program.clone()]);
    }
    command.push(image.to_owned());
    command.extend(arguments.chain(&container.args).cloned());
    Ok(json!({"command": command, "container": {"tool": tool, "name": name, "image": image}}))
}

/// Whether a variable that is meant for the container would change what podman or docker itself does. Such a one is said on the command line.
pub fn disturbs(name: &str) -> bool {
    const NAMES: [&str; 4] = ["PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK"];
    const PREFIXES: [&str; 9] = ["LD_", "XDG_", "DOCKER_", "BUILDAH_", "CONTAINER", "PODMAN_", "REGISTRY_", "SSL_CERT_", "GO"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || name.to_ascii_lowercase().ends_with("_proxy")
}

fn limits(resources: &Resources) -> Result<Vec<String>> {
    if let Some(gpu) = &resources.gpu {
        return Err(Error::invalid("resources.gpu", gpu, "resources.gpu: a container on this machine is given no accelerator yet", "leave it out, or run it on=\"kubernetes\""));
    }
    let mut limits = Vec::new();
    if let Some(cores) = resources.cpu.as_deref().and_then(quantity) {
        limits.extend(["--cpus".to_owned(), cores.to_string()]);
    }
    if let Some(bytes) = resources.mem.as_deref().and_then(quantity) {
        limits.extend(["--memory".to_owned(), format!("{bytes:.0}b")]);
    }
    Ok(limits)
}

fn user(parameters: &TaskParameters) -> Vec<String> {
    let Some(user) = parameters.run_as_user else { return Vec::new() };
    let group = parameters.run_as_group.map(|group| format!(":{group}")).unwrap_or_default();
    vec!["--user".into(), format!("{user}{group}")]
}

/// A volume made for the run is the program's own and goes with the container; a claim is a volume that the program has under that name.
fn mount(at: usize, volume: &Volume) -> Result<Vec<String>> {
    let of_cluster = |field: &str, value: &str| {
        let field = format!("volumes[{at}].{field}");
        Err(Error::invalid(&field, value, format!("{field}={value:?} is of a cluster: a container on this machine cannot have it"), "leave it out, or run it on=\"kubernetes\""))
    };
    if let Some(path) = &volume.sub_path {
        return of_cluster("sub_path", path);
    }
    let (flag, value) = match &volume.source {
        Source::PersistentVolumeClaim(Claim::Existing(claim)) | Source::SharedVolume { claim_name: claim } => ("--volume", format!("{claim}:{}", volume.mount_path)),
        Source::EmptyDir { medium: Some(_), size_limit } => {
            let size = size_limit.as_deref().and_then(quantity).map(|bytes| format!(":size={bytes:.0}")).unwrap_or_default();
            ("--tmpfs", format!("{}{size}", volume.mount_path))
        }
        Source::PersistentVolumeClaim(Claim::Made { .. }) | Source::EmptyDir { .. } | Source::Ephemeral { .. } => ("--volume", volume.mount_path.clone()),
        Source::ConfigMap(_) => return of_cluster("volume_type", "config_map"),
        Source::Secret(_) => return of_cluster("volume_type", "secret"),
    };
    let read_only = volume.read_only && value.contains(':') && flag == "--volume";
    Ok(vec![flag.into(), if read_only { format!("{value}:ro") } else { value }])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;
    use crate::model::run::RunSpec;
    use crate::model::workload::Process;

    const ID: &str = "0190f3a2-0000-7000-8000-000000000000";

    fn lowered(spec: &Value, container: &Container, policy: Option<PullPolicy>) -> Result<Vec<String>> {
        let spec: RunSpec = serde_json::from_value(spec.clone()).expect("a spec");
        let mut run: Run = serde_json::from_value(json!({
            "id": ID, "key": "", "project": "demo", "function": "f", "kind": "container", "version": "0".repeat(64), "action": "job", "spec": {}, "backend": "local", "client": "",
            "state": "CREATED", "history": [], "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"
        }))
        .expect("a run");
        let process = Process::Container(container.clone());
        let workload = Workload { image: Some("busybox".into()), image_pull_policy: policy, ..Workload::of(process, &spec) };
        run.spec = spec;
        let task = task(Path::new("/bin/podman"), &run, &workload, container)?;
        assert_eq!(task["container"], json!({"tool": "/bin/podman", "name": format!("rw-{ID}"), "image": "busybox"}));
        Ok(serde_json::from_value(task["command"].clone()).expect("a command"))
    }

    /// What follows the part that all have.
    fn tail(spec: &Value, container: &Container, policy: Option<PullPolicy>) -> String {
        let command = lowered(spec, container, policy).expect("a command").join(" ");
        let head = format!("/bin/podman run --rm --name rw-{ID} --log-driver none --label runwright.dev/run={ID} --env RUNWRIGHT_PROJECT --env RUNWRIGHT_RUN ");
        command.strip_prefix(&head).unwrap_or_else(|| panic!("{command}")).to_owned()
    }

    #[test]
    fn what_an_image_starts_by_itself_is_left_to_it() {
        assert_eq!(tail(&json!({}), &Container::default(), None), "busybox");
        let args = Container { command: Vec::new(), args: vec!["a".into(), "b c".into()] };
        assert_eq!(tail(&json!({}), &args, Some(PullPolicy::IfNotPresent)), "--pull missing busybox a b c");
        let both = Container { command: vec!["sh".into(), "-c".into()], args: vec!["true".into()] };
        assert_eq!(tail(&json!({}), &both, None), "--entrypoint sh busybox -c true");
    }

    #[test]
    fn no_value_is_on_the_command_line_but_those_that_would_change_the_program_itself() {
        let spec = json!({"envs": {"LEVEL": "debug", "PATH": "/app/bin", "HTTPS_PROXY": "http://p"}, "secrets": {"TOKEN": "env:TOKEN"}});
        assert_eq!(tail(&spec, &Container::default(), None), "--env HTTPS_PROXY=http://p --env LEVEL --env PATH=/app/bin --env TOKEN busybox");
    }

    #[test]
    fn limits_user_and_volumes_are_said_in_the_programs_words() {
        let volume = |of: &str, name: &str, spec: Value| json!({"volume_type": of, "name": name, "mount_path": format!("/{name}"), "spec": spec, "read_only": true});
        let spec = json!({
            "resources": {"cpu": "500m", "mem": "1Gi"},
            "extra": {"run_as_user": 1000, "run_as_group": 2000, "volumes": [
                volume("persistent_volume_claim", "a", json!({"claim_name": "mine"})), volume("shared_volume", "b", json!(null)),
                volume("empty_dir", "c", json!(null)), volume("empty_dir", "d", json!({"medium": "Memory", "size_limit": "1Mi"})), volume("ephemeral", "e", json!({"size": "1Gi"})),
            ]}
        });
        let expected = "--cpus 0.5 --memory 1073741824b --user 1000:2000 --volume mine:/a:ro --volume b:/b:ro --volume /c --tmpfs /d:size=1048576 --volume /e busybox";
        assert_eq!(tail(&spec, &Container::default(), None), expected);
    }

    #[test]
    fn what_only_a_cluster_has_is_refused() {
        let volume = |more: Value| {
            let mut volume = json!({"volume_type": "empty_dir", "name": "a", "mount_path": "/a"});
            volume.as_object_mut().expect("a mapping").extend(more.as_object().expect("a mapping").clone());
            json!({"extra": {"volumes": [volume]}})
        };
        let cases = [
            (json!({"resources": {"gpu": "1"}}), "resources.gpu"),
            (volume(json!({"volume_type": "secret"})), "volumes[0].volume_type"),
            (volume(json!({"volume_type": "config_map"})), "volumes[0].volume_type"),
            (volume(json!({"sub_path": "x"})), "volumes[0].sub_path"),
        ];
        for (spec, field) in cases {
            let error = lowered(&spec, &Container::default(), None).expect_err(field);
            assert_eq!(error.fault().and_then(|fault| fault.field.as_deref()), Some(field), "{error}");
        }
    }

    #[test]
    fn the_program_is_the_one_asked_for_or_the_first_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = folder.path().as_os_str();
        let none = find(None, Some(search)).expect_err("nothing is there");
        assert!(none.to_string().starts_with("container functions need podman or docker here"), "{none}");
        let make = |name: &str, mode: u32| std::fs::OpenOptions::new().create_new(true).write(true).mode(mode).open(folder.path().join(name)).map(drop).expect("a file");
        make("podman", 0o644);
        make("docker", 0o755);
        assert_eq!(find(None, Some(search)).expect("docker"), folder.path().join("docker"));
        assert_eq!(find(Some(OsStr::new("")), Some(search)).expect("docker"), folder.path().join("docker"));
        make("nerdctl", 0o755);
        assert_eq!(find(Some(OsStr::new("nerdctl")), Some(search)).expect("nerdctl"), folder.path().join("nerdctl"));
        assert_eq!(find(Some(folder.path().join("docker").as_os_str()), None).expect("a path"), folder.path().join("docker"));
        for missing in ["podman", "/nowhere/podman"] {
            let error = find(Some(OsStr::new(missing)), Some(search)).expect_err(missing);
            assert_eq!(error.fault().and_then(|fault| fault.field.as_deref()), Some(TOOL), "{error}");
        }
    }
}
