//! `Cache`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use compound_fast_core::cache::{
    self, Cache, CacheConfig, DiskConfig, Explanation, Guard, Near, Observed, PutOptions, ScopeStats, Selection,
};
use compound_fast_core::embed::StaticEmbedder;
use compound_fast_core::error::{Error, ErrorKind};
use compound_fast_core::features::Analysis;
use compound_fast_core::store::eviction::Policy;
use compound_fast_core::store::{Answer, Form};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::cache_entry::{PyCacheEntry, PyCacheHit, decimal, hex};
use crate::clock::PyManualClock;
use crate::errors::OrRaise;
use crate::fork::{self, Inside};
use crate::gil;
use crate::meter::{named, quantiles};
use crate::request::PyRequest;

/// The cache of the core. `compound_fast.SemanticCache` is the class to use.
#[pyclass(name = "Cache", module = "compound_fast._core", frozen)]
pub struct PyCache {
    pub cache: Arc<Cache>,
}

#[pymethods]
impl PyCache {
    #[new]
    #[pyo3(signature = (
        *, max_bytes, ttl_s, semantic, similarity_threshold, slot_similarity_threshold, clock=None, path=None, sync=false,
        strict=false, stale_ttl_s=None, ttl_jitter=0.0, tenant_share=None,
        eviction="lru",
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        max_bytes: usize,
        ttl_s: Option<f64>,
        semantic: bool,
        similarity_threshold: f32,
        slot_similarity_threshold: f32,
        clock: Option<&PyManualClock>,
        path: Option<PathBuf>,
        sync: bool,
        strict: bool,
        stale_ttl_s: Option<f64>,
        ttl_jitter: f32,
        tenant_share: Option<f32>,
        eviction: &str,
    ) -> PyResult<Self> {
        let ttl_ms = ttl_s.map(|ttl_s| to_ms("ttl_s", ttl_s)).transpose().or_raise(py)?;
        let config = CacheConfig {
            max_bytes,
            ttl_ms,
            stale_ttl_ms: stale_ttl_s.map(|ttl_s| to_ms("stale_ttl_s", ttl_s)).transpose().or_raise(py)?,
            ttl_jitter,
            eviction: Policy::from_name(eviction).or_raise(py)?,
            tenant_share,
            is_semantic: semantic,
            similarity_threshold,
            slot_similarity_threshold,
        };
        let embedder = StaticEmbedder::shipped().or_raise(py)?;
        let clock = PyManualClock::or_system(clock);
        let Some(path) = path else {
            return Ok(Self { cache: Arc::new(Cache::new(config, embedder, clock).or_raise(py)?) });
        };
        let disk = DiskConfig { path, is_sync: sync, is_strict: strict };
        let cache = gil::detached(py, || Cache::open(config, embedder, clock, &disk))?.or_raise(py)?;
        let cache = Arc::new(cache);
        fork::keep_from_children(&cache);
        tend(&cache).or_raise(py)?;
        Ok(Self { cache })
    }

    #[pyo3(signature = (request, max_age_s=None))]
    fn get(&self, py: Python<'_>, request: &PyRequest, max_age_s: Option<f64>) -> PyResult<Option<PyCacheHit>> {
        let max_age_ms = max_age_s.map(|age_s| to_ms("max_age_s", age_s)).transpose().or_raise(py)?;
        let hit = gil::detached(py, || self.cache.get_fresh(&request.analysis, max_age_ms))?;
        Ok(hit.map(|hit| PyCacheHit { hit }))
    }

    #[pyo3(signature = (request, max_age_s=None))]
    fn get_again(&self, py: Python<'_>, request: &PyRequest, max_age_s: Option<f64>) -> PyResult<Option<PyCacheHit>> {
        let max_age_ms = max_age_s.map(|age_s| to_ms("max_age_s", age_s)).transpose().or_raise(py)?;
        let hit = gil::detached(py, || self.cache.get_again(&request.analysis, max_age_ms))?;
        Ok(hit.map(|hit| PyCacheHit { hit }))
    }

    fn fingerprint(&self, py: Python<'_>, request: &PyRequest) -> PyResult<u128> {
        gil::held(py, || self.cache.fingerprint(&request.analysis))
    }

    #[pyo3(signature = (requests, max_age_s=None))]
    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn get_many(
        &self,
        py: Python<'_>,
        requests: Vec<PyRef<'_, PyRequest>>,
        max_age_s: Option<f64>,
    ) -> PyResult<Vec<Option<PyCacheHit>>> {
        let max_age_ms = max_age_s.map(|age_s| to_ms("max_age_s", age_s)).transpose().or_raise(py)?;
        let analyses: Vec<_> = requests.iter().map(|request| Arc::clone(&request.analysis)).collect();
        let get = |analysis: &Arc<Analysis>| self.cache.get_fresh(analysis, max_age_ms);
        let hits: Vec<_> = gil::detached(py, || analyses.iter().map(get).collect())?;
        Ok(hits.into_iter().map(|hit| hit.map(|hit| PyCacheHit { hit })).collect())
    }

    #[pyo3(signature = (
        request, response, *, form, model, input_tokens, output_tokens, cost_nano_usd=None, ttl_s=None, born_ms=None,
        sources=Vec::new(), tags=Vec::new(), writer="",
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn put(
        &self,
        py: Python<'_>,
        request: &PyRequest,
        response: &[u8],
        form: &str,
        model: &str,
        input_tokens: u32,
        output_tokens: u32,
        cost_nano_usd: Option<u64>,
        ttl_s: Option<f64>,
        born_ms: Option<u64>,
        sources: Vec<String>,
        tags: Vec<String>,
        writer: &str,
    ) -> PyResult<Option<String>> {
        let form = Form::from_name(form).or_raise(py)?;
        let options = PutOptions {
            ttl_ms: ttl_s.map(|ttl_s| to_ms("ttl_s", ttl_s)).transpose().or_raise(py)?,
            born_ms,
            sources: names(sources),
            tags: names(tags),
            writer: writer.into(),
        };
        let answer =
            Answer { response: response.into(), form, model: model.into(), input_tokens, output_tokens, cost_nano_usd };
        let id = gil::detached(py, || self.cache.put(&request.analysis, answer, options))?.or_raise(py)?;
        Ok(id.map(hex))
    }

    #[pyo3(signature = (
        *, entry_id=None, source=None, tag=None, tenant=None, namespace=None, writer=None, near=None,
        dry_run=false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn invalidate(
        &self,
        py: Python<'_>,
        entry_id: Option<&str>,
        source: Option<&str>,
        tag: Option<&str>,
        tenant: Option<&str>,
        namespace: Option<&str>,
        writer: Option<&str>,
        near: Option<(String, f32)>,
        dry_run: bool,
    ) -> PyResult<u64> {
        let selection = selected(entry_id, source, tag, tenant, namespace, writer, near).or_raise(py)?;
        gil::detached(py, || self.cache.invalidate(&selection, dry_run))?.or_raise(py)
    }

    fn mark_wrong(&self, py: Python<'_>, hit: &PyCacheHit) -> PyResult<bool> {
        gil::detached(py, || self.cache.mark_wrong(&hit.hit))?.or_raise(py)
    }

    #[pyo3(signature = (
        start, *, entry_id=None, source=None, tag=None, tenant=None, namespace=None, writer=None, near=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn list(
        &self,
        py: Python<'_>,
        start: usize,
        entry_id: Option<&str>,
        source: Option<&str>,
        tag: Option<&str>,
        tenant: Option<&str>,
        namespace: Option<&str>,
        writer: Option<&str>,
        near: Option<(String, f32)>,
    ) -> PyResult<(Vec<PyCacheEntry>, Option<usize>)> {
        let selection = selected(entry_id, source, tag, tenant, namespace, writer, near).or_raise(py)?;
        let (page, next) = gil::detached(py, || self.cache.list(&selection, start))?.or_raise(py)?;
        Ok((page.into_iter().map(|listed| PyCacheEntry { listed }).collect(), next))
    }

    fn explain<'py>(&self, py: Python<'py>, request: &PyRequest) -> PyResult<Bound<'py, PyDict>> {
        let Explanation { hit, candidates, threshold, is_semantic } =
            gil::detached(py, || self.cache.explain(&request.analysis))?;
        let dict = PyDict::new(py);
        dict.set_item("served_from", hit.as_ref().map(|hit| hit.kind.name()))?;
        dict.set_item("entry_id", hit.as_ref().map(|hit| hex(hit.entry_id())))?;
        dict.set_item("compared_by_meaning", is_semantic)?;
        dict.set_item("similarity_threshold", decimal(threshold))?;
        let mut rows = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let row = PyDict::new(py);
            row.set_item("entry_id", hex(candidate.entry_id))?;
            row.set_item("similarity", decimal(candidate.similarity))?;
            row.set_item("refused_by", candidate.refused_by.map(Guard::name))?;
            rows.push(row);
        }
        dict.set_item("candidates", rows)?;
        Ok(dict)
    }

    fn contains(&self, entry_id: &str) -> bool {
        u128::from_str_radix(entry_id, 16).is_ok_and(|id| self.cache.contains(id))
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        gil::detached(py, || self.cache.clear())?.or_raise(py)
    }

    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        gil::detached(py, || self.cache.compact())?.or_raise(py)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        gil::detached(py, || self.cache.close())?.or_raise(py)
    }

    fn leave_disk(&self, py: Python<'_>) -> PyResult<bool> {
        gil::detached(py, || self.cache.leave_disk())
    }

    fn take_fault(&self) -> Option<String> {
        self.cache.take_fault()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (stats, observed) = gil::detached(py, || self.cache.observed())?;
        let dict = PyDict::new(py);
        for (name, count) in stats.named() {
            dict.set_item(name, count)?;
        }
        let scopes = observed.scopes().map(|(tenant, namespace, scope)| {
            let row = scope_row(py, scope)?;
            row.set_item("tenant", tenant)?;
            row.set_item("namespace", namespace)?;
            Ok(row)
        });
        dict.set_item("scopes", scopes.collect::<PyResult<Vec<_>>>()?)?;
        dict.set_item("other_scopes", scope_row(py, observed.others)?)?;
        let latency = PyDict::new(py);
        let Observed { exact, semantic, miss, put, .. } = &observed;
        for (name, latencies) in [("exact", exact), ("semantic", semantic), ("miss", miss), ("put", put)] {
            latency.set_item(name, quantiles(py, latencies)?)?;
        }
        dict.set_item("latency_us", latency)?;
        Ok(dict)
    }

    fn __len__(&self) -> usize {
        self.cache.len()
    }
}

fn scope_row(py: Python<'_>, scope: ScopeStats) -> PyResult<Bound<'_, PyDict>> {
    let ScopeStats { lookups, exact_hits, semantic_hits } = scope;
    let misses = lookups - exact_hits - semantic_hits;
    let counts =
        [("lookups", lookups), ("exact_hits", exact_hits), ("semantic_hits", semantic_hits), ("misses", misses)];
    named(py, counts)
}

/// Has a thread of its own do what is due, once in [`DUE`], until the cache is gone or has left its folder.
///
/// It stands here and not in the core for the gate: a fork waits until the thread is outside, as it waits for all others.
/// The child has no such thread, and no folder either.
fn tend(cache: &Arc<Cache>) -> Result<(), Error> {
    let cache = Arc::downgrade(cache);
    let work = move || {
        loop {
            std::thread::sleep(DUE);
            let _inside = Inside::enter();
            let Some(cache) = cache.upgrade().filter(|cache| cache.is_durable()) else { return };
            // A fault is counted in the cache's numbers and tried again in a second.
            let _ = cache.tend();
        }
    };
    let started = std::thread::Builder::new().name("compound-fast-cache".into()).spawn(work);
    started.map(drop).map_err(|fault| Error::new(ErrorKind::Internal, format!("no thread could be started: {fault}")))
}

/// How long what was acknowledged may wait for the disk: what a power cut may take, where the cache is not synchronous.
const DUE: Duration = Duration::from_secs(1);

/// A number of seconds in whole milliseconds. A time to live is more than 0; an age may be 0.
fn to_ms(name: &str, seconds: f64) -> Result<u64, Error> {
    let is_time = if name.ends_with("ttl_s") { seconds > 0.0 } else { seconds >= 0.0 };
    if seconds.is_finite() && is_time {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates at u64::MAX")]
        Ok((seconds * 1e3).ceil() as u64)
    } else {
        let sign =
            if name.ends_with("ttl_s") { "a positive number of seconds" } else { "a number of seconds from 0 on" };
        let context = format!("{name}={seconds} is not {sign}; use None for no limit");
        Err(Error::new(ErrorKind::Config, context))
    }
}

/// Refuses sources or tags that name nothing, before anything is stored.
#[pyfunction]
pub fn check_names(py: Python<'_>, name: &str, values: Vec<String>) -> PyResult<()> {
    cache::check_names(name, &names(values)).or_raise(py)
}

fn names(given: Vec<String>) -> Box<[Box<str>]> {
    given.into_iter().map(String::into_boxed_str).collect()
}

fn selected(
    entry_id: Option<&str>,
    source: Option<&str>,
    tag: Option<&str>,
    tenant: Option<&str>,
    namespace: Option<&str>,
    writer: Option<&str>,
    near: Option<(String, f32)>,
) -> Result<Selection, Error> {
    let id = |id: &str| {
        let context = || format!("entry_id={id:?} is none: an entry's id is 32 hexadecimal digits");
        u128::from_str_radix(id, 16).map_err(|_| Error::new(ErrorKind::Config, context()))
    };
    Ok(Selection {
        entry_id: entry_id.map(id).transpose()?,
        source: source.map(Into::into),
        tag: tag.map(Into::into),
        tenant: tenant.map(Into::into),
        namespace: namespace.map(Into::into),
        writer: writer.map(Into::into),
        near: near.map(|(text, min_similarity)| Near { text: text.into(), min_similarity }),
    })
}
