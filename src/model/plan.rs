//! Plan: what a runtime translates a run into, and a backend executes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workload::Workload;

/// What to execute, neutral of where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Runs to its end.
    Task(Workload),
    /// Runs until it is stopped.
    Service(Workload),
    /// Makes an image.
    Build(Workload),
    /// Kubernetes objects of another tool's making.
    Manifests(Vec<Value>),
}

impl Plan {
    /// The word for messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Service(_) => "service",
            Self::Build(_) => "build",
            Self::Manifests(_) => "manifests",
        }
    }
}
