//! The action `build` of the kinds that have it: which builder makes what is asked for, and its settings. `docs/decisions/0006-an-image-is-base-and-layers.md`.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::model::build::{BUILDKIT, Build, Builder, Buildkit, LAYER};
use crate::model::fields::{Fields, not};
use crate::model::function::Function;
use crate::model::image::{self, AN_IMAGE};
use crate::model::plan::Plan;
use crate::model::run::RunSpec;
use crate::model::task::BUILDING;
use crate::model::workload::{Call, Process, Workload};

/// The builders, as what the runner calls.
const HANDLER: &str = "_runwright.execute.builder.run:image";
/// Where BuildKit and its client come from, in a cluster.
const BUILDKIT_IMAGE: &str = "docker.io/moby/buildkit:v0.34.2-rootless";
/// The field of a run that has the settings.
const FIELD: &str = "building";
/// Settings that only one of the builders has.
const OF_LAYER: [&str; 2] = ["compiled", "epoch"];
const OF_BUILDKIT: [&str; 4] = ["instructions", "dockerfile", "buildkit", "buildkit_image"];

const A_DOCKERFILE: &str = "the text of a Dockerfile, such as \"FROM alpine:3\\nRUN apk add git\"";
const INSTRUCTIONS: &str = "a list of commands or of instructions of a Dockerfile, such as [\"apt-get update && apt-get install -y git\", \"ENV LEVEL=debug\"]";
const REGISTRIES: &str = "a list of registries, such as [\"registry.example:5000\"]";
const AN_ADDRESS: &str = "the address of a BuildKit, such as \"tcp://buildkitd.tools:1234\"";

/// What a kind puts into the image of a function.
pub struct Contents {
    /// What it is built on, where the run does not say.
    pub base: Option<String>,
    /// The Dockerfile that comes with the code.
    pub dockerfile: Option<String>,
    pub requirements: Vec<String>,
    /// Whether there is code that goes along.
    pub code: bool,
    /// Whether Python is to find the code in the image. Else it is there for instructions to copy.
    pub importable: bool,
}

/// The plan of a build.
pub fn plan(function: &Function, run: &RunSpec, contents: Contents) -> Result<Plan> {
    if let Some(name) = run.parameters.keys().chain(run.inputs.keys()).next() {
        let value = run.parameters.get(name).cloned().unwrap_or_default();
        return Err(Error::invalid(name, value, format!("{}: a build takes no parameter {name:?}", function.name), format!("its settings are: {}", BUILDING.join(", "))));
    }
    let given = run.task()?.building;
    let fields = Fields::read(FIELD, FIELD, &given, &BUILDING)?;
    check(&fields)?;
    let base = fields.text("base_image", AN_IMAGE)?;
    base.map_or(Ok(()), |base| image::check("building.base_image", base))?;
    let instructions = instructions(&fields)?;
    let dockerfile = dockerfile(&fields, base)?.map(str::to_owned);
    // The Dockerfile of the code is meant where nothing else says what to build.
    let of_code = contents.dockerfile.filter(|_| base.is_none() && contents.base.is_none() && dockerfile.is_none());
    let dockerfile = dockerfile.or(of_code);
    let base = base.map(str::to_owned).or(contents.base).filter(|_| dockerfile.is_none());
    if !contents.importable && dockerfile.is_none() && instructions.is_empty() {
        return Err(Error::invalid(
            "building.instructions",
            "",
            format!("{}: it is not said what to build", function.name),
            "give dockerfile= or instructions=, or a code_src= that has a Dockerfile",
        ));
    }
    let builder = builder(&fields, contents.importable, dockerfile.is_some() || !instructions.is_empty())?;

    let mut settings: Map<String, Value> = given
        .iter()
        .filter(|(name, value)| !value.is_null() && !["base_image", "builder", "serve"].contains(&name.as_str()) && !OF_BUILDKIT.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    settings.insert("target".into(), target(function, &fields)?.into());
    settings.extend(base.clone().map(|base| ("base".to_owned(), base.into())));
    settings.insert("requirements".into(), contents.requirements.into());
    if contents.code {
        settings.insert("code".into(), true.into());
    }
    let credentials = credentials(&fields, run)?;
    settings.extend(credentials.map(|secret| ("credentials".to_owned(), format!("${secret}").into())));
    if let Builder::Buildkit(_) = builder {
        settings.insert("builder".into(), BUILDKIT.into());
        settings.insert("instructions".into(), instructions.into());
        settings.extend(dockerfile.map(|text| ("dockerfile".to_owned(), text.into())));
        settings.insert("importable".into(), contents.importable.into());
        // What the run's secrets are for: its instructions see them.
        settings.insert("secrets".into(), run.secrets.keys().filter(|name| Some(name.as_str()) != credentials).cloned().collect::<Vec<_>>().into());
    }
    let image = base.filter(|_| builder == Builder::Layer);
    let call = Process::Call(Call { handler: HANDLER.into(), outputs: None, parameters: Some(Map::from_iter([("settings".to_owned(), json!(settings))])) });
    Ok(Plan::Build(Build { workload: Workload { image, ..Workload::of(call, run) }, builder }))
}

/// Settings that are passed on as they are.
fn check(fields: &Fields) -> Result<()> {
    for field in ["compiled", "force", "serve"] {
        fields.get(field, "True or False", Value::as_bool)?;
    }
    fields.whole("epoch", 0, "a number of seconds since 1970, from 0 on")?;
    fields.texts("insecure", REGISTRIES)?;
    fields.get("platform", "a platform, such as \"linux/amd64\"", |value| {
        let parts: Vec<&str> = value.as_str()?.split('/').collect();
        let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        ((2..=3).contains(&parts.len()) && parts.iter().all(word)).then_some(())
    })?;
    fields.get("prefix", "an absolute path of letters, digits, '.', '_' and '-', such as \"/opt/runwright\"", |value| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(letter);
        value.as_str()?.strip_prefix('/').filter(|path| path.split('/').all(part))
    })?;
    for field in ["env", "installer_env"] {
        for (name, value) in fields.get(field, "a mapping of text, such as {\"LEVEL\": \"debug\"}", Value::as_object)?.into_iter().flatten() {
            let place = format!("{}.{name}", fields.place_of(field));
            let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.starts_with(|letter: char| letter.is_ascii_digit());
            if name.is_empty() || !letters {
                return Err(Error::invalid(&place, name, format!("{place}: {name:?} is not a name of an environment variable"), "use letters, digits and '_'"));
            }
            value.as_str().filter(|text| !text.contains(['\n', '\r', '\0'])).ok_or_else(|| not(&place, value, "text of one line"))?;
        }
    }
    Ok(())
}

/// The builder: the one asked for, or the one that can do it. Settings of the other are refused.
fn builder(fields: &Fields, of_python: bool, executes: bool) -> Result<Builder> {
    let asked = fields.choice("builder", &[LAYER, BUILDKIT])?;
    let refused = |field: &str, why: &str, cure: &str| {
        let place = fields.place_of(field);
        Err(Error::invalid(&place, fields.value(field).cloned().unwrap_or_default(), format!("{place}: {why}"), cure))
    };
    if asked == Some(LAYER) && executes {
        return refused("builder", "the layer builder executes no instructions", "leave builder out: BuildKit executes them");
    }
    if asked == Some(LAYER) && !of_python {
        return refused("builder", "the layer builder makes images of Python functions", "leave builder out: BuildKit makes those of containers");
    }
    if asked == Some(BUILDKIT) || executes || !of_python {
        if let Some(field) = OF_LAYER.into_iter().find(|field| fields.value(field).is_some()) {
            return refused(field, "it is a setting of the layer builder, and this image is made by BuildKit", "leave it out");
        }
        let address = fields.text("buildkit", AN_ADDRESS)?.map(|address| check_address(fields, address)).transpose()?;
        let image = fields.text("buildkit_image", AN_IMAGE)?;
        image.map_or(Ok(()), |image| image::check("building.buildkit_image", image))?;
        let insecure = fields.texts("insecure", REGISTRIES)?;
        let insecure = if address.is_none() { insecure } else { Vec::new() };
        return Ok(Builder::Buildkit(Buildkit { address, image: image.unwrap_or(BUILDKIT_IMAGE).to_owned(), insecure }));
    }
    Ok(Builder::Layer)
}

fn check_address(fields: &Fields, address: &str) -> Result<String> {
    let host = address.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':'));
    let good = host.is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()) || address.starts_with("unix:///");
    if good { Ok(address.to_owned()) } else { Err(not(&fields.place_of("buildkit"), &address.into(), AN_ADDRESS)) }
}

/// What the builder would refuse, too, but only once it was started.
fn instructions(fields: &Fields) -> Result<Vec<String>> {
    fields.list("instructions", INSTRUCTIONS, |place, item| {
        let text =
            item.as_str().map(str::trim).filter(|text| !text.is_empty() && !text.contains('\0')).ok_or_else(|| not(&place, item, "a command, such as \"apt-get update\""))?;
        match text.split_once(' ') {
            Some((word @ ("FROM" | "ONBUILD" | "MAINTAINER"), _)) => {
                Err(Error::invalid(&place, text, format!("{place}: {word} cannot be one of the instructions"), "give base_image=, or a whole dockerfile="))
            }
            _ => Ok(text.to_owned()),
        }
    })
}

fn dockerfile<'a>(fields: &Fields<'a>, base: Option<&str>) -> Result<Option<&'a str>> {
    let Some(text) = fields.text("dockerfile", A_DOCKERFILE)? else { return Ok(None) };
    let place = fields.place_of("dockerfile");
    let is_from = |line: &str| line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("from"));
    if !text.lines().any(is_from) {
        return Err(Error::invalid(&place, text, format!("{place} has no FROM"), format!("give {A_DOCKERFILE}, or the path of a file that is here")));
    }
    match base {
        None => Ok(Some(text)),
        Some(base) => Err(Error::invalid("building.base_image", base, "building.base_image and building.dockerfile are both given", "say in the Dockerfile what it is FROM")),
    }
}

fn target<'a>(function: &Function, fields: &Fields<'a>) -> Result<&'a str> {
    let Some(target) = fields.text("target", AN_IMAGE)? else {
        return Err(Error::invalid(
            "building.target",
            "",
            format!("{}: it is not said where the image goes", function.name),
            "give building={\"target\": \"registry.example/team/image\"}, or set RUNWRIGHT_REGISTRY",
        ));
    };
    // A folder in the form of an OCI layout is the layer builder's to check.
    if !target.starts_with("oci:") {
        image::check("building.target", target)?;
        if target.contains('@') {
            return Err(Error::invalid("building.target", target, "building.target has a digest, which only what is built can have", "leave it out"));
        }
    }
    Ok(target)
}

/// The secret with the login of registries.
fn credentials<'a>(fields: &Fields<'a>, run: &RunSpec) -> Result<Option<&'a str>> {
    let Some(secret) = fields.text("credentials", "the name of a secret with the text of a docker config.json")? else { return Ok(None) };
    if run.secrets.contains_key(secret) {
        return Ok(Some(secret));
    }
    Err(Error::invalid(
        "building.credentials",
        secret,
        format!("building.credentials={secret:?} is no secret of this run"),
        format!("name it in secrets=[{secret:?}], too; its value is the text of a docker config.json"),
    ))
}
