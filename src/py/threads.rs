//! The event engine's threads: none at import, fresh ones after a fork.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3_async_runtimes::TaskLocals;
use pyo3_async_runtimes::generic::{ContextExt, JoinError, Runtime};

/// How often a waiting call looks whether Ctrl-C was pressed.
const SIGNALS: Duration = Duration::from_millis(100);
/// A forked child's child's … child: deeper ones get an error.
const DEPTH: usize = 64;

static GENERATION: AtomicUsize = AtomicUsize::new(0);
// One a generation: the parent's cannot be used after a fork (its threads are gone) nor dropped (that would wait for them).
static RUNTIMES: [OnceLock<tokio::runtime::Runtime>; DEPTH] = [const { OnceLock::new() }; DEPTH];

/// Called before a fork: see [`crate::store::fork`].
#[pyfunction]
pub fn before_fork() {
    crate::store::fork::before();
}

/// Called after a fork, in the parent.
#[pyfunction]
pub fn after_fork_in_parent() {
    crate::store::fork::in_parent();
}

/// Called after a fork, in the child: from now on it has threads of its own.
#[pyfunction]
pub fn after_fork() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
    crate::store::fork::in_child();
    crate::backend::local::forked();
}

/// The runtime of this process.
pub fn runtime() -> PyResult<&'static tokio::runtime::Runtime> {
    let generation = GENERATION.load(Ordering::SeqCst);
    let slot = RUNTIMES.get(generation).ok_or_else(|| PyRuntimeError::new_err(format!("this process is a fork of a fork, {generation} deep; start it anew instead")))?;
    if let Some(runtime) = slot.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("runwright")
        .enable_all()
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("no threads for Runwright's event engine: {error}")))?;
    Ok(slot.get_or_init(|| made))
}

/// Waits for a future without holding the interpreter, and with an ear for Ctrl-C.
pub fn wait<T: Send>(py: Python<'_>, future: impl Future<Output = T> + Send) -> PyResult<T> {
    let runtime = runtime()?;
    py.detach(|| {
        runtime.block_on(async {
            let mut future = std::pin::pin!(future);
            loop {
                match tokio::time::timeout(SIGNALS, &mut future).await {
                    Ok(done) => return Ok(done),
                    Err(_) => listen()?,
                }
            }
        })
    })
}

/// The same; on Ctrl-C the caller is let go, and the future is carried through all the same.
pub fn wait_whole<T: Send + 'static>(py: Python<'_>, future: impl Future<Output = T> + Send + 'static) -> PyResult<T> {
    let runtime = runtime()?;
    py.detach(|| {
        runtime.block_on(async {
            let mut future = Box::pin(future);
            loop {
                if let Ok(done) = tokio::time::timeout(SIGNALS, &mut future).await {
                    return Ok(done);
                }
                if let Err(signal) = listen() {
                    tokio::spawn(future);
                    return Err(signal);
                }
            }
        })
    })
}

/// Raises what a signal (Ctrl-C) has asked for meanwhile.
fn listen() -> PyResult<()> {
    Python::attach(|py| -> PyResult<()> { py.check_signals() })
}

/// The bridge to asyncio, over this process's runtime.
pub struct Tokio;

/// A task that panicked.
pub struct Panicked(tokio::task::JoinError);

impl JoinError for Panicked {
    fn is_panic(&self) -> bool {
        self.0.is_panic()
    }
    fn into_panic(self) -> Box<dyn std::any::Any + Send + 'static> {
        self.0.into_panic()
    }
}

tokio::task_local! {
    static LOCALS: OnceLock<TaskLocals>;
}

impl Runtime for Tokio {
    type JoinError = Panicked;
    type JoinHandle = Pin<Box<dyn Future<Output = Result<(), Panicked>> + Send>>;

    fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) -> Self::JoinHandle {
        match runtime() {
            Ok(runtime) => {
                let task = runtime.spawn(future);
                Box::pin(async move { task.await.map_err(Panicked) })
            }
            // `Pending` has asked for the runtime before.
            Err(_) => Box::pin(async { Ok(()) }),
        }
    }

    fn spawn_blocking<F: FnOnce() + Send + 'static>(work: F) -> Self::JoinHandle {
        match runtime() {
            Ok(runtime) => {
                let task = runtime.spawn_blocking(work);
                Box::pin(async move { task.await.map_err(Panicked) })
            }
            Err(_) => Box::pin(async { Ok(()) }),
        }
    }
}

impl ContextExt for Tokio {
    fn scope<F, R>(locals: TaskLocals, future: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        Box::pin(LOCALS.scope(OnceLock::from(locals), future))
    }

    fn get_task_locals() -> Option<TaskLocals> {
        LOCALS.try_with(|locals| locals.get().cloned()).unwrap_or_default()
    }
}
