//! The Secret of a run: its secret values, and nothing else.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// It goes with its owner.
#[must_use]
pub fn secret(name: &str, labels: BTreeMap<String, String>, owner: OwnerReference, values: BTreeMap<String, String>) -> Secret {
    Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), owner_references: Some(vec![owner]), ..ObjectMeta::default() },
        data: Some(values.into_iter().map(|(name, value)| (name, ByteString(value.into_bytes()))).collect()),
        immutable: Some(true),
        type_: Some("Opaque".into()),
        ..Secret::default()
    }
}
