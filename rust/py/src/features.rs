//! `Features` and `Slot`.

use std::sync::Arc;

use compound_fast_core::features::{self, Analysis, Features, Task};
use compound_fast_core::request::Shape;
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
const NAMES: [&str; 48] = [
    "chars",
    "bytes",
    "words",
    "sentences",
    "questions",
    "lines",
    "paragraphs",
    "list_items",
    "table_rows",
    "headings",
    "is_question",
    "question_type",
    "has_code",
    "code_family",
    "language",
    "script",
    "maths_signs",
    "markup_signs",
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
    "tokens",
    "turns",
    "user_turns",
    "assistant_turns",
    "tool_turns",
    "system_chars",
    "tools",
    "tool_calls",
    "media",
    "images",
    "audio",
    "wants_json",
    "is_stream",
    "max_output_tokens",
    "temperature",
    "top_p",
    "samples",
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

    fn shape(&self) -> Shape {
        self.analysis.request().shape()
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
    fn markup_signs(&self) -> usize {
        self.read().markup_signs
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
    fn lines(&self) -> u32 {
        self.analysis.request().layout().lines
    }

    #[getter]
    fn paragraphs(&self) -> u32 {
        self.analysis.request().layout().paragraphs
    }

    #[getter]
    fn list_items(&self) -> u32 {
        self.analysis.request().layout().list_items
    }

    #[getter]
    fn table_rows(&self) -> u32 {
        self.analysis.request().layout().table_rows
    }

    #[getter]
    fn headings(&self) -> u32 {
        self.analysis.request().layout().headings
    }

    #[getter]
    fn turns(&self) -> u32 {
        self.shape().turns
    }

    #[getter]
    fn user_turns(&self) -> u32 {
        self.shape().user_turns
    }

    #[getter]
    fn assistant_turns(&self) -> u32 {
        self.shape().assistant_turns
    }

    #[getter]
    fn tool_turns(&self) -> u32 {
        self.shape().tool_turns
    }

    #[getter]
    fn system_chars(&self) -> u32 {
        self.shape().system_chars
    }

    #[getter]
    fn tools(&self) -> u32 {
        self.shape().tools
    }

    #[getter]
    fn tool_calls(&self) -> u32 {
        self.shape().tool_calls
    }

    #[getter]
    fn media(&self) -> u32 {
        self.shape().media
    }

    #[getter]
    fn images(&self) -> u32 {
        self.shape().images
    }

    #[getter]
    fn audio(&self) -> u32 {
        self.shape().audio
    }

    #[getter]
    fn wants_json(&self) -> bool {
        self.shape().wants_json
    }

    #[getter]
    fn is_stream(&self) -> bool {
        self.shape().is_stream
    }

    #[getter]
    fn max_output_tokens(&self) -> Option<u32> {
        self.shape().max_output_tokens
    }

    #[getter]
    fn temperature(&self) -> Option<f32> {
        self.shape().temperature
    }

    #[getter]
    fn top_p(&self) -> Option<f32> {
        self.shape().top_p
    }

    #[getter]
    fn samples(&self) -> Option<u32> {
        self.shape().samples
    }

    #[getter]
    fn tokens(&self, py: Python<'_>) -> PyResult<u32> {
        gil::detached(py, || self.analysis.input_tokens())
    }

    fn window_share(&self, py: Python<'_>, window_tokens: u32) -> PyResult<f32> {
        if window_tokens == 0 {
            return Err(raise(
                py,
                "ConfigError",
                "window_tokens=0 holds nothing; give the model's context window".to_owned(),
            ));
        }
        Ok(self.tokens(py)? as f32 / window_tokens as f32)
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

    fn vector<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let tokens = self.tokens(py)?;
        Ok(self.read().vector(&self.shape(), self.analysis.request().layout(), tokens).into_pyarray(py))
    }

    fn __repr__(&self) -> String {
        let read = self.read();
        let (kind, slots) = (read.question_type.name(), read.slots.slots.len());
        format!("Features(chars={}, words={}, question_type={kind:?}, slots={slots})", read.chars, read.words)
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
