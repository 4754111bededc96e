//! Token counts.

use compound_fast_core::tokens;
use pyo3::prelude::*;

use crate::gil;

/// Tokens of a text in `o200k_base`; special tokens count as plain text.
#[pyfunction]
pub fn count_text_tokens(py: Python<'_>, text: &str) -> PyResult<usize> {
    gil::detached(py, || tokens::count_text(text))
}
