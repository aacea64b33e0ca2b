//! Plan: what a runtime translates a run into, and a backend executes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::build::Build;
use super::run::{RunSpec, Service};
use super::workload::{Process, Workload};
use crate::error::Result;

/// What to execute, neutral of where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Runs to its end.
    Task(Workload),
    /// Runs until it is stopped.
    Service(Workload),
    /// Makes an image.
    Build(Build),
    /// Kubernetes objects of another tool's making.
    Manifests(Vec<Value>),
}

impl Plan {
    /// The same with the image that the run names instead of the function's, and how the run wants it fetched.
    pub fn with_image_of(mut self, run: &RunSpec) -> Result<Self> {
        if let Some(workload) = self.workload_mut() {
            let task = run.task()?;
            workload.image = task.image.or_else(|| run.built.clone()).or_else(|| workload.image.take());
            workload.image_pull_policy = task.image_pull_policy.or(workload.image_pull_policy);
            if !task.image_pull_secrets.is_empty() {
                workload.image_pull_secrets = task.image_pull_secrets;
            }
        }
        Ok(self)
    }

    const fn workload_mut(&mut self) -> Option<&mut Workload> {
        match self {
            Self::Task(workload) | Self::Service(workload) | Self::Build(Build { workload, .. }) => Some(workload),
            Self::Manifests(_) => None,
        }
    }

    /// Whether the runner executes it: a Python function, not a program of an image.
    #[must_use]
    pub const fn calls(&self) -> bool {
        matches!(self, Self::Task(workload) | Self::Service(workload) | Self::Build(Build { workload, .. }) if workload.process.has_runner())
    }

    /// How a service stands that has not begun. None for what is none.
    #[must_use]
    pub fn service(&self, replicas: i32) -> Option<Service> {
        let Self::Service(workload) = self else { return None };
        let replicas = u32::try_from(replicas).unwrap_or(1);
        Some(Service { replicas, announces: matches!(workload.process, Process::Serve(_)), ..Service::default() })
    }

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
