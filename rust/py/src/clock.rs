//! `ManualClock`.

use std::sync::Arc;

use compound_fast_core::clock::{Clock, ManualClock, SystemClock};
use pyo3::prelude::*;

/// A clock that stands until it is set: for replays and tests.
#[pyclass(name = "ManualClock", module = "compound_fast._core", frozen)]
pub struct PyManualClock {
    clock: Arc<ManualClock>,
}

impl PyManualClock {
    /// The clock given, or the system's.
    pub fn or_system(given: Option<&Self>) -> Arc<dyn Clock> {
        given.map_or_else(|| Arc::new(SystemClock) as Arc<dyn Clock>, |given| Arc::clone(&given.clock) as _)
    }
}

#[pymethods]
impl PyManualClock {
    #[new]
    #[pyo3(signature = (now_ms=0))]
    fn new(now_ms: u64) -> Self {
        Self { clock: Arc::new(ManualClock::new(now_ms)) }
    }

    fn set(&self, now_ms: u64) {
        self.clock.set(now_ms);
    }

    #[getter]
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}
