//! Errors become the exceptions of `runwright.exceptions`, with their attributes.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{Error, Fault};

/// The exception for an error. One that came from Python is given back untouched.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let (class, fault) = match error {
        Error::Invalid(fault) => ("InvalidError", fault),
        Error::NotFound(fault) => ("NotFoundError", fault),
        Error::Conflict(fault) => ("ConflictError", fault),
        Error::Store(fault) => ("StoreError", fault),
        Error::Backend(fault) => match fault.cause {
            None => ("BackendError", fault),
            Some("Forbidden" | "Unauthorized") => ("ForbiddenError", fault),
            Some(_) => ("RefusedError", fault),
        },
        Error::Carried(carried) => {
            return carried.downcast_ref::<PyErr>().map_or_else(|| pyo3::exceptions::PyRuntimeError::new_err(carried.to_string()), |error| error.clone_ref(py));
        }
    };
    make(py, class, fault).unwrap_or_else(|error| error)
}

fn make(py: Python<'_>, class: &str, fault: &Fault) -> PyResult<PyErr> {
    let arguments = PyDict::new(py);
    arguments.set_item("field", &fault.field)?;
    arguments.set_item("value", &fault.value)?;
    arguments.set_item("cure", &fault.cure)?;
    if matches!(class, "ForbiddenError" | "RefusedError") {
        arguments.set_item("cause", fault.cause)?;
    }
    let exception = py.import("runwright.exceptions")?.getattr(class)?.call((&fault.message,), Some(&arguments))?;
    Ok(PyErr::from_value(exception))
}

/// An exception, on its way through the engine.
pub fn carry(error: PyErr) -> Error {
    Error::Carried(Box::new(error))
}
