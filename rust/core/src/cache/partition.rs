//! The vectors of one partition: a plain scan while they are few, an index with a lock of its own above that.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::MutexGuard;

use super::Cache;
use super::found::Candidate;
use super::state::{Entry, Now, Probe, State};
use crate::container::Readers;
use crate::error::{Error, ErrorKind, Result};
use crate::index::{FlatIndex, Kind, NO_ID, Neighbour, VectorIndex};
use crate::store::Slot;

/// Up to so many vectors a scan of whole rows is as fast as one of codes (3 us), and takes no more memory.
pub(super) const SMALL_UP_TO: usize = 64;

/// How many neighbours are looked at before the semantic tier gives up: a refused one lets the next one through. Three
/// words can change places in six ways, all of which a sum of word vectors has at a similarity of 1.
pub(super) const CANDIDATES: usize = 8;

/// How often a look-up searches a partition at most, where all that it finds has expired: one call cannot be made to clear it.
pub(super) const ROUNDS: usize = 4;

/// Vectors that are linked while others may wait to add theirs: some milliseconds.
const LINKED_AT_ONCE: usize = 16;

/// Entries that are evicted before what they held is let go.
const EVICTED_AT_ONCE: usize = 16;

/// What twelve bits a value can take from the cosine of a vector with itself, and more: a text that is the same but for
/// its slots reaches any threshold.
const ROUNDING: f32 = 1e-5;

/// The vectors of one (scope, literals), by key.
#[derive(Debug)]
pub(super) enum Partition {
    /// Searched and changed under the cache's lock.
    Small(FlatIndex),
    /// Searched and changed outside it.
    Large {
        /// What is shared with those who search it.
        large: Arc<Large>,
        /// Entries whose vectors are in it, or on their way.
        entries: usize,
    },
}

/// A vector that was asked for under the cache's lock, and is copied after it.
pub(super) enum Vector {
    None,
    Copied(Vec<f32>),
    In(Arc<Large>, u64),
}

impl Vector {
    /// A copy of it; `None` while the call that stores the entry has not put it into its index yet.
    pub(super) fn read(self) -> Option<Vec<f32>> {
        match self {
            Self::None => None,
            Self::Copied(vector) => Some(vector),
            Self::In(large, key) => large.vector(key),
        }
    }
}

/// What has left the cache, to be let go after the lock: declared before the lock is taken, it goes after it.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) vectors: Vec<(Arc<Large>, u64)>,
}

impl Dropped {
    /// Takes the vectors out of their indexes.
    pub(super) fn settle(&mut self) {
        for (large, key) in self.vectors.drain(..) {
            large.remove(key);
        }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.settle();
    }
}

impl Cache {
    /// The nearest live entries of the probe's partition at or above a floor, each with the guard that refuses it.
    ///
    /// A large partition is searched while the lock is let go. What is found there may be gone by then: it is judged by
    /// what stands in the cache now.
    pub(super) fn neighbours(
        state: &mut MutexGuard<'_, State>,
        probe: &Probe,
        floor: f32,
        now: Now,
    ) -> Vec<(Slot, Candidate)> {
        let found = Self::nearest(state, probe, floor, &mut Dropped::default());
        state.judged(probe, found, now)
    }

    /// [`Cache::neighbours`] at the probe's threshold, after the expired ones among them have been removed; where many are, a
    /// part of them, and the next look-up goes on.
    pub(super) fn candidates(
        state: &mut MutexGuard<'_, State>,
        probe: &Probe,
        now: Now,
        dropped: &mut Dropped,
    ) -> Vec<(Slot, Candidate)> {
        for _ in 1..ROUNDS {
            let found = Self::nearest(state, probe, probe.threshold, dropped);
            let slots = found.iter().filter_map(|neighbour| state.slot(neighbour.id));
            let expired: Vec<Slot> = slots.filter(|&slot| !state.is_live(slot, now)).collect();
            if expired.is_empty() {
                return state.judged(probe, found, now);
            }
            for slot in expired {
                state.expire(slot, dropped);
            }
        }
        let found = Self::nearest(state, probe, probe.threshold, dropped);
        state.judged(probe, found, now)
    }

    /// Whether there may be room for an entry; counts it where there is none.
    pub(super) fn can_hold(&self, entry: &Entry) -> bool {
        let mut state = self.state.lock();
        let can_hold = state.can_hold(entry, self.embedder.dim(), &self.config);
        state.stats.too_large += u64::from(!can_hold);
        can_hold
    }

    /// Evicts what the budget has no room for, after vectors came into large partitions or went: what these take is known
    /// only then, and one that goes takes a place in a list of free ones.
    pub(super) fn hold_to_budget(&self) {
        loop {
            let mut dropped = Dropped::default();
            let mut state = self.state.lock();
            // Some at a time: others get turns, and an index that has become small gives its room back.
            let max_bytes = self.config.max_bytes;
            let mut count = 0;
            while count < EVICTED_AT_ONCE && state.bytes() > max_bytes && state.evict_one(&mut dropped) {
                count += 1;
            }
            if count == 0 {
                return;
            }
        }
    }

    fn nearest(state: &mut MutexGuard<'_, State>, probe: &Probe, floor: f32, dropped: &mut Dropped) -> Vec<Neighbour> {
        let found = match state.partitions.get(&probe.partition) {
            None => return Vec::new(),
            Some(Partition::Small(index)) => index.search(&probe.vector, CANDIDATES, floor - ROUNDING),
            Some(Partition::Large { large, .. }) => {
                let large = Arc::clone(large);
                MutexGuard::unlocked(state, || {
                    dropped.settle();
                    large.index.search(&probe.vector, CANDIDATES, Some(floor - ROUNDING), None)
                })
            }
        };
        // A vector without direction (no word that the embedder knows) has no neighbours.
        let mut found = found.unwrap_or_default();
        for neighbour in &mut found {
            if neighbour.similarity >= 1.0 - ROUNDING {
                neighbour.similarity = 1.0;
            }
        }
        found.retain(|neighbour| neighbour.similarity >= floor);
        found
    }
}

impl State {
    /// The slot of the entry whose vector has this key; `None` where it is gone.
    pub(super) fn slot(&self, key: u64) -> Option<Slot> {
        self.store.find_key(key)
    }

    /// Whether no vector has this key: half of a random id, which another entry has once in 10^8 caches of a million.
    pub(super) fn is_free(&self, key: u64) -> bool {
        key != NO_ID && self.slot(key).is_none()
    }

    /// Puts a vector into its partition, or gives it back with the large one that it belongs into.
    pub(super) fn add_vector(&mut self, key: u64, partition: u128, vector: &[f32]) -> Option<(Arc<Large>, u64)> {
        let made = || Partition::Small(FlatIndex::new(vector.len()));
        let held = self.partitions.entry(partition).or_insert_with(made);
        match held {
            Partition::Large { large, entries } => {
                *entries += 1;
                Some((Arc::clone(large), key))
            }
            Partition::Small(index) => {
                let before = index.bytes();
                let _ = index.add(key, vector);
                self.small_bytes += index.bytes() - before;
                // Without memory for the other kind it stays as it is.
                if index.len() > SMALL_UP_TO
                    && let Ok(large) = Large::of(index, &self.large_bytes)
                {
                    self.small_bytes -= index.bytes();
                    let entries = index.len();
                    *held = Partition::Large { large, entries };
                } else if index.is_empty() {
                    self.partitions.remove(&partition);
                }
                None
            }
        }
    }

    /// Puts in an entry whose vector is in an index that was opened; without one only the exact tier serves it.
    pub(super) fn enter_indexed(
        &mut self,
        mut entry: Entry,
        indexes: &HashMap<u128, Arc<Large>>,
        dropped: &mut Dropped,
    ) {
        if let Some(slot) = self.store.find(entry.fingerprint) {
            self.remove(slot, dropped);
        }
        let found = indexes.get(&entry.partition).filter(|large| large.index.contains(entry.key()));
        match found.filter(|_| self.is_free(entry.key())) {
            None => entry.partition = 0,
            Some(large) => {
                let made = || Partition::Large { large: Arc::clone(large), entries: 0 };
                if let Partition::Large { entries, .. } = self.partitions.entry(entry.partition).or_insert_with(made) {
                    *entries += 1;
                }
            }
        }
        self.enter(entry);
    }

    /// The large partitions.
    pub(super) fn large(&self) -> HashMap<u128, Arc<Large>> {
        let large = |(&partition, held): (&u128, &Partition)| match held {
            Partition::Large { large, .. } => Some((partition, Arc::clone(large))),
            Partition::Small(_) => None,
        };
        self.partitions.iter().filter_map(large).collect()
    }

    /// Takes the vector of an entry out of its partition; out of a large one after the lock.
    pub(super) fn remove_vector(&mut self, entry: &Entry, dropped: &mut Dropped) {
        let (key, partition) = (entry.key(), entry.partition);
        let is_empty = match self.partitions.get_mut(&partition) {
            None => return,
            Some(Partition::Small(index)) => {
                let before = index.bytes();
                index.remove(key);
                let after = if index.is_empty() { 0 } else { index.bytes() };
                self.small_bytes = self.small_bytes + after - before;
                index.is_empty()
            }
            Some(Partition::Large { large, entries }) => {
                *entries -= 1;
                dropped.vectors.push((Arc::clone(large), key));
                *entries == 0
            }
        };
        if is_empty {
            self.partitions.remove(&partition);
        }
    }

    /// The vector of an entry, at unit length.
    pub(super) fn vector(&self, entry: &Entry) -> Vector {
        match self.partitions.get(&entry.partition) {
            None => Vector::None,
            Some(Partition::Small(index)) => {
                index.get(entry.key()).map_or(Vector::None, |row| Vector::Copied(row.to_vec()))
            }
            Some(Partition::Large { large, .. }) => Vector::In(Arc::clone(large), entry.key()),
        }
    }
}

/// An index that is shared with those who search it.
#[derive(Debug)]
pub(super) struct Large {
    index: VectorIndex,
    /// What it takes, as it was counted last, and where all partitions are summed.
    bytes: AtomicUsize,
    total: Arc<AtomicUsize>,
}

impl Large {
    /// The same vectors as a small partition's.
    pub(super) fn of(small: &FlatIndex, total: &Arc<AtomicUsize>) -> Result<Arc<Self>> {
        let index = VectorIndex::new(small.dim(), Kind::Auto)?;
        index.add(small.ids(), small.rows())?;
        let large = Self { index, bytes: AtomicUsize::new(0), total: Arc::clone(total) };
        large.count();
        Ok(Arc::new(large))
    }

    /// The index of a file.
    pub(super) fn open(path: &Path, dim: usize, total: &Arc<AtomicUsize>) -> Result<Arc<Self>> {
        let as_snapshot = |error: Error| Error::new(ErrorKind::Snapshot, error.to_string());
        let index = VectorIndex::open(path).map_err(as_snapshot)?;
        if index.dim() != dim {
            let context = format!("{}: holds vectors of {}, not of {dim}", path.display(), index.dim());
            return Err(Error::new(ErrorKind::Snapshot, context));
        }
        let large = Self { index, bytes: AtomicUsize::new(0), total: Arc::clone(total) };
        large.count();
        Ok(Arc::new(large))
    }

    /// Writes the index to a file, which appears whole or not at all. Searches go on; changes wait until the system has it,
    /// and not for the disk.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        self.index.save_for(Readers::Owner, path).map_err(|error| Error::new(ErrorKind::Cache, error.to_string()))
    }

    /// Takes out the vectors whose keys are not meant.
    pub(super) fn keep(&self, is_meant: impl Fn(u64) -> bool) {
        let mut keys = self.index.ids();
        keys.retain(|&key| !is_meant(key));
        self.index.remove(&keys);
        self.count();
    }

    /// [`Large::add`], with the work that makes it quick to find left for later.
    pub(super) fn add_waiting(&self, key: u64, vector: &[f32]) {
        let _ = self.index.add_waiting(&[key], vector);
        self.count();
    }

    /// Does a part of that work; says whether more is left.
    pub(super) fn tend(&self) -> bool {
        self.index.link(LINKED_AT_ONCE)
    }

    /// Puts a vector in. One that cannot be put is left out, so that its entry is served by the exact tier alone.
    pub(super) fn add(&self, key: u64, vector: &[f32]) {
        let _ = self.index.add(&[key], vector);
        self.count();
    }

    /// Takes a vector out.
    pub(super) fn remove(&self, key: u64) {
        self.index.remove(&[key]);
        self.count();
    }

    pub(super) fn vector(&self, key: u64) -> Option<Vec<f32>> {
        self.index.get(key)
    }

    fn count(&self) {
        let bytes = self.index.stats().bytes + size_of::<Self>();
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        self.total.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed); // wraps back where it shrank
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        self.total.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
impl State {
    /// Vectors held; checks that the bytes counted are those of the partitions.
    pub(super) fn vectors(&self) -> usize {
        let (mut vectors, mut small, mut large_bytes) = (0, 0, 0);
        for partition in self.partitions.values() {
            match partition {
                Partition::Small(index) => {
                    vectors += index.len();
                    small += index.bytes();
                }
                Partition::Large { large, entries } => {
                    assert_eq!(large.index.len(), *entries);
                    vectors += entries;
                    large_bytes += large.index.stats().bytes + size_of::<Large>();
                }
            }
        }
        assert_eq!((small, large_bytes), (self.small_bytes, self.large_bytes.load(Ordering::Relaxed)));
        vectors
    }
}
