//! Python's way in: the only place that names pyo3. Data crosses here once, as plain dictionaries; Python's classes live in `python/runwright/`.

mod command;
mod engine;
mod errors;
mod pending;
mod plugin;
mod threads;
mod timeline;
mod yaml;

use pyo3::prelude::*;

/// What `runwright._core` offers; `_core.pyi` says the same and is checked against this.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::command::main;
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::pending::Pending;
    #[pymodule_export]
    use super::threads::{after_fork, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use super::timeline::timeline;
    #[pymodule_export]
    use super::yaml::{from_yaml, to_yaml};

    use super::{Bound, PyModule, PyModuleMethods as _, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
