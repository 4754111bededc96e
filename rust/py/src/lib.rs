//! `compound_fast._core`: thin binding functions that convert, call the core and map the error. One file a noun.

mod cache;
mod cache_entry;
mod clock;
mod embed;
mod engine;
mod errors;
mod features;
mod fork;
mod gil;
mod index;
mod meter;
mod request;
mod router;
mod tokens;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use super::cache::{PyCache, check_names};
    #[pymodule_export]
    use super::cache_entry::{PyCacheEntry, PyCacheHit};
    #[pymodule_export]
    use super::clock::PyManualClock;
    #[pymodule_export]
    use super::embed::PyStaticEmbedder;
    #[pymodule_export]
    use super::engine::{PyDecision, PyEngine};
    #[pymodule_export]
    use super::features::{PyFeatures, PySlot};
    #[pymodule_export]
    use super::index::PyVectorIndex;
    #[pymodule_export]
    use super::meter::{PyMeter, PyPrice};
    #[pymodule_export]
    use super::request::PyRequest;
    #[pymodule_export]
    use super::router::{PyRouteDecision, PyRouter};
    #[pymodule_export]
    use super::tokens::{TokenCount, Tokenizer, count_request, count_text, fit_request};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::fork::register(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
