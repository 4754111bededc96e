//! `Request`.

use std::sync::Arc;

use compound_fast_core::features::Analysis;
use compound_fast_core::request::Request;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::OrRaise;
use crate::features::PyFeatures;
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
