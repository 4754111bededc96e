//! Rust error kinds to Python exceptions: one exhaustive place.

use compound_fast_core::error::{Error, ErrorKind};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The Python exception for a core error. The classes live in `compound_fast.errors`, which imports nothing.
pub fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error.kind() {
        ErrorKind::Config => "ConfigError",
        ErrorKind::Text => "TextError",
        ErrorKind::Dimension => "DimensionError",
        ErrorKind::IndexFile => "IndexFileError",
        ErrorKind::Cache => "CacheError",
        ErrorKind::Snapshot => "SnapshotError",
        ErrorKind::CacheLocked => "CacheLockedError",
        ErrorKind::NoCandidate => "NoCandidateError",
        _ => "InternalError",
    };
    raise(py, class, error.to_string())
}

/// An exception of `compound_fast.errors` by class name.
pub fn raise(py: Python<'_>, class: &str, message: String) -> PyErr {
    let found = py
        .import("compound_fast.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.cast_into::<PyType>().map_err(Into::into));
    match found {
        Ok(class) => PyErr::from_type(class, (message,)),
        Err(_) => PyRuntimeError::new_err(message),
    }
}

/// `result.or_raise(py)?`: a core result in a binding function.
pub trait OrRaise<T> {
    /// Maps the error to its Python exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| to_py(py, &error))
    }
}
