//! `Price` and `Meter`.

use compound_fast_core::meter::{Latencies, Price, Record, ServedFrom, Totals};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Mutex;

/// Prices of one model in integer nano-dollars per million tokens.
#[pyclass(name = "Price", module = "compound_fast._core", frozen, eq)]
#[derive(PartialEq)]
pub struct PyPrice {
    price: Price,
}

#[pymethods]
impl PyPrice {
    #[new]
    #[pyo3(signature = (*, input_nano, output_nano, cached_input_nano=None))]
    fn new(input_nano: u64, output_nano: u64, cached_input_nano: Option<u64>) -> Self {
        Self { price: Price { input: input_nano, output: output_nano, cached_input: cached_input_nano } }
    }

    #[getter]
    fn input_nano(&self) -> u64 {
        self.price.input
    }

    #[getter]
    fn output_nano(&self) -> u64 {
        self.price.output
    }

    #[getter]
    fn cached_input_nano(&self) -> Option<u64> {
        self.price.cached_input
    }

    #[pyo3(signature = (input_tokens, output_tokens, cached_input_tokens=0))]
    fn cost_nano(&self, input_tokens: u64, output_tokens: u64, cached_input_tokens: u64) -> u64 {
        self.price.cost_nano(input_tokens, output_tokens, cached_input_tokens)
    }

    fn __repr__(&self) -> String {
        let Price { input, output, cached_input } = self.price;
        let cached = cached_input.map_or_else(|| "None".to_owned(), |nano| nano.to_string());
        format!("Price(input_nano={input}, output_nano={output}, cached_input_nano={cached})")
    }
}

/// Aggregates of a ledger; constant memory, however many requests are recorded.
#[pyclass(name = "Meter", module = "compound_fast._core", frozen)]
pub struct PyMeter {
    totals: Mutex<Totals>,
}

#[pymethods]
impl PyMeter {
    #[new]
    fn new() -> Self {
        Self { totals: Mutex::new(Totals::new()) }
    }

    #[pyo3(signature = (
        *, served_from, model, input_tokens, output_tokens, cost_nano, baseline_nano, decision_us, end_to_end_us, shared=false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn record(
        &self,
        served_from: &str,
        model: &str,
        input_tokens: u64,
        output_tokens: u64,
        cost_nano: Option<u64>,
        baseline_nano: Option<u64>,
        decision_us: f64,
        end_to_end_us: f64,
        shared: bool,
    ) -> PyResult<()> {
        let served_from = match served_from {
            "exact" => ServedFrom::Exact,
            "semantic" => ServedFrom::Semantic,
            "model" => ServedFrom::Model,
            "failed" => ServedFrom::Failed,
            _ => return Err(PyValueError::new_err(format!("served_from={served_from:?} is none of the four"))),
        };
        let record = Record {
            served_from,
            is_shared: shared,
            model,
            input_tokens,
            output_tokens,
            cost_nano,
            baseline_nano,
            decision_ns: to_ns(decision_us),
            end_to_end_ns: to_ns(end_to_end_us),
        };
        self.totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner).record(&record);
        Ok(())
    }

    fn totals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let totals = self.totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let dict = PyDict::new(py);
        let [exact, semantic, model, failed] = totals.served;
        dict.set_item("requests", totals.requests())?;
        dict.set_item(
            "served",
            named(py, [("exact", exact), ("semantic", semantic), ("model", model), ("failed", failed)])?,
        )?;
        dict.set_item("shared", totals.shared)?;
        let [input, output] = totals.tokens;
        dict.set_item("tokens", named(py, [("input", input), ("output", output), ("saved", totals.tokens_saved)])?)?;
        dict.set_item("cost_nano_usd", totals.cost_nano)?;
        dict.set_item("baseline_nano_usd", totals.baseline_nano)?;
        dict.set_item("unpriced", totals.unpriced)?;
        let models = PyDict::new(py);
        for (name, model) in &totals.models {
            let row = named(
                py,
                [
                    ("requests", model.requests),
                    ("input_tokens", model.input_tokens),
                    ("output_tokens", model.output_tokens),
                    ("cost_nano_usd", model.cost_nano),
                    ("unpriced", model.unpriced),
                ],
            )?;
            models.set_item(name, row)?;
        }
        dict.set_item("models", models)?;
        dict.set_item("decision_us", quantiles(py, &totals.decision)?)?;
        dict.set_item("end_to_end_us", quantiles(py, &totals.end_to_end)?)?;
        Ok(dict)
    }
}

const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// Counts by their names.
pub fn named<'py, const N: usize>(py: Python<'py>, counts: [(&str, u64); N]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, count) in counts {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}

/// Median, 90th and 99th percentile, in microseconds.
pub fn quantiles<'py>(py: Python<'py>, latencies: &Latencies) -> PyResult<Bound<'py, PyDict>> {
    let [p50, p90, p99] = latencies.quantiles(QUANTILES);
    let dict = PyDict::new(py);
    for (name, ns) in [("p50", p50), ("p90", p90), ("p99", p99)] {
        dict.set_item(name, ns as f64 / 1e3)?;
    }
    Ok(dict)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float to integer cast saturates")]
fn to_ns(us: f64) -> u64 {
    (us * 1e3) as u64
}
