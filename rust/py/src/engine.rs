//! `Engine` and `Decision`.

use std::sync::Arc;

use compound_fast_core::engine::{Decision, Engine, Outcome};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::cache::PyCache;
use crate::cache_entry::PyCacheHit;
use crate::errors::OrRaise;
use crate::gil;
use crate::request::PyRequest;
use crate::router::{PyRouteDecision, PyRouter};

/// The whole Rust part of the path as one call.
#[pyclass(name = "Engine", module = "compound_fast._core", frozen)]
pub struct PyEngine {
    engine: Engine,
}

#[pymethods]
impl PyEngine {
    #[new]
    #[pyo3(signature = (*, cache, router))]
    fn new(cache: Option<&PyCache>, router: &PyRouter) -> Self {
        Self { engine: Engine::new(cache.map(|cache| Arc::clone(&cache.cache)), Arc::clone(&router.router)) }
    }

    #[pyo3(signature = (body, *, tenant="", namespace=""))]
    fn decide(&self, py: Python<'_>, body: &[u8], tenant: &str, namespace: &str) -> PyResult<PyDecision> {
        let decision = gil::detached(py, || self.engine.decide(body.to_vec(), tenant, namespace))?.or_raise(py)?;
        Ok(PyDecision { decision })
    }
}

/// A hit with its bytes, or a route; and the request, ready to be stored later.
#[pyclass(name = "Decision", module = "compound_fast._core", frozen)]
pub struct PyDecision {
    decision: Decision,
}

#[pymethods]
impl PyDecision {
    #[getter]
    fn kind(&self) -> &'static str {
        match &self.decision.outcome {
            Outcome::Hit(hit) => hit.kind.name(),
            Outcome::Route(_) => "route",
        }
    }

    #[getter]
    fn hit(&self) -> Option<PyCacheHit> {
        match &self.decision.outcome {
            Outcome::Hit(hit) => Some(PyCacheHit { hit: hit.clone() }),
            Outcome::Route(_) => None,
        }
    }

    #[getter]
    fn response<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.hit().map(|hit| hit.response(py))
    }

    #[getter]
    fn route(&self) -> Option<PyRouteDecision> {
        match &self.decision.outcome {
            Outcome::Hit(_) => None,
            Outcome::Route(decision) => Some(PyRouteDecision { decision: decision.clone() }),
        }
    }

    #[getter]
    fn request(&self) -> PyRequest {
        PyRequest { analysis: Arc::clone(&self.decision.analysis) }
    }

    #[getter]
    fn reasons(&self) -> Vec<String> {
        match &self.decision.outcome {
            Outcome::Hit(hit) => hit.reasons(),
            Outcome::Route(route) => route.reasons.clone(),
        }
    }

    #[getter]
    fn timings_us<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let timings = PyDict::new(py);
        for (step, time) in self.decision.timings {
            timings.set_item(step, time.as_secs_f64() * 1e6)?;
        }
        Ok(timings)
    }

    /// Without the response, which may be long, and without anything of the request.
    fn __repr__(&self) -> String {
        let kind = self.kind();
        match (self.route(), self.hit()) {
            (Some(route), _) => format!("Decision(kind={kind:?}, route={})", route.__repr__()),
            (None, Some(hit)) => format!("Decision(kind={kind:?}, hit={})", hit.__repr__()),
            (None, None) => format!("Decision(kind={kind:?})"),
        }
    }
}
