//! Doubly linked lists of slots in one array: a slot is in one of them or in none.

use crate::heap;
use crate::store::Slot;

const NONE: Slot = Slot::MAX;

/// The neighbours of each slot, towards the older and the newer end of its list. 8 bytes a slot.
#[derive(Debug, Default)]
pub struct Links(Vec<Link>);

#[derive(Debug, Clone, Copy)]
struct Link {
    older: Slot,
    newer: Slot,
}

/// One list: its two ends.
#[derive(Debug, Clone, Copy)]
pub struct List {
    oldest: Slot,
    newest: Slot,
}

impl List {
    /// A list of nothing.
    pub const EMPTY: Self = Self { oldest: NONE, newest: NONE };

    /// The slot that was put in first.
    pub fn oldest(self) -> Option<Slot> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Whether this is the slot that was put in last.
    pub fn is_newest(self, slot: Slot) -> bool {
        self.newest == slot
    }

    /// Puts a slot in.
    pub fn push(&mut self, links: &mut Links, slot: Slot) {
        links.make_room_for(slot);
        let newest = self.newest;
        links.0[slot as usize] = Link { older: newest, newer: NONE };
        match links.get(newest) {
            Some(link) => link.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
    }

    /// Takes a slot out, which has to be in this list.
    pub fn unlink(&mut self, links: &mut Links, slot: Slot) {
        let Link { older, newer } = links.0[slot as usize];
        match links.get(older) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match links.get(newer) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }
}

impl Links {
    fn get(&mut self, slot: Slot) -> Option<&mut Link> {
        self.0.get_mut(slot as usize)
    }

    fn make_room_for(&mut self, slot: Slot) {
        if self.0.len() <= slot as usize {
            self.0.resize(slot as usize + 1, Link { older: NONE, newer: NONE });
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        heap::vector(&self.0)
    }
}
