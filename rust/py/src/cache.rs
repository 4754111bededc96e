//! `Cache` and `CacheHit`.

use std::sync::Arc;

use compound_fast_core::cache::{Cache, CacheConfig, Explanation, Guard, Hit};
use compound_fast_core::embed::StaticEmbedder;
use compound_fast_core::error::{Error, ErrorKind};
use compound_fast_core::store::{Answer, Form};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::clock::PyManualClock;
use crate::errors::OrRaise;
use crate::gil;
use crate::request::PyRequest;

/// The cache of the core. `compound_fast.SemanticCache` is the class to use.
#[pyclass(name = "Cache", module = "compound_fast._core", frozen)]
pub struct PyCache {
    pub cache: Arc<Cache>,
}

#[pymethods]
impl PyCache {
    #[new]
    #[pyo3(signature = (*, max_bytes, ttl_s, semantic, similarity_threshold, slot_similarity_threshold, clock=None))]
    fn new(
        py: Python<'_>,
        max_bytes: usize,
        ttl_s: Option<f64>,
        semantic: bool,
        similarity_threshold: f32,
        slot_similarity_threshold: f32,
        clock: Option<&PyManualClock>,
    ) -> PyResult<Self> {
        let ttl_ms = ttl_s.map(to_ms).transpose().or_raise(py)?;
        let config =
            CacheConfig { max_bytes, ttl_ms, is_semantic: semantic, similarity_threshold, slot_similarity_threshold };
        let embedder = StaticEmbedder::shipped().or_raise(py)?;
        let cache = Cache::new(config, embedder, PyManualClock::or_system(clock)).or_raise(py)?;
        Ok(Self { cache: Arc::new(cache) })
    }

    fn get(&self, py: Python<'_>, request: &PyRequest) -> PyResult<Option<PyCacheHit>> {
        let hit = gil::detached(py, || self.cache.get(&request.analysis))?;
        Ok(hit.map(|hit| PyCacheHit { hit }))
    }

    #[pyo3(signature = (request, response, *, form, model, input_tokens, output_tokens, cost_nano_usd=None, ttl_s=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn put(
        &self,
        py: Python<'_>,
        request: &PyRequest,
        response: &[u8],
        form: &str,
        model: &str,
        input_tokens: u32,
        output_tokens: u32,
        cost_nano_usd: Option<u64>,
        ttl_s: Option<f64>,
    ) -> PyResult<Option<String>> {
        let form = Form::from_name(form).or_raise(py)?;
        let ttl_ms = ttl_s.map(to_ms).transpose().or_raise(py)?;
        let answer =
            Answer { response: response.into(), form, model: model.into(), input_tokens, output_tokens, cost_nano_usd };
        let id = gil::detached(py, || self.cache.put(&request.analysis, answer, ttl_ms))?;
        Ok(id.map(hex))
    }

    fn explain<'py>(&self, py: Python<'py>, request: &PyRequest) -> PyResult<Bound<'py, PyDict>> {
        let Explanation { hit, candidates, threshold, is_semantic } =
            gil::detached(py, || self.cache.explain(&request.analysis))?;
        let dict = PyDict::new(py);
        dict.set_item("served_from", hit.as_ref().map(|hit| hit.kind.name()))?;
        dict.set_item("entry_id", hit.as_ref().map(|hit| hex(hit.entry_id)))?;
        dict.set_item("compared_by_meaning", is_semantic)?;
        dict.set_item("similarity_threshold", decimal(threshold))?;
        let mut rows = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let row = PyDict::new(py);
            row.set_item("entry_id", hex(candidate.entry_id))?;
            row.set_item("similarity", decimal(candidate.similarity))?;
            row.set_item("refused_by", candidate.refused_by.map(Guard::name))?;
            rows.push(row);
        }
        dict.set_item("candidates", rows)?;
        Ok(dict)
    }

    fn contains(&self, entry_id: &str) -> bool {
        u128::from_str_radix(entry_id, 16).is_ok_and(|id| self.cache.contains(id))
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        gil::detached(py, || self.cache.clear())
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, count) in self.cache.stats().named() {
            dict.set_item(name, count)?;
        }
        Ok(dict)
    }

    fn __len__(&self) -> usize {
        self.cache.len()
    }
}

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
        PyBytes::new(py, &self.hit.answer.response)
    }

    #[getter]
    fn form(&self) -> &'static str {
        self.hit.answer.form.name()
    }

    #[getter]
    fn similarity(&self) -> f64 {
        decimal(self.hit.similarity)
    }

    #[getter]
    fn entry_id(&self) -> String {
        hex(self.hit.entry_id)
    }

    #[getter]
    fn age_s(&self) -> f64 {
        self.hit.age_ms as f64 / 1e3
    }

    #[getter]
    fn model(&self) -> &str {
        &self.hit.answer.model
    }

    #[getter]
    fn input_tokens(&self) -> u32 {
        self.hit.answer.input_tokens
    }

    #[getter]
    fn output_tokens(&self) -> u32 {
        self.hit.answer.output_tokens
    }

    #[getter]
    fn cost_nano_usd(&self) -> Option<u64> {
        self.hit.answer.cost_nano_usd
    }

    #[getter]
    pub fn reasons(&self) -> Vec<String> {
        self.hit.reasons()
    }
}

/// A cosine as it was meant: 0.95 and not 0.949999988079071.
fn decimal(cosine: f32) -> f64 {
    (f64::from(cosine) * 1e6).round() / 1e6
}

fn hex(id: u128) -> String {
    format!("{id:032x}")
}

/// A time to live in whole milliseconds.
fn to_ms(ttl_s: f64) -> Result<u64, Error> {
    if ttl_s.is_finite() && ttl_s > 0.0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates at u64::MAX")]
        Ok((ttl_s * 1e3).ceil() as u64)
    } else {
        let context = format!("ttl_s={ttl_s} is not a positive number of seconds; use None to keep answers for ever");
        Err(Error::new(ErrorKind::Config, context))
    }
}
