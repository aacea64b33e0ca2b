//! Images that are made on this machine: the program that executes instructions is one that is installed here.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::container::{self, TOOL, on_path};
use crate::error::{Error, Result};
use crate::model::build::{Build, Builder};
use crate::model::function::Function;

/// Those that build by themselves, in the order in which they are looked for.
const TOOLS: [&str; 3] = ["podman", "buildah", "docker"];

/// The arguments of a build, with the program that executes its instructions.
pub fn complete(function: &Function, build: &Build) -> Result<Map<String, Value>> {
    let mut parameters = build.workload.parameters().cloned().unwrap_or_default();
    let Some(settings) = parameters.get_mut("settings").and_then(Value::as_object_mut) else { return Ok(parameters) };
    if !settings.contains_key("base") && !settings.contains_key("dockerfile") {
        let message = format!("{}: it is not said what the image is built on", function.name);
        return Err(Error::invalid("building.base_image", "", message, "give base_image=\"docker.io/library/python:3.12-slim\", or another image"));
    }
    if let Builder::Buildkit(buildkit) = &build.builder {
        let program = program(buildkit.address.is_some(), std::env::var_os(TOOL).as_ref(), &|names| on_path(names, std::env::var_os("PATH").as_deref()))?;
        settings.insert("tool".into(), program.display().to_string().into());
        settings.extend(buildkit.address.as_ref().map(|address| ("address".to_owned(), address.as_str().into())));
    }
    Ok(parameters)
}

/// BuildKit's client where there is an address to ask, else what builds by itself.
fn program(has_address: bool, asked: Option<&std::ffi::OsString>, found: &dyn Fn(&[&str]) -> Option<PathBuf>) -> Result<PathBuf> {
    if has_address {
        return found(&["buildctl"]).ok_or_else(|| {
            let cure = "install BuildKit's client, leave buildkit= and RUNWRIGHT_BUILDKIT out where podman, buildah or docker is installed, or build on=\"kubernetes\"";
            Error::invalid("building.buildkit", "", "a BuildKit is asked through buildctl, which is not installed here", cure)
        });
    }
    if asked.is_some_and(|asked| !asked.is_empty()) {
        return container::find_here();
    }
    found(&TOOLS).ok_or_else(|| {
        let cure = format!("install one of them (or name another in {TOOL}), or build on=\"kubernetes\"");
        Error::invalid("on", "local", format!("instructions are executed here by {}, and none of them is installed", TOOLS.join(", ")), cure)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_program_is_one_that_is_here_or_it_is_said_which_could_be() {
        let here = |installed: &'static [&'static str]| move |names: &[&str]| names.iter().find(|name| installed.contains(name)).map(|name| Path::new("/bin").join(name));
        assert_eq!(program(false, None, &here(&["docker", "buildah"])).expect("buildah"), Path::new("/bin/buildah"));
        assert_eq!(program(true, None, &here(&["podman", "buildctl"])).expect("buildctl"), Path::new("/bin/buildctl"));
        let none = program(false, None, &here(&["buildctl"])).expect_err("nothing").to_string();
        assert!(none.contains("podman, buildah, docker") && none.contains("on=\"kubernetes\""), "{none}");
        let no_client = program(true, None, &here(&["podman"])).expect_err("no client").to_string();
        assert!(no_client.contains("buildctl"), "{no_client}");
    }
}
