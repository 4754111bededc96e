//! `Router` and `RouteDecision`.

use std::sync::Arc;

use compound_fast_core::router::{RouteDecision, Router};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::OrRaise;
use crate::gil;
use crate::request::PyRequest;

/// The router of the core. `compound_fast.Router` is the class to use.
#[pyclass(name = "Router", module = "compound_fast._core", frozen)]
pub struct PyRouter {
    pub router: Arc<Router>,
}

#[pymethods]
impl PyRouter {
    #[new]
    fn new(py: Python<'_>, config: &str) -> PyResult<Self> {
        Ok(Self { router: Arc::new(Router::from_json(config).or_raise(py)?) })
    }

    fn route(&self, py: Python<'_>, request: &PyRequest) -> PyResult<PyRouteDecision> {
        let decision = gil::detached(py, || self.router.route(&request.analysis))?.or_raise(py)?;
        Ok(PyRouteDecision { decision })
    }
}

/// Which models may take the request, best first, and why.
#[pyclass(name = "RouteDecision", module = "compound_fast._core", frozen)]
#[derive(Clone)]
pub struct PyRouteDecision {
    pub decision: RouteDecision,
}

#[pymethods]
impl PyRouteDecision {
    #[getter]
    fn model(&self) -> &str {
        self.decision.model()
    }

    #[getter]
    fn candidates(&self) -> Vec<String> {
        self.decision.candidates.clone()
    }

    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let scores = PyDict::new(py);
        if let Some(complexity) = self.decision.complexity {
            scores.set_item("complexity", complexity)?;
        }
        Ok(scores)
    }

    #[getter]
    pub fn reasons(&self) -> Vec<String> {
        self.decision.reasons.clone()
    }

    #[getter]
    fn expected_cost_usd(&self) -> Option<f64> {
        self.decision.expected_cost_nano.map(|nano| nano as f64 / 1e9)
    }

    pub fn __repr__(&self) -> String {
        let RouteDecision { candidates, reasons, .. } = &self.decision;
        let cost = self.expected_cost_usd().map_or_else(|| "None".to_owned(), |usd| usd.to_string());
        format!("RouteDecision(candidates={candidates:?}, reasons={reasons:?}, expected_cost_usd={cost})")
    }
}
