//! What stands behind the cache's lock: the store, and one index for each partition, kept in step.

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;

use super::anchors::Anchors;
use super::config::CacheConfig;
use super::found::{Candidate, Hit, HitKind};
use super::guards::{self, Guard};
use super::observed::Observed;
use super::partition::{Dropped, Large, Partition};
use super::quotas::Quotas;
use super::stats::CacheStats;
use crate::features::LexicalSignature;
use crate::index::Neighbour;
use crate::store::eviction::Policy;
use crate::store::journal::Journal;
use crate::store::{self, Slot};

/// What the cache stores.
pub type Entry = store::Entry<LexicalSignature>;
pub(super) type Store = store::Store<LexicalSignature>;

/// How far the clock may step back. An entry that seems to be born later than that is dropped: nobody knows its age.
const SKEW_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) store: Store,
    /// The vectors of each (scope, literals).
    pub(super) partitions: HashMap<u128, Partition, RandomState>,
    pub(super) small_bytes: usize,
    pub(super) large_bytes: Arc<AtomicUsize>,
    pub(super) anchors: Anchors,
    /// What each tenant holds, where that is bounded.
    pub(super) quotas: Option<Quotas>,
    /// Where changes are written down, if anywhere.
    pub(super) journal: Option<Arc<Journal>>,
    pub(super) stats: CacheStats,
    pub(super) observed: Observed,
}

/// What the semantic tier compares of a request.
pub(super) struct Probe {
    pub(super) fingerprint: u128,
    pub(super) partition: u128,
    pub(super) vector: Vec<f32>,
    pub(super) signature: LexicalSignature,
    pub(super) threshold: f32,
}

/// Which entries may be served now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) now_ms: u64,
    /// Older ones stay, but are not served.
    pub(super) max_age_ms: u64,
}

impl Now {
    pub(super) fn is_live(self, entry: &Entry) -> bool {
        self.now_ms < entry.expires_ms && entry.born_ms <= self.now_ms.saturating_add(SKEW_MS)
    }

    fn may_serve(self, entry: &Entry) -> bool {
        self.is_live(entry) && self.now_ms.saturating_sub(entry.born_ms) <= self.max_age_ms
    }
}

impl State {
    pub(super) fn new(policy: Policy) -> Self {
        Self { store: Store::new(policy), ..Self::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.store.entry_bytes() + self.tables() + self.small_bytes + self.large_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that stay where every entry goes, and some that go with them.
    fn tables(&self) -> usize {
        self.store.bytes() - self.store.entry_bytes()
            + self.partitions.allocation_size()
            + self.anchors.bytes()
            + self.quotas.as_ref().map_or(0, Quotas::bytes)
    }

    /// Whether an entry with a vector of `dim` values fits the budget and its tenant's share when all others have gone. One
    /// that does not would push them out for nothing. The tables may double for it.
    pub(super) fn can_hold(&self, entry: &Entry, dim: usize, config: &CacheConfig) -> bool {
        let row = 2 * dim * size_of::<f32>() + size_of::<Partition>();
        entry.heap_bytes() + row + 2 * self.tables() <= config.max_bytes
            && config.quota().is_none_or(|quota| quota_bytes(entry) <= quota)
    }

    pub(super) fn is_live(&self, slot: Slot, now: Now) -> bool {
        self.store.get(slot).is_some_and(|entry| now.is_live(entry))
    }

    pub(super) fn hit(&self, slot: Slot, kind: HitKind, asked: u128, similarity: f32, now: Now) -> Option<Hit> {
        let entry = self.store.get(slot).filter(|entry| now.may_serve(entry))?;
        let age_ms = now.now_ms.saturating_sub(entry.born_ms);
        Some(Hit { kind, entry: Arc::clone(entry), asked, similarity, age_ms, threshold: None })
    }

    pub(super) fn exact(&mut self, fingerprint: u128, now: Now, dropped: &mut Dropped) -> Option<Hit> {
        let slot = self.store.find(fingerprint)?;
        if self.is_live(slot, now) {
            let hit = self.hit(slot, HitKind::Exact, fingerprint, 1.0, now)?;
            self.store.touch(slot);
            Some(hit)
        } else {
            self.expire(slot, dropped);
            None
        }
    }

    /// The live ones of rows found, each with the guard that refuses it.
    pub(super) fn judged(&self, probe: &Probe, found: Vec<Neighbour>, now: Now) -> Vec<(Slot, Candidate)> {
        let with_entry = |neighbour: Neighbour| {
            let slot = self.slot(neighbour.id)?;
            let is_meant = |entry: &&Arc<Entry>| entry.partition == probe.partition && now.is_live(entry);
            let entry = self.store.get(slot).filter(is_meant)?;
            let is_marked = self.anchors.refuse(probe.fingerprint, entry.fingerprint);
            let candidate = Candidate {
                entry_id: entry.id,
                similarity: neighbour.similarity,
                refused_by: is_marked
                    .then_some(Guard::MarkedWrong)
                    .or_else(|| guards::refuse(&probe.signature, &entry.signature)),
            };
            Some((slot, candidate))
        };
        found.into_iter().filter_map(with_entry).collect()
    }

    /// Puts an entry in, in place of another one of its fingerprint, with the vector that it is compared by. Where that
    /// belongs into a large partition, gives it back with its key: to be put in by [`Large::add`] after the lock.
    pub(super) fn insert(
        &mut self,
        mut entry: Entry,
        vector: Option<&[f32]>,
        dropped: &mut Dropped,
    ) -> Option<(Arc<Large>, u64)> {
        if let Some(slot) = self.store.find(entry.fingerprint) {
            self.remove(slot, dropped);
        }
        // A vector of zeros (no word that the embedder knows) has no neighbours.
        let vector = vector.filter(|vector| vector.iter().any(|&value| value != 0.0) && self.is_free(entry.key()));
        if vector.is_none() {
            entry.partition = 0;
        }
        let (key, partition) = (entry.key(), entry.partition);
        self.enter(entry);
        self.add_vector(key, partition, vector?)
    }

    /// Puts in an entry whose vector is where it belongs already, or which has none.
    pub(super) fn enter(&mut self, entry: Entry) {
        let slot = self.store.insert(entry);
        if let (Some(quotas), Some(entry)) = (&mut self.quotas, self.store.get(slot)) {
            quotas.add(slot, entry, quota_bytes(entry));
        }
    }

    pub(super) fn expire(&mut self, slot: Slot, dropped: &mut Dropped) {
        self.remove(slot, dropped);
        self.stats.expired += 1;
    }

    /// Takes an entry out; false where there is none.
    pub(super) fn remove(&mut self, slot: Slot, dropped: &mut Dropped) -> bool {
        let Some(entry) = self.store.remove(slot) else { return false };
        if let Some(quotas) = &mut self.quotas {
            quotas.remove(&entry, quota_bytes(&entry), &self.store);
        }
        self.remove_vector(&entry, dropped);
        dropped.entries.push(entry);
        true
    }

    /// Lets go of every entry, and gives what held them. What was marked stays.
    pub(super) fn emptied(&mut self, policy: Policy) -> Self {
        let (anchors, journal) = (std::mem::take(&mut self.anchors), self.journal.take());
        let quotas = self.quotas.as_ref().map(|_| Quotas::default());
        let observed = std::mem::take(&mut self.observed);
        let fresh = Self { anchors, journal, quotas, stats: self.stats, observed, ..Self::new(policy) };
        std::mem::replace(self, fresh)
    }

    /// Removes a tenant's entries, the first that came first, until they take at most its share.
    pub(super) fn hold_to_quota(&mut self, tenant: &str, config: &CacheConfig, dropped: &mut Dropped) {
        let Some(quota) = config.quota() else { return };
        while self.quotas.as_ref().is_some_and(|quotas| quotas.held(tenant) > quota) {
            let Some(oldest) = self.quotas.as_mut().and_then(|quotas| quotas.oldest(tenant, &self.store)) else {
                break;
            };
            self.remove(oldest, dropped);
            self.stats.evicted += 1;
        }
    }

    /// Removes what should go first until at most `max_bytes` are held, or one entry: indexes that have become empty are
    /// counted until what is dropped is let go, and the last entry would go for them.
    pub(super) fn evict(&mut self, max_bytes: usize, dropped: &mut Dropped) {
        while self.bytes() > max_bytes && self.store.len() > 1 && self.evict_one(dropped) {}
    }

    /// Removes what should go first; false where nothing is held.
    pub(super) fn evict_one(&mut self, dropped: &mut Dropped) -> bool {
        let Some(victim) = self.store.victim() else { return false };
        self.remove(victim, dropped);
        self.stats.evicted += 1;
        true
    }
}

/// What a vector takes in a partition of few; in one of thousands it is some 600, and a tenant holds less than its share.
const VECTOR_BYTES: usize = 1024;

/// What an entry counts for its tenant: itself, and the vector that it is compared by.
fn quota_bytes(entry: &Entry) -> usize {
    entry.heap_bytes() + if entry.partition == 0 { 0 } else { VECTOR_BYTES }
}
