//! The two ways into the core: with the GIL held, or released. Both turn a panic into `InternalError`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

use crate::errors::raise;
use crate::fork::Inside;

/// Runs `work` with the GIL released. Costs about 65 ns, so only where the work grows with the data.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let guarded = || {
        let _inside = Inside::enter();
        catch_unwind(AssertUnwindSafe(work))
    };
    caught(py, py.detach(guarded))
}

/// Runs `work` with the GIL held: for calls too short to pay for letting it go.
pub fn held<T>(py: Python<'_>, work: impl FnOnce() -> T) -> PyResult<T> {
    caught(py, catch_unwind(AssertUnwindSafe(work)))
}

fn caught<T>(py: Python<'_>, outcome: std::thread::Result<T>) -> PyResult<T> {
    outcome.map_err(|_| {
        // The panic's own text went to standard error with its place; it never holds prompt text.
        raise(py, "InternalError", "compound_fast hit a fault of its own (a Rust panic); please report it".to_owned())
    })
}
