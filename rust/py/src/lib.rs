//! `compound_fast._core`: thin binding functions that convert, call the core and map the error. One file a noun.

mod errors;
mod gil;
mod tokens;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use crate::tokens::{TokenCount, Tokenizer, count_request, count_text, fit_request};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
