//! The cache: exact, then semantic, never across scopes.
//!
//! *Who asks and how* is an exact partition; *what is asked* is compared inside it. The exact tier is one hash and one
//! look-up. The semantic tier compares the frame (the text without its slots) with those of requests in the same scope
//! that carry the same slots, and lets the guards refuse what a vector cannot tell apart.

mod guards;
mod stats;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub use self::guards::Guard;
pub use self::stats::CacheStats;
use crate::clock::Clock;
use crate::embed::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Analysis;
use crate::index::FlatIndex;
use crate::request::FingerprintKey;
use crate::store::{Answer, Entry, Signature, Slot, Store};

/// How many neighbours are looked at before the semantic tier gives up: a refused one lets the next one through.
const CANDIDATES: usize = 4;

/// What a partition spends beside its vectors: its place in the map and the index itself.
const PARTITION_BYTES: usize = 2 * (size_of::<u128>() + size_of::<FlatIndex>() + 1);

/// How a cache is made. [`Cache::new`] checks the ranges.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// Budget for everything that the cache holds, in bytes.
    pub max_bytes: usize,
    /// How long an answer may be served, in milliseconds from its birth; `None` = for ever.
    pub ttl_ms: Option<u64>,
    /// Whether requests are compared by meaning at all.
    pub is_semantic: bool,
    /// Least cosine for a hit, in [-1, 1].
    pub similarity_threshold: f32,
    /// Least cosine for a hit where both requests carry the same id or amount, in [-1, 1].
    pub slot_similarity_threshold: f32,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            ttl_ms: Some(3_600_000),
            is_semantic: true,
            similarity_threshold: 0.95,
            slot_similarity_threshold: 0.60,
        }
    }
}

/// Which tier found the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitKind {
    /// The same request, in canonical form.
    Exact,
    /// A request that means the same.
    Semantic,
}

impl HitKind {
    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Semantic => "semantic",
        }
    }
}

/// An entry found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Which tier found it.
    pub kind: HitKind,
    /// The answer.
    pub answer: Arc<Answer>,
    /// Cosine of the two requests; 1 for an exact hit.
    pub similarity: f32,
    /// Which entry it is.
    pub entry_id: u128,
    /// How long ago it was stored, in milliseconds.
    pub age_ms: u64,
    /// The floor that the similarity had to reach; `None` for an exact hit.
    pub threshold: Option<f32>,
}

impl Hit {
    /// Why it was served, for people.
    pub fn reasons(&self) -> Vec<String> {
        let age_s = self.age_ms as f64 / 1e3;
        match self.threshold {
            None => vec![format!("the same request was answered {age_s:.1} s ago")],
            Some(threshold) => vec![
                format!("a request that means the same was answered {age_s:.1} s ago"),
                format!("similarity {:.3} >= {threshold:.3}, same slots, no guard refused", self.similarity),
            ],
        }
    }
}

/// A neighbour that the semantic tier looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Which entry it is.
    pub entry_id: u128,
    /// Cosine of the two requests.
    pub similarity: f32,
    /// The guard that refused it; `None` where it may be served, if it is similar enough.
    pub refused_by: Option<Guard>,
}

/// What a look-up would do, and why.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The entry that would be served.
    pub hit: Option<Hit>,
    /// The neighbours in the request's own partition, nearest first, however far; empty where the exact tier hit.
    pub candidates: Vec<Candidate>,
    /// The floor that their similarity has to reach.
    pub threshold: f32,
    /// Whether the request may be compared by meaning.
    pub is_semantic: bool,
}

/// A cache of answers. Shared between threads; one lock, which is never held while a text is read or embedded.
#[derive(Debug)]
pub struct Cache {
    config: CacheConfig,
    key: FingerprintKey,
    embedder: Arc<dyn Embedder>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    /// One index for each (scope, slots); its ids are store slots.
    partitions: HashMap<u128, FlatIndex>,
    index_bytes: usize,
    entries_made: u64,
    stats: CacheStats,
}

impl Cache {
    /// An empty cache with a random fingerprint key.
    ///
    /// # Errors
    /// `Config` where a value is out of its range, `Internal` where the system gives no random bytes.
    pub fn new(config: CacheConfig, embedder: Arc<dyn Embedder>, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the system gave no random bytes: {error}")))?;
        for (name, threshold) in [
            ("similarity_threshold", config.similarity_threshold),
            ("slot_similarity_threshold", config.slot_similarity_threshold),
        ] {
            if !(-1.0..=1.0).contains(&threshold) {
                let context = format!("{name}={threshold} is outside [-1, 1]; cosine similarity was meant?");
                return Err(Error::new(ErrorKind::Config, context));
            }
        }
        Ok(Self { config, key: FingerprintKey::new(key), embedder, clock, state: Mutex::default() })
    }

    /// The stored answer to a request, or `None`.
    ///
    /// The exact tier costs two hashes of the request; only after its miss are features and embedding computed, and
    /// the vectors of the request's own partition compared.
    pub fn get(&self, analysis: &Analysis) -> Option<Hit> {
        let now_ms = self.clock.now_ms();
        let mut dropped = Vec::new();
        let scope = self.key.scope(analysis.request());
        let fingerprint = self.key.exact(scope, analysis.request());
        {
            let mut state = self.state.lock();
            state.stats.lookups += 1;
            if let Some(hit) = state.exact(fingerprint, now_ms, &mut dropped) {
                state.stats.exact_hits += 1;
                return Some(hit);
            }
            if !self.may_compare(analysis) {
                return None;
            }
        }
        let probe = self.probe(analysis, scope);
        let mut state = self.state.lock();
        let candidates = state.candidates(&probe, probe.threshold, now_ms, &mut dropped);
        for (slot, candidate) in candidates {
            if let Some(guard) = candidate.refused_by {
                state.stats.count_refusal(guard);
                continue;
            }
            state.stats.semantic_hits += 1;
            state.store.touch(slot);
            let hit = state.hit(slot, HitKind::Semantic, candidate.similarity, now_ms);
            return hit.map(|hit| Hit { threshold: Some(probe.threshold), ..hit });
        }
        None
    }

    /// What [`Cache::get`] would do and why. Counts nothing and moves nothing.
    pub fn explain(&self, analysis: &Analysis) -> Explanation {
        let now_ms = self.clock.now_ms();
        let scope = self.key.scope(analysis.request());
        let fingerprint = self.key.exact(scope, analysis.request());
        let is_semantic = self.may_compare(analysis);
        let exact = {
            let state = self.state.lock();
            let live = state.store.find(fingerprint).filter(|&slot| state.is_live(slot, now_ms));
            live.and_then(|slot| state.hit(slot, HitKind::Exact, 1.0, now_ms))
        };
        if exact.is_some() || !is_semantic {
            let threshold = self.config.similarity_threshold;
            return Explanation { hit: exact, candidates: Vec::new(), threshold, is_semantic };
        }
        let probe = self.probe(analysis, scope);
        let state = self.state.lock();
        let found = state.neighbours(&probe, -1.0, now_ms);
        let serves = |candidate: &Candidate| candidate.refused_by.is_none() && candidate.similarity >= probe.threshold;
        let hit = found
            .iter()
            .find(|(_, candidate)| serves(candidate))
            .and_then(|(slot, candidate)| state.hit(*slot, HitKind::Semantic, candidate.similarity, now_ms))
            .map(|hit| Hit { threshold: Some(probe.threshold), ..hit });
        let candidates = found.into_iter().map(|(_, candidate)| candidate).collect();
        Explanation { hit, candidates, threshold: probe.threshold, is_semantic }
    }

    /// Stores the answer to a request, and evicts what the budget has no room for. Another answer to the same request
    /// is replaced.
    ///
    /// Gives the id of the new entry, or `None` where it is larger than the whole budget. `ttl_ms` overrides the
    /// cache's own.
    pub fn put(&self, analysis: &Analysis, answer: Answer, ttl_ms: Option<u64>) -> Option<u128> {
        let now_ms = self.clock.now_ms();
        let scope = self.key.scope(analysis.request());
        let fingerprint = self.key.exact(scope, analysis.request());
        let probe = self.may_compare(analysis).then(|| self.probe(analysis, scope));
        let expires_ms = ttl_ms.or(self.config.ttl_ms).map_or(u64::MAX, |ttl_ms| now_ms.saturating_add(ttl_ms));
        let mut dropped = Vec::new();
        let mut state = self.state.lock();
        let id = self.key.entry_id(state.entries_made);
        let entry = Entry {
            id,
            fingerprint,
            partition: probe.as_ref().map_or(0, |probe| probe.partition),
            signature: probe.as_ref().map_or_else(Signature::default, |probe| probe.signature),
            answer: Arc::new(answer),
            born_ms: now_ms,
            expires_ms,
        };
        let row = 2 * (self.embedder.dim() * size_of::<f32>() + size_of::<u64>()) + PARTITION_BYTES;
        if Store::cost(&entry) + row > self.config.max_bytes {
            state.stats.too_large += 1;
            return None;
        }
        state.entries_made += 1;
        if let Some(slot) = state.store.find(fingerprint) {
            dropped.extend(state.remove(slot));
        }
        let slot = state.store.insert(entry);
        if let Some(probe) = &probe {
            state.add_vector(slot, probe);
        }
        state.stats.stored += 1;
        while state.bytes() > self.config.max_bytes {
            let Some(victim) = state.store.victim() else { break };
            dropped.extend(state.remove(victim));
            state.stats.evicted += 1;
        }
        drop(state); // before the evicted entries are
        Some(id)
    }

    /// Whether an entry is still held (and not expired).
    pub fn contains(&self, entry_id: u128) -> bool {
        let now_ms = self.clock.now_ms();
        let state = self.state.lock();
        state.store.find_id(entry_id).is_some_and(|slot| state.is_live(slot, now_ms))
    }

    /// Removes every entry.
    pub fn clear(&self) {
        let old = {
            let mut state = self.state.lock();
            // Ids go on: an entry id is never used twice.
            let fresh = State { entries_made: state.entries_made, stats: state.stats, ..State::default() };
            std::mem::replace(&mut *state, fresh)
        };
        drop(old);
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.state.lock().store.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counters since the cache was made, and what it holds now.
    pub fn stats(&self) -> CacheStats {
        let state = self.state.lock();
        CacheStats {
            entries: state.store.len() as u64,
            bytes: state.bytes() as u64,
            max_bytes: self.config.max_bytes as u64,
            ..state.stats
        }
    }

    /// How it was made.
    pub fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// A request is compared by meaning where it ends in a user's text that the embedder knows something of.
    fn may_compare(&self, analysis: &Analysis) -> bool {
        self.config.is_semantic && analysis.request().has_text_turn()
    }

    fn probe(&self, analysis: &Analysis, scope: u128) -> Probe {
        let features = analysis.features();
        let floor = if features.slots.are_telling() {
            self.config.slot_similarity_threshold
        } else {
            self.config.similarity_threshold
        };
        Probe {
            partition: self.key.partition(scope, features.slots.key()),
            vector: analysis.with_embedding(&*self.embedder, |embedding| embedding.vector.clone()),
            signature: guards::signature(features),
            threshold: guards::threshold(floor, features.words),
        }
    }
}

/// What the semantic tier compares of a request.
struct Probe {
    partition: u128,
    vector: Vec<f32>,
    signature: Signature,
    threshold: f32,
}

impl State {
    fn bytes(&self) -> usize {
        self.store.bytes() + self.index_bytes + self.partitions.len() * PARTITION_BYTES
    }

    fn is_live(&self, slot: Slot, now_ms: u64) -> bool {
        self.store.get(slot).is_some_and(|entry| now_ms < entry.expires_ms)
    }

    fn hit(&self, slot: Slot, kind: HitKind, similarity: f32, now_ms: u64) -> Option<Hit> {
        let entry = self.store.get(slot)?;
        Some(Hit {
            kind,
            answer: Arc::clone(&entry.answer),
            similarity,
            entry_id: entry.id,
            age_ms: now_ms.saturating_sub(entry.born_ms),
            threshold: None,
        })
    }

    fn exact(&mut self, fingerprint: u128, now_ms: u64, dropped: &mut Vec<Entry>) -> Option<Hit> {
        let slot = self.store.find(fingerprint)?;
        if self.is_live(slot, now_ms) {
            self.store.touch(slot);
            self.hit(slot, HitKind::Exact, 1.0, now_ms)
        } else {
            self.expire(slot, dropped);
            None
        }
    }

    /// The nearest live entries of the probe's partition, each with the guard that refuses it.
    fn neighbours(&self, probe: &Probe, floor: f32, now_ms: u64) -> Vec<(Slot, Candidate)> {
        let Some(index) = self.partitions.get(&probe.partition) else { return Vec::new() };
        // A vector without direction (no word that the embedder knows) has no neighbours.
        let found = index.search(&probe.vector, CANDIDATES, floor).unwrap_or_default();
        let with_entry = |neighbour: crate::index::Neighbour| {
            let slot = Slot::try_from(neighbour.id).ok()?;
            let entry = self.store.get(slot).filter(|entry| now_ms < entry.expires_ms)?;
            let candidate = Candidate {
                entry_id: entry.id,
                similarity: neighbour.similarity,
                refused_by: guards::refuse(probe.signature, entry.signature),
            };
            Some((slot, candidate))
        };
        found.into_iter().filter_map(with_entry).collect()
    }

    /// [`State::neighbours`], after the expired ones among them have been removed.
    fn candidates(
        &mut self,
        probe: &Probe,
        floor: f32,
        now_ms: u64,
        dropped: &mut Vec<Entry>,
    ) -> Vec<(Slot, Candidate)> {
        loop {
            let Some(index) = self.partitions.get(&probe.partition) else { return Vec::new() };
            let found = index.search(&probe.vector, CANDIDATES, floor).unwrap_or_default();
            let expired: Vec<Slot> = found
                .iter()
                .filter_map(|neighbour| Slot::try_from(neighbour.id).ok())
                .filter(|&slot| !self.is_live(slot, now_ms))
                .collect();
            if expired.is_empty() {
                return self.neighbours(probe, floor, now_ms);
            }
            for slot in expired {
                self.expire(slot, dropped);
            }
        }
    }

    fn add_vector(&mut self, slot: Slot, probe: &Probe) {
        let dim = probe.vector.len();
        let index = self.partitions.entry(probe.partition).or_insert_with(|| FlatIndex::new(dim));
        let before = index.bytes();
        if index.add(u64::from(slot), &probe.vector).is_ok() {
            self.index_bytes += index.bytes() - before;
        } else if index.is_empty() {
            self.partitions.remove(&probe.partition);
        }
    }

    fn expire(&mut self, slot: Slot, dropped: &mut Vec<Entry>) {
        dropped.extend(self.remove(slot));
        self.stats.expired += 1;
    }

    fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.store.remove(slot)?;
        if let Some(index) = self.partitions.get_mut(&entry.partition) {
            let before = index.bytes();
            index.remove(u64::from(slot));
            self.index_bytes -= before - index.bytes();
            if index.is_empty() {
                self.index_bytes -= index.bytes();
                self.partitions.remove(&entry.partition);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
