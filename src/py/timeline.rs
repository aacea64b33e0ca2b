//! The phases of a record, for those who have it as a dict.

use pyo3::prelude::*;
use pythonize::{depythonize, pythonize};

use crate::model::run::Run;
use crate::model::time;

/// `[{"name", "start", "seconds"}]`, in order; of a run that goes on, until now.
#[pyfunction]
pub fn timeline<'py>(py: Python<'py>, record: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let run: Run = depythonize(record)?;
    Ok(pythonize(py, &crate::model::timeline::timeline(&run, time::now()))?)
}
