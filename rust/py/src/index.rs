//! `VectorIndex`.

use std::path::PathBuf;
use std::sync::Arc;

use compound_fast_core::index::{Kind, NO_ID, Neighbour, VectorIndex};
use numpy::{IntoPyArray as _, PyArray1, PyArray2, PyArrayMethods as _, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{OrRaise, raise};
use crate::gil;

type Found<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<f32>>);
type FoundBatch<'py> = (Bound<'py, PyArray2<u64>>, Bound<'py, PyArray2<f32>>);

/// The index of the core. `compound_fast.VectorIndex` is the class to use: it takes any array.
#[pyclass(name = "VectorIndex", module = "compound_fast._core", frozen)]
pub struct PyVectorIndex {
    index: Arc<VectorIndex>,
}

#[pymethods]
impl PyVectorIndex {
    #[new]
    fn new(py: Python<'_>, dim: usize, kind: &str) -> PyResult<Self> {
        let kind = match kind {
            "auto" => Kind::Auto,
            "flat" => Kind::Flat,
            "graph" => Kind::Graph,
            other => return Err(raise(py, "ConfigError", format!("kind={other:?} is none of auto, flat, graph"))),
        };
        Ok(Self { index: Arc::new(VectorIndex::new(dim, kind).or_raise(py)?) })
    }

    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of a path")]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let index = gil::detached(py, || VectorIndex::open(&path))?.or_raise(py)?;
        Ok(Self { index: Arc::new(index) })
    }

    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of a path")]
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        gil::detached(py, || self.index.save(&path))?.or_raise(py)
    }

    #[getter]
    fn dim(&self) -> usize {
        self.index.dim()
    }

    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of an array")]
    fn add(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, u64>, vectors: PyReadonlyArray2<'_, f32>) -> PyResult<()> {
        // Copies, because another thread may write to the arrays once the GIL is released.
        let (ids, vectors) = (ids.as_slice()?.to_vec(), vectors.as_slice()?.to_vec());
        gil::detached(py, || self.index.add(&ids, &vectors))?.or_raise(py)
    }

    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of an array")]
    fn remove(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, u64>) -> PyResult<usize> {
        let ids = ids.as_slice()?.to_vec();
        gil::detached(py, || self.index.remove(&ids))
    }

    fn get<'py>(&self, py: Python<'py>, key: u64) -> PyResult<Option<Bound<'py, PyArray1<f32>>>> {
        Ok(gil::detached(py, || self.index.get(key))?.map(|vector| vector.into_pyarray(py)))
    }

    #[pyo3(signature = (vector, k, min_similarity=None, allowed=None))]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of an array")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        vector: PyReadonlyArray1<'py, f32>,
        k: usize,
        min_similarity: Option<f32>,
        allowed: Option<PyReadonlyArray1<'py, u64>>,
    ) -> PyResult<Found<'py>> {
        let vector = vector.as_slice()?.to_vec();
        let allowed = allowed.map(|ids| ids.as_slice().map(<[u64]>::to_vec)).transpose()?;
        // Released always: a writer that holds the lock of the index could not be waited for otherwise.
        let found = gil::detached(py, || self.index.search(&vector, k, min_similarity, allowed.as_deref()))?;
        let (ids, similarities): (Vec<u64>, Vec<f32>) =
            found.or_raise(py)?.into_iter().map(|neighbour| (neighbour.id, neighbour.similarity)).unzip();
        Ok((ids.into_pyarray(py), similarities.into_pyarray(py)))
    }

    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of an array")]
    fn search_batch<'py>(
        &self,
        py: Python<'py>,
        vectors: PyReadonlyArray2<'py, f32>,
        k: usize,
        threads: usize,
    ) -> PyResult<FoundBatch<'py>> {
        let vectors = vectors.as_slice()?.to_vec();
        let rows = vectors.len() / self.index.dim();
        let Some(cells) = rows.checked_mul(k).filter(|&cells| cells <= isize::MAX as usize / 8) else {
            return Err(raise(py, "ConfigError", format!("k={k} for {rows} queries is more than an array holds")));
        };
        let (ids, similarities) = gil::detached(py, || {
            let found = self.index.search_batch(&vectors, k, threads)?;
            let (mut ids, mut similarities) = (vec![NO_ID; cells], vec![f32::NAN; cells]);
            for (row, neighbours) in found.into_iter().enumerate() {
                for (at, Neighbour { id, similarity }) in neighbours.into_iter().enumerate() {
                    (ids[row * k + at], similarities[row * k + at]) = (id, similarity);
                }
            }
            Ok((ids, similarities))
        })?
        .or_raise(py)?;
        Ok((ids.into_pyarray(py).reshape([rows, k])?, similarities.into_pyarray(py).reshape([rows, k])?))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = gil::detached(py, || self.index.stats())?;
        let dict = PyDict::new(py);
        dict.set_item("entries", stats.entries)?;
        dict.set_item("bytes", stats.bytes)?;
        dict.set_item("kind", if stats.is_graph { "graph" } else { "flat" })?;
        dict.set_item("waiting", stats.waiting)?;
        dict.set_item("kernels", stats.kernels)?;
        Ok(dict)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        gil::detached(py, || self.index.len())
    }
}
