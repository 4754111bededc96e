//! `Request` and `Features`.

use std::sync::Arc;

use compound_fast_core::features::{Analysis, Features};
use compound_fast_core::request::Request;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::OrRaise;
use crate::gil;

/// A parsed chat request; what is known about it is computed when first asked, and once.
#[pyclass(name = "Request", module = "compound_fast._core", frozen)]
pub struct PyRequest {
    pub analysis: Arc<Analysis>,
}

#[pymethods]
impl PyRequest {
    #[new]
    #[pyo3(signature = (body, *, tenant="", namespace=""))]
    fn new(py: Python<'_>, body: &[u8], tenant: &str, namespace: &str) -> PyResult<Self> {
        // Held: parsing a body of 4 KB takes about as long as a switch of threads.
        let request = gil::held(py, || Request::parse(body.to_vec(), tenant, namespace))?.or_raise(py)?;
        Ok(Self { analysis: Arc::new(Analysis::new(request)) })
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.analysis.request().body())
    }

    #[getter]
    fn tenant(&self) -> &str {
        self.analysis.request().tenant()
    }

    #[getter]
    fn namespace(&self) -> &str {
        self.analysis.request().namespace()
    }

    #[getter]
    fn model(&self) -> &str {
        self.analysis.request().model()
    }

    #[getter]
    fn stream(&self) -> bool {
        self.analysis.request().is_stream()
    }

    #[getter]
    fn text(&self) -> &str {
        self.analysis.request().text()
    }

    #[getter]
    fn features(&self, py: Python<'_>) -> PyResult<PyFeatures> {
        gil::detached(py, || {
            self.analysis.features();
        })?;
        Ok(PyFeatures { analysis: Arc::clone(&self.analysis) })
    }

    #[getter]
    fn input_tokens(&self, py: Python<'_>) -> PyResult<u32> {
        gil::detached(py, || self.analysis.input_tokens())
    }

    fn hash(&self, seed: u64) -> u64 {
        self.analysis.request().hash(seed)
    }
}

/// What one pass over the text of a request found.
#[pyclass(name = "Features", module = "compound_fast._core", frozen)]
pub struct PyFeatures {
    analysis: Arc<Analysis>,
}

impl PyFeatures {
    fn read(&self) -> &Features {
        self.analysis.features()
    }
}

#[pymethods]
impl PyFeatures {
    #[getter]
    fn chars(&self) -> usize {
        self.read().chars
    }

    #[getter]
    fn words(&self) -> usize {
        self.read().words
    }

    #[getter]
    fn sentences(&self) -> usize {
        self.read().sentences
    }

    #[getter]
    fn questions(&self) -> usize {
        self.read().questions
    }

    #[getter]
    fn is_question(&self) -> bool {
        self.read().is_question
    }

    #[getter]
    fn has_code(&self) -> bool {
        self.read().has_code
    }

    #[getter]
    fn negations(&self) -> usize {
        self.read().negations
    }

    #[getter]
    fn reasoning_words(&self) -> usize {
        self.read().reasoning_words
    }

    #[getter]
    fn stale_words(&self) -> usize {
        self.read().stale_words
    }

    #[getter]
    fn turns(&self) -> u32 {
        self.analysis.request().shape().turns
    }

    #[getter]
    fn tools(&self) -> u32 {
        self.analysis.request().shape().tools
    }

    #[getter]
    fn media(&self) -> u32 {
        self.analysis.request().shape().media
    }

    #[getter]
    fn wants_json(&self) -> bool {
        self.analysis.request().shape().wants_json
    }

    #[getter]
    fn slots(&self) -> Vec<(&'static str, &str)> {
        self.read().slots.slots.iter().map(|slot| (slot.kind.name(), slot.value.as_str())).collect()
    }

    #[getter]
    fn slot_key(&self) -> u64 {
        self.read().slots.key()
    }

    #[getter]
    fn frame(&self) -> &str {
        &self.read().slots.frame
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("chars", self.chars())?;
        dict.set_item("words", self.words())?;
        dict.set_item("sentences", self.sentences())?;
        dict.set_item("questions", self.questions())?;
        dict.set_item("is_question", self.is_question())?;
        dict.set_item("has_code", self.has_code())?;
        dict.set_item("negations", self.negations())?;
        dict.set_item("reasoning_words", self.reasoning_words())?;
        dict.set_item("stale_words", self.stale_words())?;
        dict.set_item("turns", self.turns())?;
        dict.set_item("tools", self.tools())?;
        dict.set_item("media", self.media())?;
        dict.set_item("wants_json", self.wants_json())?;
        dict.set_item("slots", self.slots())?;
        dict.set_item("slot_key", self.slot_key())?;
        dict.set_item("frame", self.frame())?;
        Ok(dict)
    }
}
