//! One stored answer and what it answers.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// In which form a response came, and goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text alone.
    Str,
    /// A completion object.
    Dict,
    /// JSON bytes.
    Bytes,
}

impl Form {
    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Dict => "dict",
            Self::Bytes => "bytes",
        }
    }

    /// The form of that name.
    ///
    /// # Errors
    /// `Config` on any other name.
    pub fn from_name(name: &str) -> Result<Self> {
        [Self::Str, Self::Dict, Self::Bytes]
            .into_iter()
            .find(|form| form.name() == name)
            .ok_or_else(|| Error::new(ErrorKind::Config, format!("response form {name:?} is none of str, dict, bytes")))
    }
}

/// An answer, as it is stored and served.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// JSON bytes, whatever the form.
    pub response: Box<[u8]>,
    /// The form it came in.
    pub form: Form,
    /// Who wrote it.
    pub model: Box<str>,
    /// Tokens of the request that it answered.
    pub input_tokens: u32,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// What it cost, in nano-dollars; `None` where the model has no price.
    pub cost_nano_usd: Option<u64>,
}

/// An answer and what it answers.
#[derive(Debug)]
pub struct Entry<S> {
    /// Never used again.
    pub id: u128,
    /// Fingerprint of the whole request.
    pub fingerprint: u128,
    /// Fingerprint of scope and literals: whom the semantic tier may serve it to.
    pub partition: u128,
    /// What the cache's guards compare.
    pub signature: S,
    /// The answer; shared, so that serving it copies nothing under the lock.
    pub answer: Arc<Answer>,
    /// When it was stored.
    pub born_ms: u64,
    /// From when on it is no longer served.
    pub expires_ms: u64,
}

impl<S> Entry<S> {
    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Answer>() + 2 * size_of::<usize>() + self.answer.response.len() + self.answer.model.len()
    }
}
