//! Workload: one process to execute, neutral of where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fields::Fields;
use super::resources::Resources;
use super::run::RunSpec;
use crate::error::Result;

/// What to execute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    pub process: Process,
    /// The image where one is needed. None: this machine's Python, or the cluster's default Python image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When the image is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
    /// Names of the secrets with the credentials of the image's registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// Python requirements (PEP 508) to have before the process starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub envs: BTreeMap<String, String>,
    #[serde(default)]
    pub resources: Resources,
}

impl Workload {
    /// A process with what a run says of every process: its environment and resources.
    #[must_use]
    pub fn of(process: Process, run: &RunSpec) -> Self {
        Self { process, image: None, image_pull_policy: None, image_pull_secrets: Vec::new(), requirements: Vec::new(), envs: run.envs.clone(), resources: run.resources.clone() }
    }
}

impl Workload {
    /// The arguments of a call that are not the run's own parameters.
    #[must_use]
    pub const fn parameters(&self) -> Option<&Map<String, Value>> {
        match &self.process {
            Process::Call(call) => call.parameters.as_ref(),
            Process::Serve(_) | Process::Command(_) | Process::Container(_) => None,
        }
    }
}

/// The process itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// A Python function, called by the runner.
    Call(Call),
    /// A program and its arguments; its exit code decides.
    Command(Vec<String>),
    /// A Python function, served over HTTP by the runner until it is stopped.
    Serve(Serve),
    /// What an image starts by itself, or what is started in it instead; its exit code decides.
    Container(Container),
}

impl Process {
    /// Whether the runner executes it: a Python function, not a program of an image.
    #[must_use]
    pub const fn has_runner(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Serve(_))
    }
}

/// A Python function to serve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Serve {
    /// `module:function`, or `module:application`.
    pub handler: String,
    /// Settings of the server, by name: `docs/serving.md`. Where it listens is the place's to say, but for `port`.
    pub settings: Map<String, Value>,
}

impl Serve {
    /// How long it may take to end, in seconds: new connections are still taken for `drain`, then what is in flight has its grace.
    #[must_use]
    pub fn ends_within(&self, drain: f64) -> f64 {
        let seconds = |setting: &str| self.settings.get(setting).and_then(Value::as_f64);
        seconds("drain").unwrap_or(drain) + seconds("grace").unwrap_or(30.0) + 3.0
    }

    /// The port that it listens at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.settings.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap_or(8080)
    }
}

/// The process of a container. Where both are left out, it is the one that the image names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Instead of the image's entrypoint; the image's own arguments are then left out, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Instead of the image's own arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

/// When an image is fetched from its registry; the names are Kubernetes' own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    const ALL: [Self; 3] = [Self::Always, Self::IfNotPresent, Self::Never];

    /// The field `image_pull_policy`, where it is given.
    pub fn read(fields: &Fields) -> Result<Option<Self>> {
        let given = fields.choice("image_pull_policy", &Self::ALL.map(Self::as_str))?;
        Ok(Self::ALL.into_iter().find(|policy| given == Some(policy.as_str())))
    }

    /// As Kubernetes writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// A Python function to call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// `module:function`.
    pub handler: String,
    /// The declared output names.
    #[serde(default)]
    pub outputs: Option<Vec<String>>,
    /// Its arguments, where they are not the run's own parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
}
