//! The kind `container`: what an image starts. Action `job` runs it to its end, `deploy` until it is stopped, `build` makes the image.

use serde_json::{Map, Value};

use super::Runtime;
use super::building::{self, Contents};
use crate::error::{Error, Result, did_you_mean};
use crate::model::fields::{Fields, not};
use crate::model::function::Function;
use crate::model::image::{self, AN_IMAGE};
use crate::model::plan::Plan;
use crate::model::run::RunSpec;
use crate::model::task::names::OBJECT;
use crate::model::workload::{self, Process, PullPolicy, Workload};

/// The runtime.
pub struct Container;

/// What a spec may hold.
const FIELDS: [&str; 7] = ["image", "base_image", "source", "image_pull_policy", "image_pull_secrets", "command", "args"];
/// What a run may give besides the options that all kinds have.
const PARAMETERS: [&str; 1] = ["args"];

const ARGUMENTS: &str = "a list of text, such as [\"--epochs\", \"3\"]";
const SOURCE: &str = "the files of a build, which code_src= or code= makes";
const SECRETS: &str = "a list of names of secrets, such as [\"registry-login\"]";

/// What this runtime reads of a function's spec.
struct Spec<'a> {
    image: Option<String>,
    base_image: Option<String>,
    /// The files that a build has at hand.
    files: Option<&'a Map<String, Value>>,
    has_source: bool,
    image_pull_policy: Option<PullPolicy>,
    image_pull_secrets: Vec<String>,
    command: Vec<String>,
    args: Vec<String>,
}

impl<'a> Spec<'a> {
    fn read(spec: &'a Map<String, Value>) -> Result<Self> {
        let fields = Fields::read("a container function", "", spec, &FIELDS)?;
        let image = fields.text("image", AN_IMAGE)?;
        let base_image = fields.text("base_image", AN_IMAGE)?;
        for (field, image) in [("image", image), ("base_image", base_image)] {
            image.map_or(Ok(()), |image| image::check(field, image))?;
        }
        let source = fields.get("source", SOURCE, Value::as_object)?;
        if base_image.is_none() && source.is_none() {
            fields.required("image", AN_IMAGE, image)?;
        }
        Ok(Self {
            image: image.map(str::to_owned),
            base_image: base_image.map(str::to_owned),
            files: source.and_then(|source| source.get("files")).and_then(Value::as_object),
            has_source: source.is_some(),
            image_pull_policy: PullPolicy::read(&fields)?,
            image_pull_secrets: fields.list("image_pull_secrets", SECRETS, |place, value| OBJECT.check_value(&place, value).map(str::to_owned))?,
            command: command(&fields)?,
            args: fields.texts("args", ARGUMENTS)?,
        })
    }
}

impl Runtime for Container {
    fn kind(&self) -> &'static str {
        "container"
    }

    fn actions(&self) -> Vec<String> {
        vec!["job".into(), "serve".into(), "deploy".into(), "build".into()]
    }

    fn always_has_image(&self) -> bool {
        true
    }

    fn check(&self, spec: &Map<String, Value>) -> Result<()> {
        Spec::read(spec).map(drop)
    }

    fn translate(&self, function: &Function, action: &str, run: &RunSpec) -> Result<Plan> {
        let spec = Spec::read(&function.spec)?;
        if action == "build" {
            return build(function, spec, run)?.with_image_of(run);
        }
        let args = arguments(function, run)?.unwrap_or(spec.args);
        let process = Process::Container(workload::Container { command: spec.command, args });
        let workload = Workload { image: spec.image, image_pull_policy: spec.image_pull_policy, image_pull_secrets: spec.image_pull_secrets, ..Workload::of(process, run) };
        let plan = match action {
            "job" => Plan::Task(workload),
            "serve" if run.task()?.service_ports.is_empty() => {
                return Err(Error::invalid(
                    "service_ports",
                    "",
                    format!("{}: it is not said at which port the image serves", function.name),
                    "give service_ports=[{\"port\": 80, \"target_port\": 8080}], or use the action `deploy` for what has no port",
                ));
            }
            "serve" | "deploy" => Plan::Service(workload),
            _ => return Err(Error::invalid("action", action, format!("a container function has no action {action:?}"), format!("use one of: {}", self.actions().join(", ")))),
        };
        match plan.with_image_of(run)? {
            Plan::Task(Workload { image: None, .. }) | Plan::Service(Workload { image: None, .. }) => {
                let message = format!("{}: there is no image to run; base_image and code are only what one is built from", function.name);
                Err(Error::invalid("image", "", message, format!("build it with run(action=\"build\"), or give {AN_IMAGE}")))
            }
            plan => Ok(plan),
        }
    }
}

/// An image of a Dockerfile or of instructions. The code is what they may copy.
fn build(function: &Function, spec: Spec<'_>, run: &RunSpec) -> Result<Plan> {
    let dockerfile = spec.files.and_then(|files| files.get("Dockerfile")).and_then(Value::as_str).map(str::to_owned);
    let nothing = dockerfile.is_none() && run.task()?.building.get("dockerfile").is_none();
    let base = spec.base_image.or(spec.image.filter(|_| nothing));
    building::plan(function, run, Contents { base, dockerfile, requirements: Vec::new(), code: spec.has_source, importable: false })
}

/// The command: a list, or text that is split as a shell would split it (nothing in it is replaced).
fn command(fields: &Fields) -> Result<Vec<String>> {
    const COMMAND: &str = "a command, such as [\"python\", \"train.py\"] or \"python train.py\"";
    match fields.value("command") {
        Some(value @ Value::String(text)) => {
            let words = shlex::split(text).filter(|words| words.first().is_some_and(|program| !program.is_empty()));
            words.ok_or_else(|| not(&fields.place_of("command"), value, COMMAND))
        }
        value => {
            let words = fields.texts("command", COMMAND)?;
            match value {
                Some(value) if words.first().is_none_or(String::is_empty) => Err(not(&fields.place_of("command"), value, COMMAND)),
                _ => Ok(words),
            }
        }
    }
}

/// The arguments that a run gives instead of the function's.
fn arguments(function: &Function, run: &RunSpec) -> Result<Option<Vec<String>>> {
    if let Some(name) = run.parameters.keys().chain(run.inputs.keys()).find(|name| !PARAMETERS.contains(&name.as_str())) {
        let value = run.parameters.get(name).cloned().unwrap_or_default();
        return Err(Error::invalid(
            name,
            value,
            format!("{}: a container takes no parameter {name:?}{}", function.name, did_you_mean(name, PARAMETERS)),
            "give what it is to know as args=[…] or envs={…}",
        ));
    }
    if run.inputs.contains_key("args") {
        return Err(Error::invalid("args", "", format!("{}: the args of a container are text", function.name), format!("give {ARGUMENTS}")));
    }
    let fields = Fields::read("a container", "", &run.parameters, &PARAMETERS)?;
    let args = fields.texts("args", ARGUMENTS)?;
    Ok(fields.value("args").is_some().then_some(args))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(spec: &Value, action: &str, run: &Value) -> Result<Plan> {
        Container.check(spec.as_object().expect("a mapping"))?;
        let function = json!({"project": "demo", "name": "example", "kind": "container", "version": "0".repeat(64), "spec": spec, "created": "2026-01-01T00:00:00Z"});
        Container.translate(&serde_json::from_value(function).expect("a function"), action, &serde_json::from_value(run.clone()).expect("a spec"))
    }

    fn container(plan: Plan) -> workload::Container {
        match plan {
            Plan::Task(Workload { process: Process::Container(container), .. }) => container,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_is_a_list_or_text_as_in_a_shell() {
        let words = vec!["sh".to_owned(), "-c".into(), "echo \"a b\" $HOME".into()];
        for command in [json!(words), json!("sh -c 'echo \"a b\" $HOME'")] {
            let plan = plan(&json!({"image": "busybox", "command": command}), "job", &json!({})).expect("a plan");
            assert_eq!(container(plan), workload::Container { command: words.clone(), args: Vec::new() });
        }
    }

    #[test]
    fn a_runs_args_replace_those_of_the_function_even_by_none() {
        let of = |run: Value| container(plan(&json!({"image": "busybox", "args": ["a"]}), "job", &run).expect("a plan")).args;
        assert_eq!(of(json!({})), ["a"]);
        assert_eq!(of(json!({"parameters": {"args": ["b", "c"]}})), ["b", "c"]);
        assert_eq!(of(json!({"parameters": {"args": []}})), [""; 0]);
    }

    #[test]
    fn a_runs_image_comes_before_that_of_the_function() {
        for spec in [json!({"image": "busybox"}), json!({"base_image": "busybox"})] {
            let run = json!({"extra": {"image": "busybox:1.36", "image_pull_policy": "Never"}});
            let Ok(Plan::Service(workload)) = plan(&spec, "deploy", &run) else { panic!("{spec}") };
            assert_eq!((workload.image.as_deref(), workload.image_pull_policy), (Some("busybox:1.36"), Some(PullPolicy::Never)));
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let cases = [
            (json!({}), json!({}), "image is missing"),
            (json!({"image": ""}), json!({}), "image=\"\" is not an image"),
            (json!({"image": "Busybox"}), json!({}), "upper-case"),
            (json!({"image": 3}), json!({}), "image=3 is not an image"),
            (json!({"image": "x", "comand": "y"}), json!({}), "did you mean \"command\"?"),
            (json!({"image": "x", "command": []}), json!({}), "command=[] is not a command"),
            (json!({"image": "x", "command": "  "}), json!({}), "command=\"  \" is not a command"),
            (json!({"image": "x", "command": "sh -c 'open"}), json!({}), "is not a command"),
            (json!({"image": "x", "command": ["sh", 3]}), json!({}), "command[1]=3 is not text"),
            (json!({"image": "x", "args": "one two"}), json!({}), "args=\"one two\" is not a list of text"),
            (json!({"image": "x", "image_pull_policy": "always"}), json!({}), "did you mean \"Always\"?"),
            (json!({"base_image": "x"}), json!({}), "there is no image to run"),
            (json!({"image": "x"}), json!({"extra": {"image": "X"}}), "upper-case"),
            (json!({"image": "x"}), json!({"parameters": {"agrs": []}}), "did you mean \"args\"?"),
            (json!({"image": "x"}), json!({"parameters": {"args": [1]}}), "args[0]=1 is not text"),
        ];
        for (spec, run, expected) in cases {
            let shown = format!("{spec} {run}");
            let error = plan(&spec, "job", &run).expect_err(&shown).to_string();
            assert!(error.contains(expected), "{shown}: {error}");
        }
    }
}
