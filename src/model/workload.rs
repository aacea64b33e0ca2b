//! Workload: one process to execute, neutral of where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::resources::Resources;

/// What to execute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    pub process: Process,
    /// The image where one is needed. None: this machine's Python, or the cluster's default Python image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Python requirements (PEP 508) to have before the process starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub envs: BTreeMap<String, String>,
    #[serde(default)]
    pub resources: Resources,
}

/// The process itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// A Python function, called by the runner.
    Call(Call),
    /// A program and its arguments; its exit code decides.
    Command(Vec<String>),
}

/// A Python function to call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// `module:function`.
    pub handler: String,
    /// The declared output names.
    #[serde(default)]
    pub outputs: Option<Vec<String>>,
}
