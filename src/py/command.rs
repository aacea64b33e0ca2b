//! The command line's way in.

use pyo3::prelude::*;

/// Runs the command line with these arguments (without the program's name) and gives the exit code.
#[pyfunction]
pub fn main(py: Python<'_>, engine: Py<super::engine::Engine>, arguments: Vec<String>) -> PyResult<i32> {
    let engine = engine.borrow(py).inner();
    super::threads::wait(py, crate::cli::main(engine, arguments))
}
