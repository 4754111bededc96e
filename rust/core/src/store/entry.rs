//! One stored answer, what it answers, and where it came from.

use crate::error::{Error, ErrorKind, Result};
use crate::heap;

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
    /// Every form, each at the place that its number in a file names.
    pub const ALL: [Self; 3] = [Self::Str, Self::Dict, Self::Bytes];

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
        Self::ALL
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

impl Answer {
    /// The text of an answer that is text alone; `None` for the other forms, and for a text that only Python can hold.
    pub fn text(&self) -> Option<String> {
        (self.form == Form::Str).then(|| serde_json::from_slice(&self.response).ok()).flatten()
    }
}

/// For whom an answer was made, by whom, and of what.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who asked.
    pub tenant: Box<str>,
    /// The partition of the caller's own choosing.
    pub namespace: Box<str>,
    /// Who stored it.
    pub writer: Box<str>,
    /// What it was made from: documents, each with or without its version ("kb/returns.md@7").
    pub sources: Box<[Box<str>]>,
    /// Names to find it by.
    pub tags: Box<[Box<str>]>,
    /// The body of the request; empty where it was too long to keep.
    pub request: Box<[u8]>,
}

impl Origin {
    /// The documents among the sources, without their versions.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| document(source))
    }

    fn heap_bytes(&self) -> usize {
        let names = |names: &[Box<str>]| {
            heap::allocated(size_of_val(names)) + names.iter().map(|name| heap::allocated(name.len())).sum::<usize>()
        };
        let texts = [&self.tenant, &self.namespace, &self.writer].map(|text| heap::allocated(text.len()));
        let texts: usize = texts.into_iter().sum();
        texts + names(&self.sources) + names(&self.tags) + heap::allocated(self.request.len())
    }
}

/// A source without its version: what stands before the last "@".
pub fn document(source: &str) -> &str {
    source.rsplit_once('@').map_or(source, |(document, _)| document)
}

/// An answer and what it answers. Never changed once it is made, so that readers share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<S> {
    /// Never used again.
    pub id: u128,
    /// Fingerprint of the whole request.
    pub fingerprint: u128,
    /// Fingerprint of scope and literals: whom the semantic tier may serve it to. 0 where it serves nobody.
    pub partition: u128,
    /// What the cache's guards compare.
    pub signature: S,
    /// The answer.
    pub answer: Answer,
    /// Where it came from.
    pub origin: Origin,
    /// When it was made.
    pub born_ms: u64,
    /// From when on it is no longer served.
    pub expires_ms: u64,
}

impl<S> Entry<S> {
    /// What its vector is held under: half of its id.
    #[expect(clippy::cast_possible_truncation, reason = "half of a keyed 128-bit hash is a hash")]
    pub fn key(&self) -> u64 {
        self.id as u64
    }

    /// Bytes that the entry takes from the allocator, itself and its counts of references included.
    pub fn heap_bytes(&self) -> usize {
        heap::allocated(size_of::<Self>() + 2 * size_of::<usize>())
            + heap::allocated(self.answer.response.len())
            + heap::allocated(self.answer.model.len())
            + self.origin.heap_bytes()
    }
}
