//! A verb that was called and is still to be carried out: `.wait()` does it now, `await` does it in an event loop. So every verb is written once.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3_async_runtimes::generic::future_into_py;
use serde::Serialize;

use super::{errors, threads};
use crate::error::{Error, Result};

type Answer = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type Work = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;

/// The verb.
#[pyclass(frozen, generic, module = "runwright._core")]
pub struct Pending {
    work: Mutex<Option<Work>>,
    whole: bool,
}

impl Pending {
    /// Of a future whose output crosses as plain data.
    pub fn new<T: Serialize + Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        let work = async move {
            let output = work.await?;
            let answer: Answer = Box::new(move |py| Ok(pythonize::pythonize(py, &output)?.unbind()));
            Ok(answer)
        };
        Self { work: Mutex::new(Some(Box::pin(work))), whole: false }
    }

    /// The same of a verb that is carried through once it has begun, even if the caller is interrupted or cancelled: half of it would be worse.
    pub fn whole<T: Serialize + Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self { whole: true, ..Self::new(work) }
    }

    /// Of a future whose output is bytes.
    pub fn bytes(work: impl Future<Output = Result<Vec<u8>>> + Send + 'static) -> Self {
        let work = async move {
            let output = work.await?;
            let answer: Answer = Box::new(move |py| Ok(pyo3::types::PyBytes::new(py, &output).into_any().unbind()));
            Ok(answer)
        };
        Self { work: Mutex::new(Some(Box::pin(work))), whole: false }
    }

    fn take(&self) -> PyResult<Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| PyRuntimeError::new_err("this call was carried out already; call the verb again"))
    }
}

#[pymethods]
impl Pending {
    /// Carries it out and gives its result. Other threads run meanwhile; Ctrl-C is heard.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let work = self.take()?;
        let outcome = if self.whole { threads::wait_whole(py, work) } else { threads::wait(py, work) };
        outcome?.map_err(|error| errors::raise(py, &error)).and_then(|answer| answer(py))
    }

    /// Carries it out in the running event loop.
    fn __await__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = threads::runtime()?;
        let mut work = self.take()?;
        if self.whole {
            // A task of its own goes on when the one that awaits it is cancelled.
            let task = runtime.spawn(work);
            work =
                Box::pin(
                    async move { task.await.unwrap_or_else(|error| Err(Error::backend(format!("a call broke off: {error}"), "this is a fault of Runwright; please report it"))) },
                );
        }
        let future = future_into_py::<threads::Tokio, _, _>(py, async move {
            match work.await {
                Ok(answer) => Python::attach(answer),
                Err(error) => Err(Python::attach(|py| errors::raise(py, &error))),
            }
        })?;
        future.call_method0("__await__")
    }
}
