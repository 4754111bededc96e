//! A fork waits until no thread is inside the core, for the child would get the locks of such a thread, taken, and no
//! thread to let them go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use compound_fast_core::cache::Cache;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::wrap_pyfunction;

static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Forks that wait or are under way; more than one, for the wait lets other threads of Python go on.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// How long a thread sleeps between two looks at the gate.
const PAUSE: Duration = Duration::from_micros(20);

/// A thread that is inside the core with the GIL released. One that holds the GIL needs none: a fork of Python's holds it.
pub struct Inside;

impl Inside {
    /// Enters as soon as no fork is under way. Costs two atomic additions.
    pub fn enter() -> Self {
        loop {
            INSIDE.fetch_add(1, Ordering::SeqCst);
            if FORKS.load(Ordering::SeqCst) == 0 {
                return Self;
            }
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits with the GIL released: a snapshot may be under way for seconds. Nobody enters from here on, so none is inside when the
/// GIL is held again.
#[pyfunction]
fn before(py: Python<'_>) {
    FORKS.fetch_add(1, Ordering::SeqCst);
    py.detach(|| {
        while INSIDE.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(PAUSE);
        }
    });
}

#[pyfunction]
fn after_in_parent() {
    FORKS.fetch_sub(1, Ordering::SeqCst);
}

#[pyfunction]
fn after_in_child(py: Python<'_>) -> PyResult<()> {
    // A thread that had just knocked at the gate does not live on here.
    INSIDE.store(0, Ordering::SeqCst);
    FORKS.store(0, Ordering::SeqCst);
    let kept = std::mem::take(&mut *ON_DISK.lock());
    let left = kept.iter().filter_map(Weak::upgrade).filter(|cache| cache.leave_disk()).count();
    if left > 0 {
        let log = py.import("logging")?.call_method1("getLogger", ("compound_fast.cache",))?;
        log.call_method1("warning", ("a forked child goes on in memory only: the cache's folder is its parent's",))?;
    }
    Ok(())
}

/// Caches that are kept in a folder, which a child must let alone.
static ON_DISK: Mutex<Vec<Weak<Cache>>> = Mutex::new(Vec::new());

/// Has every child of a fork let the cache's folder alone.
pub fn keep_from_children(cache: &Arc<Cache>) {
    let mut kept = ON_DISK.lock();
    kept.retain(|cache| cache.strong_count() > 0);
    kept.push(Arc::downgrade(cache));
}

/// Has every fork of this process wait at the gate; once, when the extension is loaded.
pub fn register(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if !os.hasattr("register_at_fork")? {
        return Ok(()); // a system without fork
    }
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_in_child, py)?)?;
    os.call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}
