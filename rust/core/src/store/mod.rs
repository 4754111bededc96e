//! Entries: what is stored, under which fingerprint, for how long, and what goes first when the bytes run out.

mod entry;
pub mod eviction;
pub mod map;

use std::collections::HashMap;

pub use self::entry::{Answer, Entry, Form, Signature};
use self::eviction::{Eviction, Lru};

/// Where an entry stands. Reused after a removal, so it never leaves the cache room; outside, entries have ids.
pub type Slot = u32;

/// What a hash map spends on an entry beside key and value: one control byte, and a load of at most 7/8.
const MAP_ENTRY: usize = 2 * (size_of::<u128>() + size_of::<Slot>() + 1);

/// A table of entries with a byte budget, two ways in (fingerprint, entry id), and an order of eviction.
///
/// Every operation is O(1). One writer at a time; the cache holds the lock.
#[derive(Debug)]
pub struct Store {
    slots: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_fingerprint: HashMap<u128, Slot>,
    by_id: HashMap<u128, Slot>,
    eviction: Lru,
    bytes: usize,
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_fingerprint: HashMap::new(),
            by_id: HashMap::new(),
            eviction: Lru::new(),
            bytes: 0,
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

    /// Bytes of all entries, by [`Store::cost`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that an entry takes here: itself, its heap, and its places in the tables.
    pub fn cost(entry: &Entry) -> usize {
        size_of::<Option<Entry>>() + entry.heap_bytes() + 2 * MAP_ENTRY + Lru::BYTES_PER_ENTRY
    }

    /// The slot of the entry with this fingerprint.
    pub fn find(&self, fingerprint: u128) -> Option<Slot> {
        self.by_fingerprint.get(&fingerprint).copied()
    }

    /// The slot of the entry with this id.
    pub fn find_id(&self, id: u128) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    /// The entry in a slot.
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Notes that the entry in a slot was served.
    pub fn touch(&mut self, slot: Slot) {
        self.eviction.on_hit(slot);
    }

    /// Puts an entry in. The caller has removed any other with its fingerprint.
    pub fn insert(&mut self, entry: Entry) -> Slot {
        debug_assert!(!self.by_fingerprint.contains_key(&entry.fingerprint));
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Slot::try_from(self.slots.len() - 1).unwrap_or(Slot::MAX)
        });
        self.bytes += Self::cost(&entry);
        self.by_fingerprint.insert(entry.fingerprint, slot);
        self.by_id.insert(entry.id, slot);
        self.eviction.on_insert(slot);
        self.slots[slot as usize] = Some(entry);
        slot
    }

    /// Takes an entry out, and gives it back so that it can be dropped after the lock.
    pub fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        self.bytes -= Self::cost(&entry);
        self.by_fingerprint.remove(&entry.fingerprint);
        self.by_id.remove(&entry.id);
        self.eviction.on_remove(slot);
        self.free.push(slot);
        Some(entry)
    }

    /// The slot whose entry should go first.
    pub fn victim(&self) -> Option<Slot> {
        self.eviction.victim()
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u8) -> Entry {
        Entry {
            id: u128::from(number),
            fingerprint: u128::from(number) << 8,
            partition: 0,
            signature: Signature::default(),
            answer: std::sync::Arc::new(Answer {
                response: vec![number; number.into()].into(),
                form: Form::Dict,
                model: "m".into(),
                input_tokens: 1,
                output_tokens: 2,
                cost_nano_usd: None,
            }),
            born_ms: 0,
            expires_ms: u64::MAX,
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_its_bytes_with_it() {
        let mut store = Store::new();
        let first = store.insert(entry(1));
        let second = store.insert(entry(2));
        let bytes = store.bytes();

        assert_eq!(store.remove(first).unwrap().id, 1);

        assert_eq!((store.find(1 << 8), store.find_id(1), store.len()), (None, None, 1));
        assert!(store.bytes() < bytes);
        store.remove(second);
        assert_eq!((store.bytes(), store.victim(), store.remove(second).is_none()), (0, None, true));
    }

    #[test]
    fn the_entry_served_longest_ago_goes_first() {
        let mut store = Store::new();
        let slots: Vec<Slot> = (1..=3).map(|number| store.insert(entry(number))).collect();

        store.touch(slots[0]);

        assert_eq!(store.victim(), Some(slots[1]));
    }

    #[test]
    fn a_slot_is_used_again_under_another_id() {
        let mut store = Store::new();
        let slot = store.insert(entry(1));
        store.remove(slot);

        assert_eq!(store.insert(entry(2)), slot);
        assert_eq!(store.get(slot).unwrap().id, 2);
        assert_eq!(store.find_id(1), None);
    }
}
