//! YAML in and out, for what is exported and imported. `serde-saphyr` limits depth, anchors and sizes: a bomb is refused, not unpacked.

use pyo3::prelude::*;
use pythonize::{depythonize, pythonize};
use serde_json::Value;

use crate::error::Error;

/// A value as YAML.
#[pyfunction]
pub fn to_yaml(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let value: Value = depythonize(value)?;
    serde_saphyr::to_string(&value).map_err(|error| super::errors::raise(py, &Error::invalid("value", "", format!("it cannot be written as YAML: {error}"), "report this")))
}

/// The value of a YAML document.
#[pyfunction]
pub fn from_yaml<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        super::errors::raise(py, &Error::invalid("file", "", format!("this is not YAML that Runwright reads: {error}"), "give a file that .export() wrote, or one like it"))
    })?;
    Ok(pythonize(py, &value)?)
}
