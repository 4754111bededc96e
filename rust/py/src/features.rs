//! `Features` and `Slot`.

use std::sync::Arc;

use compound_fast_core::features::{self, Analysis, Features, Task};
use numpy::{IntoPyArray as _, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::raise;
use crate::gil;

/// What one pass over the text of a request found.
#[pyclass(name = "Features", module = "compound_fast._core", frozen)]
pub struct PyFeatures {
    pub analysis: Arc<Analysis>,
}

/// What `to_dict` holds, in order.
const NAMES: [&str; 29] = [
    "chars",
    "bytes",
    "words",
    "sentences",
    "questions",
    "is_question",
    "question_type",
    "has_code",
    "code_family",
    "language",
    "script",
    "maths_signs",
    "foreign",
    "negations",
    "reasoning_words",
    "stale_words",
    "imperatives",
    "comparisons",
    "constraints",
    "creative_words",
    "parts",
    "tasks",
    "turns",
    "tools",
    "media",
    "wants_json",
    "slots",
    "slot_key",
    "frame",
];

/// The two arrays of a sparse vector.
type Sparse<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<f32>>);

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
    fn bytes(&self) -> usize {
        self.read().bytes
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
    fn imperatives(&self) -> usize {
        self.read().imperatives
    }

    #[getter]
    fn comparisons(&self) -> usize {
        self.read().comparisons
    }

    #[getter]
    fn constraints(&self) -> usize {
        self.read().constraints
    }

    #[getter]
    fn creative_words(&self) -> usize {
        self.read().creative_words
    }

    #[getter]
    fn parts(&self) -> usize {
        self.read().parts
    }

    #[getter]
    fn maths_signs(&self) -> usize {
        self.read().maths_signs
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
    fn foreign(&self) -> f32 {
        self.read().foreign
    }

    #[getter]
    fn question_type(&self) -> &'static str {
        self.read().question_type.name()
    }

    #[getter]
    fn code_family(&self) -> Option<&'static str> {
        self.read().code_family
    }

    #[getter]
    fn language(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        gil::detached(py, || self.analysis.language())
    }

    #[getter]
    fn script(&self) -> Option<&'static str> {
        features::script(self.analysis.request().text())
    }

    #[getter]
    fn tasks(&self) -> Vec<&'static str> {
        Task::ALL.into_iter().filter(|&task| self.read().names(task)).map(Task::name).collect()
    }

    #[getter]
    fn slots(&self) -> Vec<PySlot> {
        // Python counts characters, Rust bytes; for ASCII they are one.
        let text = self.analysis.request().text();
        let place = |byte: usize| if text.is_ascii() { byte } else { text[..byte].chars().count() };
        let slots = &self.read().slots.slots;
        slots
            .iter()
            .map(|slot| PySlot {
                kind: slot.kind.name(),
                value: slot.value.clone(),
                start: place(slot.start),
                end: place(slot.end),
            })
            .collect()
    }

    #[getter]
    fn slot_key(&self) -> u64 {
        self.read().slots.key()
    }

    #[getter]
    fn frame(&self) -> &str {
        &self.read().slots.frame
    }

    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(slf.py());
        for name in NAMES {
            dict.set_item(name, slf.getattr(name)?)?;
        }
        Ok(dict)
    }

    fn vector<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.read().vector(self.analysis.request().shape()).into_pyarray(py)
    }

    #[staticmethod]
    fn schema() -> (u32, Vec<String>) {
        (features::SCHEMA_VERSION, features::schema())
    }

    #[pyo3(signature = (*, bits=16))]
    fn ngrams<'py>(&self, py: Python<'py>, bits: u32) -> PyResult<Sparse<'py>> {
        if !(8..=24).contains(&bits) {
            return Err(raise(py, "ConfigError", format!("bits={bits} is outside [8, 24]")));
        }
        let sparse = gil::detached(py, || features::hashed_ngrams(&self.read().slots.frame, bits))?;
        Ok((sparse.places.into_pyarray(py), sparse.values.into_pyarray(py)))
    }
}

/// A slot: what it is, its canonical value, and where it stands in the request's text.
#[pyclass(name = "Slot", module = "compound_fast._core", frozen, eq, hash, get_all)]
#[derive(PartialEq, Eq, Hash)]
pub struct PySlot {
    kind: &'static str,
    value: String,
    start: usize,
    end: usize,
}

#[pymethods]
impl PySlot {
    fn __repr__(&self) -> String {
        format!("Slot(kind={:?}, value={:?}, start={}, end={})", self.kind, self.value, self.start, self.end)
    }
}
