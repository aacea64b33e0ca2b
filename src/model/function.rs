//! Function: the logical description of something executable, and its versions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::name::{Digest, Name};
use super::signature::Signature;

/// One version of a function. Its `version` is the digest of `kind` and `spec`: it never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    pub project: Name,
    pub name: Name,
    pub kind: Name,
    pub version: Digest,
    /// What the kind's runtime reads: source, handler, image, requirements, …
    pub spec: Map<String, Value>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub labels: Vec<String>,
    pub created: Timestamp,
}

impl Function {
    /// The key `store://<project>/function/<kind>/<name>:<version>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("store://{}/function/{}/{}:{}", self.project, self.kind, self.name, self.version)
    }

    /// The digest that names a version: of the kind and the spec, in canonical form.
    #[must_use]
    pub fn digest(kind: &Name, spec: &Map<String, Value>) -> Digest {
        Digest::of_json(&json!({"kind": kind, "spec": spec}))
    }

    /// The parameters that the code takes, where that is known.
    #[must_use]
    pub fn signature(&self) -> Option<Signature> {
        self.spec.get("signature").and_then(|value| serde_json::from_value(value.clone()).ok())
    }
}
