//! `CacheHit` and `CacheEntry`: what of an entry Python sees.

use compound_fast_core::cache::{Hit, Listed};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An entry found, with its response as the bytes that were stored.
#[pyclass(name = "CacheHit", module = "compound_fast._core", frozen)]
pub struct PyCacheHit {
    pub hit: Hit,
}

#[pymethods]
impl PyCacheHit {
    #[getter]
    fn kind(&self) -> &'static str {
        self.hit.kind.name()
    }

    #[getter]
    pub fn response<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.hit.answer().response)
    }

    /// Without the response.
    pub fn __repr__(&self) -> String {
        format!(
            "CacheHit(kind={:?}, similarity={}, entry_id={:?}, model={:?})",
            self.kind(),
            self.similarity(),
            self.entry_id(),
            self.model()
        )
    }

    #[getter]
    fn text(&self) -> Option<String> {
        self.hit.answer().text()
    }

    #[getter]
    fn form(&self) -> &'static str {
        self.hit.answer().form.name()
    }

    #[getter]
    fn similarity(&self) -> f64 {
        decimal(self.hit.similarity)
    }

    #[getter]
    fn entry_id(&self) -> String {
        hex(self.hit.entry_id())
    }

    #[getter]
    fn age_s(&self) -> f64 {
        self.hit.age_ms as f64 / 1e3
    }

    #[getter]
    fn model(&self) -> &str {
        &self.hit.answer().model
    }

    #[getter]
    fn input_tokens(&self) -> u32 {
        self.hit.answer().input_tokens
    }

    #[getter]
    fn output_tokens(&self) -> u32 {
        self.hit.answer().output_tokens
    }

    #[getter]
    fn cost_nano_usd(&self) -> Option<u64> {
        self.hit.answer().cost_nano_usd
    }

    #[getter]
    pub fn reasons(&self) -> Vec<String> {
        self.hit.reasons()
    }
}

/// An entry, seen on a walk through the cache.
#[pyclass(name = "CacheEntry", module = "compound_fast._core", frozen)]
pub struct PyCacheEntry {
    pub listed: Listed,
}

#[pymethods]
impl PyCacheEntry {
    #[getter]
    fn entry_id(&self) -> String {
        hex(self.listed.entry.id)
    }

    #[getter]
    fn request<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let request = &self.listed.entry.origin.request;
        (!request.is_empty()).then(|| PyBytes::new(py, request))
    }

    #[getter]
    fn response<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.listed.entry.answer.response)
    }

    #[getter]
    fn form(&self) -> &'static str {
        self.listed.entry.answer.form.name()
    }

    #[getter]
    fn model(&self) -> &str {
        &self.listed.entry.answer.model
    }

    #[getter]
    fn input_tokens(&self) -> u32 {
        self.listed.entry.answer.input_tokens
    }

    #[getter]
    fn output_tokens(&self) -> u32 {
        self.listed.entry.answer.output_tokens
    }

    #[getter]
    fn cost_nano_usd(&self) -> Option<u64> {
        self.listed.entry.answer.cost_nano_usd
    }

    #[getter]
    fn tenant(&self) -> &str {
        &self.listed.entry.origin.tenant
    }

    #[getter]
    fn namespace(&self) -> &str {
        &self.listed.entry.origin.namespace
    }

    #[getter]
    fn writer(&self) -> &str {
        &self.listed.entry.origin.writer
    }

    #[getter]
    fn sources(&self) -> Vec<&str> {
        self.listed.entry.origin.sources.iter().map(|source| &**source).collect()
    }

    #[getter]
    fn tags(&self) -> Vec<&str> {
        self.listed.entry.origin.tags.iter().map(|tag| &**tag).collect()
    }

    #[getter]
    fn age_s(&self) -> f64 {
        self.listed.age_ms as f64 / 1e3
    }

    #[getter]
    fn born_ms(&self) -> u64 {
        self.listed.entry.born_ms
    }

    #[getter]
    fn expires_ms(&self) -> Option<u64> {
        Some(self.listed.entry.expires_ms).filter(|&expires_ms| expires_ms != u64::MAX)
    }

    #[getter]
    fn bytes(&self) -> usize {
        self.listed.bytes
    }
}

/// A cosine as it was meant: 0.95 and not 0.949999988079071.
pub fn decimal(cosine: f32) -> f64 {
    (f64::from(cosine) * 1e6).round() / 1e6
}

/// An entry's id as Python sees it.
pub fn hex(id: u128) -> String {
    format!("{id:032x}")
}
