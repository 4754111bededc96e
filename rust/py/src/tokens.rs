//! `Tokenizer`: exact token counts.

use compound_fast_core::tokens::{Encoding, Specials};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::{OrRaise, raise};
use crate::gil;

/// Texts beyond this many bytes are counted with the GIL released: there the 55 ns that it costs are below 1 %.
const DETACH_BYTES: usize = 8 << 10;

/// The UTF-8 of a str or bytes object, without a copy where CPython has it at hand.
pub fn text_of<'a>(text: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    if let Ok(string) = text.cast::<PyString>() {
        return string.to_str().map_err(|_| {
            let message = "the str holds a lone surrogate, which no encoding of Unicode text has; decode it again with errors='replace'";
            raise(text.py(), "TextError", message.to_owned())
        });
    }
    let Ok(bytes) = text.cast::<PyBytes>() else {
        let found = text.get_type().name()?;
        return Err(PyTypeError::new_err(format!("text must be str or bytes, not {found}")));
    };
    std::str::from_utf8(bytes.as_bytes()).map_err(|fault| {
        let message = format!("the bytes are not UTF-8: byte {} begins no character", fault.valid_up_to());
        raise(text.py(), "TextError", message)
    })
}

fn on<T: Send>(py: Python<'_>, bytes: usize, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    if bytes < DETACH_BYTES { gil::held(py, work) } else { gil::detached(py, work) }
}

/// An exact tokenizer. Counts are those of tiktoken 0.14 (Unicode 16).
#[pyclass(frozen, module = "compound_fast._core")]
pub struct Tokenizer {
    encoding: &'static Encoding,
}

#[pymethods]
impl Tokenizer {
    #[staticmethod]
    fn get(py: Python<'_>, name: &str) -> PyResult<Self> {
        Ok(Self { encoding: Encoding::get(name).or_raise(py)? })
    }

    fn count(&self, text: &Bound<'_, PyAny>) -> PyResult<usize> {
        let encoding = self.encoding;
        let utf8 = text_of(text)?;
        on(text.py(), utf8.len(), || encoding.count(utf8))
    }

    fn encode<'py>(&self, text: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let utf8 = text_of(text)?;
        let tokens = on(text.py(), utf8.len(), || self.encoding.encode(utf8))?;
        Ok(PyArray1::from_vec(text.py(), tokens))
    }
}
