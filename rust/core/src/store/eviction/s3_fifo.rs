//! S3-FIFO.

use std::collections::VecDeque;

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

use super::list::{Links, List};
use super::{Eviction, Weight};
use crate::heap;
use crate::store::Slot;

/// S3-FIFO: a new entry waits in a small queue; served there more than once it moves to the main queue, otherwise it goes and
/// only its fingerprint is remembered. One that comes back while it is remembered enters the main queue at once. There an
/// entry that was served goes round again, up to three times.
///
/// A burst of requests that are seen once passes through the small queue and touches nothing else. `on_hit` changes one
/// byte; `victim` is O(1) amortised. 28 bytes of state a slot, and 17 for each fingerprint remembered, of which there are as
/// many as entries in the main queue.
///
/// Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023. Differs from it in what is counted: the small
/// queue holds a tenth of the bytes, not of the entries.
#[derive(Debug)]
pub struct S3Fifo {
    links: Links,
    small: List,
    main: List,
    /// By slot: how often it was served, up to 3, and in which queue it is.
    marks: Vec<Mark>,
    sizes: Vec<u32>,
    small_bytes: usize,
    main_bytes: usize,
    main_entries: usize,
    ghosts: VecDeque<u64>,
    remembered: HashTable<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    hits: u8,
    is_main: bool,
    fingerprint: u64,
}

/// Part of the bytes that the small queue holds: a tenth.
const SMALL_PART: usize = 10;
const MOST_HITS: u8 = 3;

impl S3Fifo {
    /// An empty order.
    pub fn new() -> Self {
        Self {
            links: Links::default(),
            small: List::EMPTY,
            main: List::EMPTY,
            marks: Vec::new(),
            sizes: Vec::new(),
            small_bytes: 0,
            main_bytes: 0,
            main_entries: 0,
            ghosts: VecDeque::new(),
            remembered: HashTable::new(),
        }
    }

    fn push(&mut self, slot: Slot, is_main: bool) {
        let bytes = self.sizes[slot as usize] as usize;
        let mark = &mut self.marks[slot as usize];
        mark.is_main = is_main;
        if is_main {
            self.main.push(&mut self.links, slot);
            self.main_bytes += bytes;
            self.main_entries += 1;
        } else {
            self.small.push(&mut self.links, slot);
            self.small_bytes += bytes;
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let bytes = self.sizes[slot as usize] as usize;
        if self.marks[slot as usize].is_main {
            self.main.unlink(&mut self.links, slot);
            self.main_bytes -= bytes;
            self.main_entries -= 1;
        } else {
            self.small.unlink(&mut self.links, slot);
            self.small_bytes -= bytes;
        }
    }

    fn remember(&mut self, fingerprint: u64) {
        if self.remembered.find(fingerprint, |&held| held == fingerprint).is_none() {
            self.remembered.insert_unique(fingerprint, fingerprint, |&held| held);
            self.ghosts.push_back(fingerprint);
        }
        while self.ghosts.len() > self.main_entries.max(16) {
            if let Some(oldest) = self.ghosts.pop_front() {
                self.forget(oldest);
            }
        }
    }

    fn forget(&mut self, fingerprint: u64) -> bool {
        self.remembered.find_entry(fingerprint, |&held| held == fingerprint).map(OccupiedEntry::remove).is_ok()
    }
}

impl Default for S3Fifo {
    fn default() -> Self {
        Self::new()
    }
}

impl Eviction for S3Fifo {
    fn on_insert(&mut self, slot: Slot, weight: Weight) {
        let at = slot as usize;
        if self.marks.len() <= at {
            self.marks.resize(at + 1, Mark::default());
            self.sizes.resize(at + 1, 0);
        }
        self.marks[at] = Mark { fingerprint: weight.fingerprint, ..Mark::default() };
        self.sizes[at] = u32::try_from(weight.bytes).unwrap_or(u32::MAX);
        // Its place in the queue of ghosts stays until it comes to the front.
        let comes_back = self.forget(weight.fingerprint);
        self.push(slot, comes_back);
    }

    fn on_hit(&mut self, slot: Slot) {
        let hits = &mut self.marks[slot as usize].hits;
        *hits = (*hits + 1).min(MOST_HITS);
    }

    fn on_remove(&mut self, slot: Slot) {
        self.unlink(slot);
    }

    fn victim(&mut self) -> Option<Slot> {
        loop {
            let is_small_full = self.small_bytes * SMALL_PART > self.small_bytes + self.main_bytes;
            let from_small = self.small.oldest().filter(|_| is_small_full || self.main.oldest().is_none());
            if let Some(slot) = from_small {
                let Mark { hits, fingerprint, .. } = self.marks[slot as usize];
                if hits > 1 {
                    self.unlink(slot);
                    self.marks[slot as usize].hits = 0;
                    self.push(slot, true);
                    continue;
                }
                self.remember(fingerprint);
                return Some(slot);
            }
            let slot = self.main.oldest()?;
            if self.marks[slot as usize].hits == 0 {
                return Some(slot);
            }
            self.marks[slot as usize].hits -= 1;
            self.unlink(slot);
            self.push(slot, true);
        }
    }

    fn bytes(&self) -> usize {
        let ghosts = heap::allocated(self.ghosts.capacity() * size_of::<u64>()) + self.remembered.allocation_size();
        self.links.bytes() + heap::vector(&self.marks) + heap::vector(&self.sizes) + ghosts
    }
}
