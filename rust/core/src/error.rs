//! One error type for the whole core: what kind of fault, what it was about, what caused it.
//!
//! The binding maps every [`ErrorKind`] to one Python exception in a single exhaustive match, so a new kind does not
//! compile until somebody has decided what a user sees. A context names the offending value and the remedy; it never
//! holds the text of a prompt or a key.

use std::error::Error as StdError;
use std::fmt;

/// What kind of fault this is. One Python exception class stands behind each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument or a configuration value is outside what is allowed.
    Config,
    /// Text that is not UTF-8, or a request that is not a chat request.
    Text,
    /// A vector of the wrong length, or one holding NaN, infinity or only zeros.
    Dimension,
    /// An index file that is truncated, corrupted, or of a newer schema.
    IndexFile,
    /// The cache could not do what was asked.
    Cache,
    /// A cache snapshot or journal that cannot be read.
    Snapshot,
    /// Another process holds the cache directory.
    CacheLocked,
    /// No model can take the request.
    NoCandidate,
    /// A fault of ours.
    Internal,
}

/// An error of the core.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What most functions of the core return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `context` says what was wrong, with the value, and what to do.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// The same error, with the fault that caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of fault this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
