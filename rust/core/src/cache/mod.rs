//! The cache: exact, then semantic, never across scopes.
//!
//! *Who asks and how* is an exact partition; *what is asked* is compared inside it. The exact tier is one hash and one
//! look-up. The semantic tier compares the frame (the text without its slots) with those of requests in the same scope
//! that carry the same slots and signs in the same order, and lets the guards refuse what a vector cannot tell apart.

mod anchors;
mod compact;
mod config;
mod durable;
mod found;
mod guards;
mod invalidate;
mod observed;
mod partition;
mod quotas;
mod records;
mod reload;
mod select;
mod state;
mod stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

pub use self::config::{CacheConfig, PutOptions};
use self::durable::Disk;
pub use self::durable::DiskConfig;
pub use self::found::{Candidate, Explanation, Hit, HitKind};
pub use self::guards::Guard;
pub use self::invalidate::Listed;
pub use self::observed::{MOST_SCOPES, Observed, ScopeStats};
use self::partition::Dropped;
use self::quotas::Quotas;
pub use self::select::{Near, Selection, check_names};
pub use self::state::Entry;
use self::state::{Now, Probe, State};
pub use self::stats::CacheStats;
use crate::clock::Clock;
use crate::embed::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{Analysis, LexicalSignature};
use crate::request::{FingerprintKey, Request};
use crate::store::{Answer, Origin};

/// A body that is longer than this is not kept with its entry.
const KEPT_REQUEST_BYTES: usize = 16 << 10;

/// A cache of answers. Shared between threads; one lock, which is never held while a text is read or embedded, or a large
/// partition searched or changed.
#[derive(Debug)]
pub struct Cache {
    config: CacheConfig,
    key: FingerprintKey,
    embedder: Arc<dyn Embedder>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Shared by those whose entry is held and whose vector is on its way into a large partition.
    adding: RwLock<()>,
    entries_made: AtomicU64,
    /// Where the numbers of entries begin, so that none is used again that a power cut took back.
    ids_from: u128,
    /// The folder that it is kept in; held while a snapshot is written, and taken before the state's lock.
    disk: Mutex<Option<Disk>>,
    is_durable: AtomicBool,
    is_strict: bool,
    /// Whether memory holds something that the disk was not told.
    is_behind: AtomicBool,
    fault: Mutex<Option<String>>,
}

impl Cache {
    /// An empty cache with a random fingerprint key.
    ///
    /// # Errors
    /// `Config` where a value is out of its range, `Internal` where the system gives no random bytes.
    pub fn new(config: CacheConfig, embedder: Arc<dyn Embedder>, clock: Arc<dyn Clock>) -> Result<Self> {
        config.check()?;
        let quotas = config.tenant_share.map(|_| Quotas::default());
        let state = State { quotas, ..State::new(config.eviction) };
        Ok(Self {
            config,
            key: FingerprintKey::new(random_key()?),
            embedder,
            clock,
            state: Mutex::new(state),
            adding: RwLock::default(),
            entries_made: AtomicU64::new(0),
            ids_from: 0,
            disk: Mutex::default(),
            is_durable: AtomicBool::new(false),
            is_strict: false,
            is_behind: AtomicBool::new(false),
            fault: Mutex::default(),
        })
    }

    /// The stored answer to a request, or `None`.
    ///
    /// The exact tier costs two hashes of the request; only after its miss are features and embedding computed, and
    /// the vectors of the request's own partition compared.
    pub fn get(&self, analysis: &Analysis) -> Option<Hit> {
        self.get_fresh(analysis, None)
    }

    /// [`Cache::get`], where answers older than `max_age_ms` are not served (and stay).
    pub fn get_fresh(&self, analysis: &Analysis, max_age_ms: Option<u64>) -> Option<Hit> {
        let started = Instant::now();
        let now = self.now(max_age_ms);
        let mut dropped = Dropped::default();
        let scope = self.key.scope(analysis.request());
        let fingerprint = self.key.exact(scope, analysis.request());
        {
            let mut state = self.state.lock();
            state.stats.lookups += 1;
            let hit = state.exact(fingerprint, now, &mut dropped);
            if hit.is_some() || !self.may_compare(analysis) {
                state.looked_up(analysis.request(), hit.as_ref(), started);
                return hit;
            }
        }
        let probe = self.probe(analysis, scope, fingerprint);
        let mut state = self.state.lock();
        for (slot, candidate) in Self::candidates(&mut state, &probe, now, &mut dropped) {
            if let Some(guard) = candidate.refused_by {
                state.stats.count_refusal(guard);
                continue;
            }
            let hit = state.hit(slot, HitKind::Semantic, fingerprint, candidate.similarity, now);
            if let Some(hit) = hit {
                state.looked_up(analysis.request(), Some(&hit), started);
                state.store.touch(slot);
                return Some(Hit { threshold: Some(probe.threshold), ..hit });
            }
        }
        state.looked_up(analysis.request(), None, started);
        None
    }

    /// The exact tier once more, after [`Cache::get_fresh`] missed: an answer that has come meanwhile makes an exact hit of
    /// that miss.
    pub fn get_again(&self, analysis: &Analysis, max_age_ms: Option<u64>) -> Option<Hit> {
        let now = self.now(max_age_ms);
        let fingerprint = self.fingerprint(analysis);
        let mut dropped = Dropped::default();
        let mut state = self.state.lock();
        let hit = state.exact(fingerprint, now, &mut dropped)?;
        state.stats.count_hit(hit.kind, hit.answer());
        state.observed.found_after_all(analysis.request().tenant(), analysis.request().namespace());
        Some(hit)
    }

    /// What a request is called in this cache: the same for all that the exact tier takes for one.
    pub fn fingerprint(&self, analysis: &Analysis) -> u128 {
        self.key.exact(self.key.scope(analysis.request()), analysis.request())
    }

    /// What [`Cache::get`] would do and why. Counts nothing and moves nothing.
    pub fn explain(&self, analysis: &Analysis) -> Explanation {
        let now = self.now(None);
        let scope = self.key.scope(analysis.request());
        let fingerprint = self.key.exact(scope, analysis.request());
        let is_semantic = self.may_compare(analysis);
        let exact = {
            let state = self.state.lock();
            state.store.find(fingerprint).and_then(|slot| state.hit(slot, HitKind::Exact, fingerprint, 1.0, now))
        };
        if exact.is_some() || !is_semantic {
            let threshold = self.config.similarity_threshold;
            return Explanation { hit: exact, candidates: Vec::new(), threshold, is_semantic };
        }
        let probe = self.probe(analysis, scope, fingerprint);
        let mut state = self.state.lock();
        let found = Self::neighbours(&mut state, &probe, -1.0, now);
        let serves = |candidate: &Candidate| candidate.refused_by.is_none() && candidate.similarity >= probe.threshold;
        let hit = found
            .iter()
            .find(|(_, candidate)| serves(candidate))
            .and_then(|(slot, candidate)| state.hit(*slot, HitKind::Semantic, fingerprint, candidate.similarity, now))
            .map(|hit| Hit { threshold: Some(probe.threshold), ..hit });
        let candidates = found.into_iter().map(|(_, candidate)| candidate).collect();
        Explanation { hit, candidates, threshold: probe.threshold, is_semantic }
    }

    /// Stores the answer to a request, and evicts what the budget has no room for. Another answer to the same request
    /// is replaced.
    ///
    /// Gives the id of the new entry, or `None` where it is larger than the whole budget or its tenant's share, or too old
    /// already: nothing is stored and nothing evicted then.
    ///
    /// # Errors
    /// `Config` where a source or a tag is no name; `Cache` where the disk refused and the cache is strict.
    pub fn put(&self, analysis: &Analysis, answer: Answer, options: PutOptions) -> Result<Option<u128>> {
        let started = Instant::now();
        check_names("sources", &options.sources)?;
        check_names("tags", &options.tags)?;
        let now_ms = self.clock.now_ms();
        let request = analysis.request();
        let scope = self.key.scope(request);
        let fingerprint = self.key.exact(scope, request);
        let probe = self.may_compare(analysis).then(|| self.probe(analysis, scope, fingerprint));
        let born_ms = options.born_ms.map_or(now_ms, |born_ms| born_ms.min(now_ms));
        let body = request.body();
        let id = self.key.entry_id(self.ids_from + u128::from(self.entries_made.fetch_add(1, Ordering::Relaxed)));
        let entry = Entry {
            id,
            fingerprint,
            partition: probe.as_ref().map_or(0, |probe| probe.partition),
            signature: probe.as_ref().map_or_else(LexicalSignature::default, |probe| probe.signature),
            answer,
            origin: Origin {
                tenant: request.tenant().into(),
                namespace: request.namespace().into(),
                writer: options.writer,
                sources: options.sources,
                tags: options.tags,
                request: if body.len() <= KEPT_REQUEST_BYTES { body.into() } else { Box::default() },
            },
            born_ms,
            expires_ms: options
                .ttl_ms
                .or_else(|| self.ttl_ms(analysis, id))
                .map_or(u64::MAX, |ttl_ms| born_ms.saturating_add(ttl_ms)),
        };
        if now_ms >= entry.expires_ms || !self.can_hold(&entry) {
            return Ok(None);
        }
        let vector = probe.as_ref().map(|probe| &probe.vector[..]);
        let record = self.is_durable.load(Ordering::Relaxed).then(|| records::put(&entry, vector));
        let mut dropped = Dropped::default();
        let adding = self.adding.read();
        let mut state = self.state.lock();
        let added = state.insert(entry, vector, &mut dropped);
        state.stats.stored += 1;
        state.hold_to_quota(request.tenant(), &self.config, &mut dropped);
        state.evict(self.config.max_bytes, &mut dropped);
        let ticket = record.and_then(|record| state.log(&record));
        state.observed.put.record(elapsed_ns(started));
        let is_full = state.bytes() > self.config.max_bytes;
        drop(state); // before the evicted entries are
        let may_exceed = is_full || added.is_some() || !dropped.vectors.is_empty();
        if let (Some((large, key)), Some(vector)) = (added, vector) {
            large.add(key, vector);
            if self.state.lock().slot(key).is_none() {
                dropped.vectors.push((large, key)); // the entry went meanwhile
            }
        }
        dropped.settle();
        if may_exceed {
            self.hold_to_budget();
        }
        drop(adding);
        self.commit(ticket)?;
        Ok(Some(id))
    }

    /// Whether an entry is still held (and not expired).
    pub fn contains(&self, entry_id: u128) -> bool {
        let now = self.now(None);
        let state = self.state.lock();
        state.store.find_id(entry_id).is_some_and(|slot| state.is_live(slot, now))
    }

    /// Removes every entry.
    ///
    /// # Errors
    /// `Cache` where the disk could not be told; the entries may come back with the next process then.
    pub fn clear(&self) -> Result<()> {
        let mut state = self.state.lock();
        let ticket = state.log(&records::clear());
        let old = state.emptied(self.config.eviction);
        drop(state);
        drop(old);
        self.commit_removal(ticket)
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
        self.stats_of(&self.state.lock())
    }

    /// [`Cache::stats`], and who asked and how long it took, of the same moment.
    pub fn observed(&self) -> (CacheStats, Observed) {
        let state = self.state.lock();
        (self.stats_of(&state), state.observed.clone())
    }

    fn stats_of(&self, state: &State) -> CacheStats {
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

    /// How long the answer to a request may be served, where nobody said; shortened by chance, which its id decides.
    fn ttl_ms(&self, analysis: &Analysis, id: u128) -> Option<u64> {
        let is_stale = |_: &u64| analysis.features().stale_words > 0;
        let stale_ms = self.config.stale_ttl_ms.filter(is_stale);
        let ttl_ms = self.config.ttl_ms.into_iter().chain(stale_ms).min()?;
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash are as good as others")]
        let chance = f64::from(id as u32) / f64::from(u32::MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to what it was")]
        let shorter_ms = (ttl_ms as f64 * f64::from(self.config.ttl_jitter) * chance) as u64;
        Some(ttl_ms.saturating_sub(shorter_ms).max(1))
    }

    fn now(&self, max_age_ms: Option<u64>) -> Now {
        Now { now_ms: self.clock.now_ms(), max_age_ms: max_age_ms.unwrap_or(u64::MAX) }
    }

    fn probe(&self, analysis: &Analysis, scope: u128, fingerprint: u128) -> Probe {
        let features = analysis.features();
        let floor = if features.slots.are_telling() {
            self.config.slot_similarity_threshold
        } else {
            self.config.similarity_threshold
        };
        let (vector, coverage) =
            analysis.with_embedding(&*self.embedder, |embedding| (embedding.vector.clone(), embedding.coverage));
        let mut literals = features.literals();
        if features.words >= guards::LONG {
            literals.extend_from_slice(features.slots.frame.as_bytes());
        }
        Probe {
            fingerprint,
            partition: self.key.partition(scope, &literals),
            vector,
            signature: features.signature,
            threshold: guards::threshold(floor, features.words, coverage),
        }
    }
}

impl State {
    fn looked_up(&mut self, request: &Request, found: Option<&Hit>, started: Instant) {
        if let Some(hit) = found {
            self.stats.count_hit(hit.kind, hit.answer());
        }
        let kind = found.map(|hit| hit.kind);
        self.observed.looked_up(request.tenant(), request.namespace(), kind, elapsed_ns(started));
    }
}

/// Wall time and not that of the cache's clock, which stands still in tests and replays.
fn elapsed_ns(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn random_key() -> Result<[u8; 16]> {
    let mut key = [0; 16];
    getrandom::fill(&mut key)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the system gave no random bytes: {error}")))?;
    Ok(key)
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod durable_tests;
#[cfg(test)]
mod invalidate_tests;
#[cfg(test)]
mod model_steps;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod partition_tests;
#[cfg(test)]
mod power_cut_tests;
#[cfg(test)]
mod tests;
