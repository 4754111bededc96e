//! Least recently used.

use super::list::{Links, List};
use super::{Eviction, Weight};
use crate::store::Slot;

/// LRU: the entry that was stored or served longest ago goes first. A doubly linked list in one array.
///
/// 8 bytes of state per slot; every method is O(1). Not scan-resistant: a burst of requests that are seen once flushes
/// everything else; [`S3Fifo`](super::S3Fifo) is what stands that.
#[derive(Debug)]
pub struct Lru {
    links: Links,
    list: List,
}

impl Lru {
    /// An empty order.
    pub fn new() -> Self {
        Self { links: Links::default(), list: List::EMPTY }
    }
}

impl Default for Lru {
    fn default() -> Self {
        Self::new()
    }
}

impl Eviction for Lru {
    fn on_insert(&mut self, slot: Slot, _: Weight) {
        self.list.push(&mut self.links, slot);
    }

    fn on_hit(&mut self, slot: Slot) {
        if !self.list.is_newest(slot) {
            self.list.unlink(&mut self.links, slot);
            self.list.push(&mut self.links, slot);
        }
    }

    fn on_remove(&mut self, slot: Slot) {
        self.list.unlink(&mut self.links, slot);
    }

    fn victim(&mut self) -> Option<Slot> {
        self.list.oldest()
    }

    fn bytes(&self) -> usize {
        self.links.bytes()
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
                        lru.on_insert(slot, Weight { fingerprint: 0, bytes: 1, cost_nano_usd: 0 });
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
