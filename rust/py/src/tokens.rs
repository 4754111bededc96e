//! `Tokenizer`, and the counting and fitting of requests.

use compound_fast_core::tokens::{self, Encoding, Keep, Policy, Specials};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::{OrRaise, raise};
use crate::gil;

/// Texts beyond this many bytes are counted with the GIL released: there the 55 ns that it costs are below 1 %.
const DETACH_BYTES: usize = 8 << 10;

/// The UTF-8 of a str or bytes object, without a copy where Python has it at hand.
fn text_of<'a>(text: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    if let Ok(string) = text.cast::<PyString>() {
        return string.to_str().map_err(|_| {
            let message = "the str holds a lone surrogate, which UTF-8 cannot; decode its source with errors='replace'";
            raise(text.py(), "TextError", message.to_owned())
        });
    }
    let Ok(bytes) = text.cast::<PyBytes>() else {
        let found = text.get_type().name()?;
        return Err(PyTypeError::new_err(format!("text must be str or bytes, not {found}")));
    };
    std::str::from_utf8(bytes.as_bytes()).map_err(|fault| {
        let message = format!("the bytes are not UTF-8: no character begins at byte {}", fault.valid_up_to());
        raise(text.py(), "TextError", message)
    })
}

/// Runs `work` on `bytes` bytes, with the GIL released where there are many.
fn on<T: Send>(py: Python<'_>, bytes: usize, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    if bytes < DETACH_BYTES { gil::held(py, work) } else { gil::detached(py, work) }
}

fn specials(allowed: Option<&Bound<'_, PyAny>>) -> PyResult<Specials> {
    match allowed {
        None => Ok(Specials::None),
        Some(all) if all.cast::<PyString>().is_ok_and(|all| all == "all") => Ok(Specials::All),
        Some(names) if names.cast::<PyString>().is_err() => {
            Ok(Specials::Only(names.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?))
        }
        Some(_) => Err(PyTypeError::new_err("allowed_special must be \"all\" or a set of str")),
    }
}

fn keep(py: Python<'_>, keep: &str) -> PyResult<Keep> {
    match keep {
        "start" => Ok(Keep::Start),
        "end" => Ok(Keep::End),
        "middle" => Ok(Keep::Middle),
        _ => Err(raise(py, "ConfigError", format!("keep={keep:?} is none of \"start\", \"end\", \"middle\""))),
    }
}

/// An exact tokenizer. Counts are those of tiktoken 0.14 (Unicode 16).
#[pyclass(frozen, module = "compound_fast._core")]
pub struct Tokenizer {
    encoding: &'static Encoding,
}

#[pymethods]
impl Tokenizer {
    /// The tokenizer of a shipped encoding: `o200k_base`, `o200k_harmony` or `cl100k_base`.
    #[staticmethod]
    fn get(py: Python<'_>, name: &str) -> PyResult<Self> {
        Ok(Self { encoding: Encoding::get(name).or_raise(py)? })
    }

    /// The tokenizer of a model whose encoding is shipped.
    #[staticmethod]
    fn for_model(py: Python<'_>, model: &str) -> PyResult<Self> {
        let encoding = tokens::encoding_for_model(model).ok_or_else(|| {
            let remedy = "count_tokens estimates for other models, Tokenizer.get takes an encoding by name";
            raise(py, "ConfigError", format!("the tokenizer of model {model:?} is not shipped; {remedy}"))
        })?;
        Ok(Self { encoding })
    }

    /// The encoding's name.
    #[getter]
    fn name(&self) -> &'static str {
        self.encoding.name()
    }

    /// One more than the largest token id, special tokens included.
    #[getter]
    fn vocabulary_size(&self) -> u32 {
        self.encoding.vocabulary_size()
    }

    /// The strings that `allowed_special` may name.
    #[getter]
    fn special_tokens(&self) -> Vec<String> {
        self.encoding.special_names()
    }

    /// The number of tokens of a text.
    #[pyo3(signature = (text, *, allowed_special = None))]
    fn count(&self, text: &Bound<'_, PyAny>, allowed_special: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let utf8 = text_of(text)?;
        if allowed_special.is_none() {
            return on(text.py(), utf8.len(), || self.encoding.count(utf8));
        }
        let allowed = specials(allowed_special)?;
        on(text.py(), utf8.len(), || self.encoding.count_with(utf8, &allowed))
    }

    /// The number of tokens of each text.
    #[pyo3(signature = (texts, threads = None))]
    fn count_batch<'py>(
        &self,
        texts: &Bound<'py, PyAny>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let py = texts.py();
        if texts.is_instance_of::<PyString>() {
            return Err(raise(
                py,
                "ConfigError",
                "texts is one str; pass a list of texts, or call count(text)".to_owned(),
            ));
        }
        let threads = threads.map(|threads| whole("threads", threads)).transpose()?;
        // Held until the counting is done, whatever another thread does to the list meanwhile.
        let texts = texts.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let utf8 = texts.iter().map(text_of).collect::<PyResult<Vec<_>>>()?;
        let counts = gil::detached(py, || self.encoding.count_batch(&utf8, threads))?.or_raise(py)?;
        Ok(PyArray1::from_vec(py, counts))
    }

    /// The number of tokens of a text if there are at most `limit`, else None.
    fn count_up_to(&self, text: &Bound<'_, PyAny>, limit: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let (utf8, limit) = (text_of(text)?, whole("limit", limit)?);
        on(text.py(), utf8.len(), || self.encoding.count_up_to(utf8, limit))
    }

    /// The tokens of a text.
    #[pyo3(signature = (text, *, allowed_special = None))]
    fn encode<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        allowed_special: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let (utf8, allowed) = (text_of(text)?, specials(allowed_special)?);
        let tokens = on(text.py(), utf8.len(), || self.encoding.encode_with(utf8, &allowed))?;
        Ok(PyArray1::from_vec(text.py(), tokens))
    }

    /// The text of tokens; bytes that are no UTF-8 become U+FFFD.
    fn decode(&self, tokens: &Bound<'_, PyAny>) -> PyResult<String> {
        let py = tokens.py();
        let tokens: Vec<u32> = match tokens.extract::<PyReadonlyArray1<'_, u32>>() {
            Ok(array) => array.to_vec()?,
            Err(_) => tokens.try_iter()?.map(|token| token?.extract()).collect::<PyResult<_>>()?,
        };
        let bytes = on(py, tokens.len(), || self.encoding.decode_bytes(&tokens))?.or_raise(py)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The part of a text that stays when it is cut to at most `max_tokens`.
    #[pyo3(signature = (text, max_tokens, keep = "start"))]
    fn truncate<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        max_tokens: &Bound<'py, PyAny>,
        keep: &str,
    ) -> PyResult<Bound<'py, PyString>> {
        let (py, utf8, max_tokens) = (text.py(), text_of(text)?, whole("max_tokens", max_tokens)?);
        let keep = self::keep(py, keep)?;
        let kept = on(py, utf8.len(), || self.encoding.truncate(utf8, max_tokens, keep))?;
        Ok(PyString::new(py, kept))
    }

    /// The text in chunks of at most `max_tokens`.
    #[pyo3(signature = (text, max_tokens, overlap = None), text_signature = "($self, text, max_tokens, overlap=0)")]
    fn split<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        max_tokens: &Bound<'py, PyAny>,
        overlap: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyString>>> {
        let (py, utf8, max_tokens) = (text.py(), text_of(text)?, whole("max_tokens", max_tokens)?);
        let overlap = overlap.map_or(Ok(0), |overlap| whole("overlap", overlap))?;
        let chunks = on(py, utf8.len(), || self.encoding.split(utf8, max_tokens, overlap))?.or_raise(py)?;
        Ok(chunks.into_iter().map(|chunk| PyString::new(py, &utf8[chunk])).collect())
    }

    fn __repr__(&self) -> String {
        format!("Tokenizer.get({:?})", self.encoding.name())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (&'static str,))> {
        Ok((py.get_type::<Self>().getattr("get")?, (self.encoding.name(),)))
    }
}

/// A whole number of at least 0, whose name an error has.
fn whole(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    let py = value.py();
    value.extract::<usize>().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(py) {
            raise(py, "ConfigError", format!("{name}={value} is outside [0, 2^64); pass a whole number of at least 0"))
        } else {
            error
        }
    })
}

/// A count that says what it is.
#[pyclass(frozen, eq, get_all, module = "compound_fast._core")]
#[derive(PartialEq)]
pub struct TokenCount {
    tokens: usize,
    exact: bool,
    upper: usize,
    how: String,
}

impl From<tokens::TokenCount> for TokenCount {
    fn from(count: tokens::TokenCount) -> Self {
        Self { tokens: count.tokens, exact: count.is_exact, upper: count.upper, how: count.how }
    }
}

#[pymethods]
impl TokenCount {
    fn __int__(&self) -> usize {
        self.tokens
    }

    fn __index__(&self) -> usize {
        self.tokens
    }

    fn __repr__(&self) -> String {
        let exact = if self.exact { "True" } else { "False" };
        format!("TokenCount(tokens={}, exact={exact}, upper={}, how={:?})", self.tokens, self.upper, self.how)
    }
}

/// The tokens of a text for any model.
#[pyfunction]
pub fn count_text(text: &Bound<'_, PyAny>, model: &str) -> PyResult<TokenCount> {
    let utf8 = text_of(text)?;
    Ok(on(text.py(), utf8.len(), || tokens::estimate_text(utf8, model))?.into())
}

/// The tokens of a request given as JSON bytes; an empty `model` stands for the one in the body.
#[pyfunction]
pub fn count_request(py: Python<'_>, body: &[u8], model: &str) -> PyResult<TokenCount> {
    Ok(on(py, body.len(), || tokens::count_request(body, model))?.or_raise(py)?.into())
}

/// What is done to a message by `fit_request`: index, new content or None, tokens before, tokens after.
type Cut = (usize, Option<String>, usize, usize);

/// Fits a request given as JSON bytes: the count before, the tokens afterwards, the cuts.
#[pyfunction]
pub fn fit_request(
    py: Python<'_>,
    body: &[u8],
    model: &str,
    max_tokens: usize,
    reserve: usize,
    shorten: bool,
) -> PyResult<(TokenCount, usize, Vec<Cut>)> {
    let policy = if shorten { Policy::Shorten } else { Policy::Drop };
    let fit = on(py, body.len(), || tokens::fit(body, model, max_tokens, reserve, policy))?.or_raise(py)?;
    let cuts = fit.cuts.into_iter().map(|cut| (cut.index, cut.content, cut.tokens_before, cut.tokens_after));
    Ok((fit.before.into(), fit.tokens, cuts.collect()))
}
