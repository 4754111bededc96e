//! Entries: what is stored, under which fingerprint, for how long, and what goes first when the bytes run out.

pub mod codec;
pub mod directory;
mod entry;
pub mod eviction;
pub mod journal;
mod labels;
pub mod map;
pub mod snapshot;

use std::sync::Arc;

use hashbrown::HashTable;

pub use self::entry::{Answer, Entry, Form, Origin, document};
use self::eviction::{Eviction, Policy, Weight};
pub use self::labels::{Label, Labels};
use crate::heap;

/// Where an entry stands. Reused after a removal, so it never leaves the cache room; outside, entries have ids.
pub type Slot = u32;

/// A table of entries that knows its bytes, three ways in (fingerprint, entry id, label), and an order of eviction.
///
/// `S` is what the cache's guards compare; the store only keeps it. Every operation is O(1), those on labels O(log n), and
/// the order of eviction may be as well.
/// One writer at a time; the cache holds the lock.
#[derive(Debug)]
pub struct Store<S> {
    slots: Vec<Option<Arc<Entry<S>>>>,
    free: Vec<Slot>,
    /// Slots by the hash of what they hold: both keys are keyed hashes already, so no hasher of its own.
    by_fingerprint: HashTable<Slot>,
    by_id: HashTable<Slot>,
    labels: Labels,
    eviction: Box<dyn Eviction>,
    /// Bytes of the entries themselves.
    heap: usize,
}

impl<S> Store<S> {
    /// An empty store with an order of eviction.
    pub fn new(policy: Policy) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_fingerprint: HashTable::new(),
            by_id: HashTable::new(),
            labels: Labels::default(),
            eviction: policy.start(),
            heap: 0,
        }
    }

    /// How many entries it holds, expired ones that nobody has met included.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Bytes held: entries, and the tables with their spare room.
    pub fn bytes(&self) -> usize {
        let tables = self.by_fingerprint.allocation_size() + self.by_id.allocation_size();
        self.heap
            + tables
            + self.labels.bytes()
            + self.eviction.bytes()
            + heap::vector(&self.slots)
            + heap::vector(&self.free)
    }

    /// Bytes of the entries themselves, without the tables.
    pub fn entry_bytes(&self) -> usize {
        self.heap
    }

    /// How many slots there are, empty ones included: the end of a walk through [`Store::get`].
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The slot of the entry with this fingerprint.
    pub fn find(&self, fingerprint: u128) -> Option<Slot> {
        let is_it = |&slot: &Slot| self.get(slot).is_some_and(|entry| entry.fingerprint == fingerprint);
        self.by_fingerprint.find(hash(fingerprint), is_it).copied()
    }

    /// The slot of the entry with this id.
    pub fn find_id(&self, id: u128) -> Option<Slot> {
        self.by_id.find(hash(id), |&slot| self.get(slot).is_some_and(|entry| entry.id == id)).copied()
    }

    /// The slot of the entry with this [`Entry::key`].
    pub fn find_key(&self, key: u64) -> Option<Slot> {
        self.by_id.find(key, |&slot| self.get(slot).is_some_and(|entry| entry.key() == key)).copied()
    }

    /// Makes room for so many entries more.
    pub fn reserve(&mut self, more: usize) {
        let slots = &self.slots;
        let rehash =
            |slot: Slot, key: fn(&Entry<S>) -> u128| slots[slot as usize].as_ref().map_or(0, |entry| hash(key(entry)));
        self.by_fingerprint.reserve(more, |&slot| rehash(slot, |entry| entry.fingerprint));
        self.by_id.reserve(more, |&slot| rehash(slot, |entry| entry.id));
        self.slots.reserve_exact(more);
    }

    /// The slots whose entries carry a label, and perhaps others: look at the entry.
    pub fn find_label(&self, label: Label<'_>) -> Vec<Slot> {
        self.labels.find(label)
    }

    /// The entry in a slot.
    pub fn get(&self, slot: Slot) -> Option<&Arc<Entry<S>>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Notes that the entry in a slot was served.
    pub fn touch(&mut self, slot: Slot) {
        self.eviction.on_hit(slot);
    }

    /// Puts an entry in. The caller has removed any other with its fingerprint.
    pub fn insert(&mut self, entry: Entry<S>) -> Slot {
        debug_assert!(self.find(entry.fingerprint).is_none());
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Slot::try_from(self.slots.len() - 1).unwrap_or(Slot::MAX)
        });
        self.heap += entry.heap_bytes();
        self.labels.add(slot, &entry);
        self.eviction.on_insert(
            slot,
            Weight {
                fingerprint: hash(entry.fingerprint),
                bytes: entry.heap_bytes(),
                cost_nano_usd: entry.answer.cost_nano_usd.unwrap_or(0),
            },
        );
        let (fingerprint, id) = (hash(entry.fingerprint), hash(entry.id));
        self.slots[slot as usize] = Some(Arc::new(entry));
        let slots = &self.slots;
        let rehash =
            |slot: Slot, key: fn(&Entry<S>) -> u128| slots[slot as usize].as_ref().map_or(0, |entry| hash(key(entry)));
        self.by_fingerprint.insert_unique(fingerprint, slot, |&slot| rehash(slot, |entry| entry.fingerprint));
        self.by_id.insert_unique(id, slot, |&slot| rehash(slot, |entry| entry.id));
        slot
    }

    /// Takes an entry out, and gives it back so that it can be dropped after the lock.
    pub fn remove(&mut self, slot: Slot) -> Option<Arc<Entry<S>>> {
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        self.heap -= entry.heap_bytes();
        for (table, key) in [(&mut self.by_fingerprint, entry.fingerprint), (&mut self.by_id, entry.id)] {
            if let Ok(found) = table.find_entry(hash(key), |&held| held == slot) {
                found.remove();
            }
        }
        self.labels.remove(slot, &entry);
        self.eviction.on_remove(slot);
        self.free.push(slot);
        Some(entry)
    }

    /// The slot whose entry should go first.
    pub fn victim(&mut self) -> Option<Slot> {
        self.eviction.victim()
    }
}

impl<S> Default for Store<S> {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

/// The hash of a key that is one itself: its lower half.
#[expect(clippy::cast_possible_truncation, reason = "half of a keyed 128-bit hash is a hash")]
fn hash(key: u128) -> u64 {
    key as u64
}

#[cfg(test)]
mod tests;
