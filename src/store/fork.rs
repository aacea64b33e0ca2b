//! Forks: SQLite keeps per-process state (which locks this process holds on which file), and a forked child would take the parent's for its
//! own: it would believe in locks that it does not hold, and write into a log that others have deleted. So no connection is open, and no
//! thread is inside SQLite, while a process forks: all use of it passes a gate, which the fork closes. Connections are opened again when they
//! are next needed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long a fork waits for statements under way. One that waits for another process's lock may take longer: then the fork goes ahead.
const LONGEST: Duration = Duration::from_secs(5);
/// A forked child's child's … child; deeper ones share the last gate.
const DEPTH: usize = 64;

/// What has connections to close.
pub trait Closes: Send + Sync {
    fn close(&self);
}

struct State {
    inside: usize,
    closed: bool,
    closers: Vec<Weak<dyn Closes>>,
}

struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

// One a generation: at the time of a fork another thread may hold the lock of the parent's, for ever as the child sees it.
static GATES: [Gate; DEPTH] = [const { Gate { state: Mutex::new(State { inside: 0, closed: false, closers: Vec::new() }), changed: Condvar::new() } }; DEPTH];
static GENERATION: AtomicUsize = AtomicUsize::new(0);

fn gate() -> &'static Gate {
    &GATES[GENERATION.load(Ordering::SeqCst).min(DEPTH - 1)]
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which process something was made in. After a fork the child has a copy, whose threads and connections are the parent's.
#[derive(Debug, Clone, Copy)]
pub struct Born(usize);

impl Born {
    /// Made now.
    pub fn now() -> Self {
        Self(GENERATION.load(Ordering::SeqCst))
    }

    /// Whether this process is the one. To go on in a child would mean to wait for ever for a thread that is not there.
    pub fn check(self) -> Result<()> {
        if self.0 == GENERATION.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Error::store("this store was opened in another process, of which this one is a fork", "call Runwright anew in the child: it opens a store of its own"))
    }
}

/// Held while a thread uses SQLite.
pub struct Inside(&'static Gate);

/// Waits until no fork is under way.
pub fn enter() -> Inside {
    let gate = gate();
    let mut state = gate.changed.wait_while(gate.lock(), |state| state.closed).unwrap_or_else(PoisonError::into_inner);
    state.inside += 1;
    Inside(gate)
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.changed.notify_all();
    }
}

/// From now on these connections are closed before a fork.
pub fn register(closes: &Arc<impl Closes + 'static>) {
    let closes: Arc<dyn Closes> = closes.clone();
    let mut state = gate().lock();
    state.closers.retain(|known| known.strong_count() > 0);
    state.closers.push(Arc::downgrade(&closes));
}

/// Called before a fork.
pub fn before() {
    let gate = gate();
    let mut state = gate.lock();
    state.closed = true;
    let until = Instant::now() + LONGEST;
    while state.inside > 0 {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        state = gate.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    for closes in state.closers.iter().filter_map(Weak::upgrade) {
        closes.close();
    }
}

/// Called after a fork, in the parent.
pub fn in_parent() {
    let gate = gate();
    gate.lock().closed = false;
    gate.changed.notify_all();
}

/// Called after a fork, in the child.
pub fn in_child() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
}
