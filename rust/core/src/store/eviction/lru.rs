//! Least recently used.

use super::Eviction;
use crate::heap;
use crate::store::Slot;

/// LRU: the entry that was stored or served longest ago goes first. A doubly linked list in one array.
///
/// 8 bytes of state per slot. Not scan-resistant: a burst of requests that are seen once flushes everything else.
#[derive(Debug)]
pub struct Lru {
    /// Neighbours of each slot, towards the older and the newer end.
    links: Vec<Link>,
    oldest: Slot,
    newest: Slot,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    older: Slot,
    newer: Slot,
}

const NONE: Slot = Slot::MAX;

impl Lru {
    /// An empty order.
    pub fn new() -> Self {
        Self { links: Vec::new(), oldest: NONE, newest: NONE }
    }

    fn link(&mut self, slot: Slot) -> Option<&mut Link> {
        self.links.get_mut(slot as usize)
    }

    fn unlink(&mut self, slot: Slot) {
        let Link { older, newer } = self.links[slot as usize];
        match self.link(older) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.link(newer) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }

    fn push_newest(&mut self, slot: Slot) {
        let newest = self.newest;
        self.links[slot as usize] = Link { older: newest, newer: NONE };
        match self.link(newest) {
            Some(link) => link.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
    }
}

impl Default for Lru {
    fn default() -> Self {
        Self::new()
    }
}

impl Eviction for Lru {
    fn on_insert(&mut self, slot: Slot) {
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, Link { older: NONE, newer: NONE });
        }
        self.push_newest(slot);
    }

    fn on_hit(&mut self, slot: Slot) {
        if self.newest != slot {
            self.unlink(slot);
            self.push_newest(slot);
        }
    }

    fn on_remove(&mut self, slot: Slot) {
        self.unlink(slot);
    }

    fn bytes(&self) -> usize {
        heap::vector(&self.links)
    }

    fn victim(&self) -> Option<Slot> {
        (self.oldest != NONE).then_some(self.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_list(steps in prop::collection::vec((0u32..8, 0u8..3), 0..200)) {
            let (mut lru, mut list) = (Lru::new(), Vec::<Slot>::new());
            for (slot, step) in steps {
                match (step, list.iter().position(|&held| held == slot)) {
                    (0, None) => {
                        lru.on_insert(slot);
                        list.push(slot);
                    }
                    (1, Some(at)) => {
                        lru.on_hit(slot);
                        list.remove(at);
                        list.push(slot);
                    }
                    (2, Some(at)) => {
                        lru.on_remove(slot);
                        list.remove(at);
                    }
                    _ => {}
                }
                prop_assert_eq!(lru.victim(), list.first().copied());
            }
            while let Some(slot) = lru.victim() {
                lru.on_remove(slot);
                prop_assert_eq!(slot, list.remove(0));
            }
            prop_assert!(list.is_empty());
        }
    }
}
