//! Artifact, Dataitem, Model: tracked data, with a key, versions and lineage.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::key::KeyType;
use super::name::Name;

/// One version of a piece of tracked data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub project: Name,
    #[serde(rename = "type")]
    pub of: KeyType,
    pub kind: Name,
    pub name: Name,
    pub id: String,
    pub key: String,
    /// Where the bytes are: a URL, or a path below the artifact store.
    pub path: String,
    /// How they are read back: format, size, sha256, schema, preview, … (`Output` without its path).
    #[serde(default)]
    pub spec: Map<String, Value>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default)]
    pub metrics: Map<String, Value>,
    /// The key of the run that made it.
    #[serde(default)]
    pub producer: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Entity {
    /// The key of a version.
    #[must_use]
    pub fn key_of(project: &Name, of: KeyType, kind: &Name, name: &Name, id: &str) -> String {
        format!("store://{project}/{}/{kind}/{name}:{id}", of.as_str())
    }
}

/// Which run made an entity and which runs read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    pub key: String,
    pub made_by: Option<String>,
    pub read_by: Vec<String>,
}
