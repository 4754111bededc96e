//! What stands behind the cache's lock: the store, and one index for each partition, kept in step.

use std::hash::RandomState;
use std::sync::Arc;

use hashbrown::HashMap;

use super::anchors::Anchors;
use super::found::{Candidate, Hit, HitKind};
use super::guards::{self, Guard};
use super::observed::Observed;
use super::quotas::Quotas;
use super::stats::CacheStats;
use crate::features::LexicalSignature;
use crate::heap;
use crate::index::{FlatIndex, Neighbour};
use crate::store::eviction::Policy;
use crate::store::journal::Journal;
use crate::store::{self, Slot};

/// What the cache stores.
pub type Entry = store::Entry<LexicalSignature>;
pub(super) type Store = store::Store<LexicalSignature>;

/// Entries that have left the store; their owner drops them after the lock.
pub(super) type Dropped = Vec<Arc<Entry>>;

/// How many neighbours are looked at before the semantic tier gives up: a refused one lets the next one through.
const CANDIDATES: usize = 4;

/// How far the clock may step back. An entry that seems to be born later than that is dropped: nobody knows its age.
const SKEW_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) store: Store,
    /// One index for each (scope, literals); its ids are store slots.
    pub(super) partitions: HashMap<u128, FlatIndex, RandomState>,
    /// In which row of its partition's index the vector of each slot stands.
    pub(super) rows: Vec<u32>,
    pub(super) index_bytes: usize,
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
        self.store.bytes()
            + self.index_bytes
            + self.partitions.allocation_size()
            + heap::vector(&self.rows)
            + self.anchors.bytes()
            + self.quotas.as_ref().map_or(0, Quotas::bytes)
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

    /// The nearest live entries of the probe's partition, each with the guard that refuses it.
    pub(super) fn neighbours(&self, probe: &Probe, floor: f32, now: Now) -> Vec<(Slot, Candidate)> {
        self.judged(probe, self.nearest(probe, floor), now)
    }

    /// The nearest rows of the probe's partition, expired ones among them.
    fn nearest(&self, probe: &Probe, floor: f32) -> Vec<Neighbour> {
        let Some(index) = self.partitions.get(&probe.partition) else { return Vec::new() };
        // A vector without direction (no word that the embedder knows) has no neighbours.
        index.search(&probe.vector, CANDIDATES, floor).unwrap_or_default()
    }

    /// The live ones of rows found, each with the guard that refuses it.
    fn judged(&self, probe: &Probe, found: Vec<Neighbour>, now: Now) -> Vec<(Slot, Candidate)> {
        let with_entry = |neighbour: Neighbour| {
            let slot = Slot::try_from(neighbour.id).ok()?;
            let entry = self.store.get(slot).filter(|entry| now.is_live(entry))?;
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

    /// [`State::neighbours`], after the expired ones among them have been removed.
    pub(super) fn candidates(&mut self, probe: &Probe, now: Now, dropped: &mut Dropped) -> Vec<(Slot, Candidate)> {
        loop {
            let found = self.nearest(probe, probe.threshold);
            let expired: Vec<Slot> = found
                .iter()
                .filter_map(|neighbour| Slot::try_from(neighbour.id).ok())
                .filter(|&slot| !self.is_live(slot, now))
                .collect();
            if expired.is_empty() {
                return self.judged(probe, found, now);
            }
            for slot in expired {
                self.expire(slot, dropped);
            }
        }
    }

    /// Puts an entry in, in place of another one of its fingerprint, with the vector that it is compared by.
    pub(super) fn insert(&mut self, entry: Entry, vector: Option<&[f32]>, dropped: &mut Dropped) {
        if let Some(slot) = self.store.find(entry.fingerprint) {
            dropped.extend(self.remove(slot));
        }
        let partition = entry.partition;
        let slot = self.store.insert(entry);
        if let (Some(quotas), Some(entry)) = (&mut self.quotas, self.store.get(slot)) {
            quotas.add(slot, entry, quota_bytes(entry));
        }
        if let Some(vector) = vector {
            self.add_vector(slot, partition, vector);
        }
    }

    fn add_vector(&mut self, slot: Slot, partition: u128, vector: &[f32]) {
        let index = self.partitions.entry(partition).or_insert_with(|| FlatIndex::new(vector.len()));
        let before = index.bytes();
        if let Ok(row) = index.push(u64::from(slot), vector) {
            self.index_bytes += index.bytes() - before;
            self.set_row(slot, row);
        } else if index.is_empty() {
            self.partitions.remove(&partition);
        }
    }

    /// The vector of the entry in a slot, at unit length.
    pub(super) fn vector(&self, slot: Slot) -> Option<&[f32]> {
        let row = *self.rows.get(slot as usize)?;
        self.partitions.get(&self.store.get(slot)?.partition)?.row(row as usize)
    }

    fn set_row(&mut self, slot: Slot, row: usize) {
        if self.rows.len() <= slot as usize {
            self.rows.resize(slot as usize + 1, u32::MAX);
        }
        self.rows[slot as usize] = u32::try_from(row).unwrap_or(u32::MAX);
    }

    pub(super) fn expire(&mut self, slot: Slot, dropped: &mut Dropped) {
        dropped.extend(self.remove(slot));
        self.stats.expired += 1;
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Arc<Entry>> {
        let entry = self.store.remove(slot)?;
        if let Some(quotas) = &mut self.quotas {
            quotas.remove(&entry, quota_bytes(&entry), &self.store);
        }
        // An entry without a vector, or with one that has no direction, has no row.
        let row = self.rows.get_mut(slot as usize).map_or(u32::MAX, |row| std::mem::replace(row, u32::MAX));
        if let Some(index) = self.partitions.get_mut(&entry.partition).filter(|_| row != u32::MAX) {
            let before = index.bytes();
            let moved = index.swap_remove(row as usize);
            self.index_bytes -= before - index.bytes();
            if index.is_empty() {
                self.index_bytes -= index.bytes();
                self.partitions.remove(&entry.partition);
            }
            if let Some(moved) = moved.and_then(|id| Slot::try_from(id).ok()) {
                self.set_row(moved, row as usize);
            }
        }
        Some(entry)
    }

    /// Lets go of every entry, and gives what held them. What was marked stays.
    pub(super) fn emptied(&mut self, policy: Policy) -> Self {
        let (anchors, journal) = (std::mem::take(&mut self.anchors), self.journal.take());
        let quotas = self.quotas.as_ref().map(|_| Quotas::default());
        let observed = std::mem::take(&mut self.observed);
        let fresh = Self { anchors, journal, quotas, stats: self.stats, observed, ..Self::new(policy) };
        std::mem::replace(self, fresh)
    }

    /// Removes a tenant's entries, the first that came first, until they take at most `quota` bytes.
    pub(super) fn hold_to_quota(&mut self, tenant: &str, quota: usize, dropped: &mut Dropped) {
        while self.quotas.as_ref().is_some_and(|quotas| quotas.held(tenant) > quota) {
            let Some(oldest) = self.quotas.as_mut().and_then(|quotas| quotas.oldest(tenant, &self.store)) else {
                break;
            };
            dropped.extend(self.remove(oldest));
            self.stats.evicted += 1;
        }
    }

    /// Removes what should go first until at most `max_bytes` are held.
    pub(super) fn evict(&mut self, max_bytes: usize, dropped: &mut Dropped) {
        while self.bytes() > max_bytes {
            let Some(victim) = self.store.victim() else { break };
            dropped.extend(self.remove(victim));
            self.stats.evicted += 1;
        }
    }
}

/// What an entry counts for its tenant: itself, and the vector that it is compared by.
fn quota_bytes(entry: &Entry) -> usize {
    entry.heap_bytes() + if entry.partition == 0 { 0 } else { 1024 }
}
