//! Project: a namespace of names.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::Name;

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    pub name: Name,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub labels: Vec<String>,
    /// Secrets by name. Each is a reference (`env:NAME`, `file:/path`), never a value.
    #[serde(default)]
    pub secrets: Map<String, Value>,
    pub created: Timestamp,
    pub updated: Timestamp,
}
