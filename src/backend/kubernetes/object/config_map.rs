//! A ConfigMap that carries bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backend::kubernetes::name::MANAGED_BY;

/// One file; it never changes. `label`: what it is known by besides.
#[must_use]
pub fn binary(name: &str, label: &str, value: &str, file: &str, content: Bytes) -> ConfigMap {
    let labels = BTreeMap::from([(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned()), (label.to_owned(), value.to_owned())]);
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        binary_data: Some(BTreeMap::from([(file.to_owned(), ByteString(content.into()))])),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}
