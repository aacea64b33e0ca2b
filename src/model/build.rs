//! Build: an image that is to be made, and what makes it.

use serde::{Deserialize, Serialize};

use super::workload::Workload;

/// An image that is to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// What makes it: a call of the builder that the runner brings, with its settings.
    pub workload: Workload,
    pub builder: Builder,
}

/// What makes an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Builder {
    /// Puts layers on the base, in a container of it; executes nothing but the installer.
    Layer,
    /// Executes instructions.
    Buildkit(Buildkit),
}

/// A BuildKit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buildkit {
    /// Where it is: `tcp://host:1234`. None: one is started for the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The image that has it and its client, for a cluster.
    pub image: String,
    /// The registries that one which is started asks with plain http.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub insecure: Vec<String>,
}

/// For people: what makes the image, and where that is.
impl std::fmt::Display for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Buildkit(Buildkit { address: Some(address), .. }) => write!(f, "{} at {address}", self.name()),
            Self::Layer | Self::Buildkit(_) => f.write_str(self.name()),
        }
    }
}

impl Builder {
    /// Its name, as in `building={"builder": …}`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Layer => LAYER,
            Self::Buildkit(_) => BUILDKIT,
        }
    }
}

/// The name of the builder that puts layers on a base.
pub const LAYER: &str = "layer";
/// The name of the one that executes instructions.
pub const BUILDKIT: &str = "buildkit";
