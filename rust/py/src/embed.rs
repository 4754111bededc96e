//! `StaticEmbedder`.

use std::sync::Arc;

use compound_fast_core::embed::{Embedder as _, StaticEmbedder};
use numpy::{IntoPyArray as _, PyArray1, PyArray2, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::errors::OrRaise;
use crate::gil;

/// The table that ships. `compound_fast.StaticEmbedder` is the class to use.
#[pyclass(name = "StaticEmbedder", module = "compound_fast._core", frozen)]
pub struct PyStaticEmbedder {
    embedder: Arc<StaticEmbedder>,
}

#[pymethods]
impl PyStaticEmbedder {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Self { embedder: StaticEmbedder::shipped().or_raise(py)? })
    }

    #[getter]
    fn id(&self) -> &'static str {
        self.embedder.id()
    }

    #[getter]
    fn dim(&self) -> usize {
        self.embedder.dim()
    }

    fn embed<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyArray1<f32>>> {
        // Held: a short text takes a few microseconds, as long as a switch of threads under load.
        Ok(gil::held(py, || self.embedder.embed(text))?.vector.into_pyarray(py))
    }

    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of a list")]
    fn embed_batch<'py>(&self, py: Python<'py>, texts: Vec<PyBackedStr>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let dim = self.embedder.dim();
        let shape = [texts.len(), dim];
        let rows = gil::detached(py, || {
            let mut rows = vec![0.0; texts.len() * dim];
            for (text, row) in texts.iter().zip(rows.chunks_exact_mut(dim)) {
                self.embedder.embed_into(text, row);
            }
            rows
        })?;
        rows.into_pyarray(py).reshape(shape)
    }

    fn coverage(&self, py: Python<'_>, text: &str) -> PyResult<f32> {
        Ok(gil::held(py, || self.embedder.embed(text))?.coverage)
    }

    fn pieces(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.embedder.wordpiece().each(text, |piece| ids.push(piece.id));
        ids
    }

    fn __repr__(&self) -> String {
        format!("StaticEmbedder(id={:?}, dim={})", self.embedder.id(), self.embedder.dim())
    }

    fn vocabulary(&self) -> Vec<&'static str> {
        let pieces = self.embedder.wordpiece();
        (0..pieces.len()).map(|id| pieces.text_of(id)).collect()
    }
}
