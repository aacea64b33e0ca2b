//! The command line's way in, and what it asks of Python: code is captured and inline runs are called there.

use std::sync::Arc;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pythonize::{depythonize, pythonize};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::errors::carry;
use super::threads;
use crate::cli::{Call, Facts, Failure, Host, Outcome, Place, Target, Work};
use crate::engine::Engine;
use crate::error::{Error, Fault};
use crate::model::function::Function;
use crate::model::run::Run;

/// Runs the command line with these arguments (without the program's name) and gives the exit code. `engine` is called when a command needs the store.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // A Python function's arguments are its own.
pub fn main(engine: Bound<'_, PyAny>, arguments: Vec<String>) -> i32 {
    crate::cli::main(&Interpreter { open: engine }, &arguments)
}

/// What crosses as plain data.
trait Plain {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

impl<T: Serialize> Plain for T {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, self)?)
    }
}

/// Python, as the command line's host.
struct Interpreter<'py> {
    open: Bound<'py, PyAny>,
}

impl Host for Interpreter<'_> {
    fn engine(&self) -> Result<Arc<Engine>, Failure> {
        let opened = self.open.call0().map_err(|error| self.failure(error))?;
        let engine = opened.cast::<super::engine::Engine>().map_err(|error| self.failure(error.into()))?;
        Ok(engine.get().inner())
    }

    fn define(&self, target: &Target) -> Result<Function, Failure> {
        self.call("define_target", &[target])
    }

    fn start(&self, function: &Function, call: &Call) -> Result<Run, Failure> {
        self.call("start_run", &[function, call])
    }

    fn rehearse(&self, function: &Function, call: &Call) -> Result<Vec<Value>, Failure> {
        self.call("rehearse_run", &[function, call])
    }

    fn place(&self, on: &str) -> Result<Place, Failure> {
        self.call("place", &[&on])
    }

    fn facts(&self) -> Result<Facts, Failure> {
        self.call("facts", &[])
    }

    fn wait(&self, work: Work<'_>) -> Outcome {
        // Only Ctrl-C (or what a handler of a signal raises) ends the wait early.
        threads::wait(self.open.py(), work).map_err(|_| Failure::Interrupted)?
    }
}

impl Interpreter<'_> {
    /// Calls a function of `runwright.cli`, with plain data and for plain data.
    fn call<T: DeserializeOwned>(&self, function: &str, arguments: &[&dyn Plain]) -> Result<T, Failure> {
        let py = self.open.py();
        let call = || -> PyResult<T> {
            let arguments = arguments.iter().map(|argument| argument.to_python(py)).collect::<PyResult<Vec<_>>>()?;
            let answer = py.import("runwright.cli")?.getattr(function)?.call1(PyTuple::new(py, arguments)?)?;
            Ok(depythonize(&answer)?)
        };
        call().map_err(|error| self.failure(error))
    }

    /// An exception, as the command line tells it.
    fn failure(&self, error: PyErr) -> Failure {
        let py = self.open.py();
        if error.is_instance_of::<PyKeyboardInterrupt>(py) {
            return Failure::Interrupted;
        }
        Failure::Engine(self.fault(&error).unwrap_or_else(|| carry(error)))
    }

    /// The error that an exception of `runwright.exceptions` stands for; None of any other.
    fn fault(&self, error: &PyErr) -> Option<Error> {
        let value = error.value(self.open.py());
        let text = |name: &str| value.getattr(name).ok().filter(|found| !found.is_none()).and_then(|found| found.str().ok()).map(|found| found.to_string());
        let module = value.get_type().module().ok()?.to_string();
        if module != "runwright.exceptions" {
            return None;
        }
        let fault = Box::new(Fault { message: text("message")?, field: text("field"), value: text("value"), cure: text("cure"), ..Fault::default() });
        Some(match value.get_type().name().ok()?.to_string().as_str() {
            // Arguments that are wrong, and code that cannot be what was named: nothing was created.
            "InvalidError" | "CaptureError" | "SourceError" | "MaterializeError" => Error::Invalid(fault),
            "NotFoundError" => Error::NotFound(fault),
            "ConflictError" => Error::Conflict(fault),
            "StoreError" => Error::Store(fault),
            _ => Error::Backend(fault),
        })
    }
}
