//! What stands behind the cache's lock: the store, and one index for each partition, kept in step.

use std::collections::HashMap;
use std::sync::Arc;

use super::found::{Candidate, Hit, HitKind};
use super::guards;
use super::stats::CacheStats;
use crate::features::LexicalSignature;
use crate::index::{FlatIndex, Neighbour};
use crate::store::{self, Slot};

pub(super) type Entry = store::Entry<LexicalSignature>;
pub(super) type Store = store::Store<LexicalSignature>;

/// How many neighbours are looked at before the semantic tier gives up: a refused one lets the next one through.
const CANDIDATES: usize = 4;

/// How far the clock may step back. An entry that seems to be born later than that is dropped: nobody knows its age.
const SKEW_MS: u64 = 5_000;

/// What a partition spends beside its vectors: its place in the map and the index itself.
pub(super) const PARTITION_BYTES: usize = 2 * (size_of::<u128>() + size_of::<FlatIndex>() + 1);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) store: Store,
    /// One index for each (scope, literals); its ids are store slots.
    pub(super) partitions: HashMap<u128, FlatIndex>,
    pub(super) index_bytes: usize,
    pub(super) entries_made: u64,
    pub(super) stats: CacheStats,
}

/// What the semantic tier compares of a request.
pub(super) struct Probe {
    pub(super) partition: u128,
    pub(super) vector: Vec<f32>,
    pub(super) signature: LexicalSignature,
    pub(super) threshold: f32,
}

impl State {
    pub(super) fn bytes(&self) -> usize {
        self.store.bytes() + self.index_bytes + self.partitions.len() * PARTITION_BYTES
    }

    pub(super) fn is_live(&self, slot: Slot, now_ms: u64) -> bool {
        let is_young = |entry: &Entry| now_ms < entry.expires_ms && entry.born_ms <= now_ms.saturating_add(SKEW_MS);
        self.store.get(slot).is_some_and(is_young)
    }

    pub(super) fn hit(&self, slot: Slot, kind: HitKind, similarity: f32, now_ms: u64) -> Option<Hit> {
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

    pub(super) fn exact(&mut self, fingerprint: u128, now_ms: u64, dropped: &mut Vec<Entry>) -> Option<Hit> {
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
    pub(super) fn neighbours(&self, probe: &Probe, floor: f32, now_ms: u64) -> Vec<(Slot, Candidate)> {
        let Some(index) = self.partitions.get(&probe.partition) else { return Vec::new() };
        // A vector without direction (no word that the embedder knows) has no neighbours.
        let found = index.search(&probe.vector, CANDIDATES, floor).unwrap_or_default();
        let with_entry = |neighbour: Neighbour| {
            let slot = Slot::try_from(neighbour.id).ok()?;
            let entry = self.store.get(slot).filter(|_| self.is_live(slot, now_ms))?;
            let candidate = Candidate {
                entry_id: entry.id,
                similarity: neighbour.similarity,
                refused_by: guards::refuse(&probe.signature, &entry.signature),
            };
            Some((slot, candidate))
        };
        found.into_iter().filter_map(with_entry).collect()
    }

    /// [`State::neighbours`], after the expired ones among them have been removed.
    pub(super) fn candidates(
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

    pub(super) fn add_vector(&mut self, slot: Slot, probe: &Probe) {
        let dim = probe.vector.len();
        let index = self.partitions.entry(probe.partition).or_insert_with(|| FlatIndex::new(dim));
        let before = index.bytes();
        if index.add(u64::from(slot), &probe.vector).is_ok() {
            self.index_bytes += index.bytes() - before;
        } else if index.is_empty() {
            self.partitions.remove(&probe.partition);
        }
    }

    pub(super) fn expire(&mut self, slot: Slot, dropped: &mut Vec<Entry>) {
        dropped.extend(self.remove(slot));
        self.stats.expired += 1;
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Entry> {
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
