//! Keep what saves most dollars for its bytes.

use std::collections::BTreeSet;

use super::{Eviction, Weight};
use crate::heap;
use crate::store::Slot;

/// Greedy-dual with sizes and frequencies: an entry's worth is a clock, plus what its hits have saved for each of its bytes;
/// the one of least worth goes first, and sets the clock to its worth.
///
/// So an answer that was dear, short and asked for often outlives one that was cheap, long and asked for once, and one that
/// is not asked for any more grows old. `on_hit` and `victim` are O(log n). About 60 bytes of state a slot. Entries without a
/// price weigh as if a hit saved one micro-dollar, so among themselves they go by frequency and size.
///
/// Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Labs 1998.
#[derive(Debug, Default)]
pub struct CostAware {
    order: BTreeSet<(u64, Slot)>,
    /// By slot.
    marks: Vec<Mark>,
    clock: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    worth: u64,
    /// What one hit adds.
    value: u64,
    hits: u32,
}

/// What a hit on an entry without a price is taken to save.
const UNKNOWN_NANO_USD: u64 = 1_000;

/// Worth is counted in 2^-10 nano-dollars a byte.
const SCALE_BITS: u32 = 10;

/// What a pair takes in a B-tree whose nodes are two thirds full.
const BYTES_PER_PAIR: usize = 27;

impl CostAware {
    /// An empty order.
    pub fn new() -> Self {
        Self::default()
    }

    fn weigh(&mut self, slot: Slot) {
        let mark = &mut self.marks[slot as usize];
        mark.worth = self.clock.saturating_add(mark.value.saturating_mul(mark.hits.into()));
        self.order.insert((mark.worth, slot));
    }
}

impl Eviction for CostAware {
    fn on_insert(&mut self, slot: Slot, weight: Weight) {
        let at = slot as usize;
        if self.marks.len() <= at {
            self.marks.resize(at + 1, Mark::default());
        }
        let cost = weight.cost_nano_usd.max(UNKNOWN_NANO_USD).saturating_mul(1 << SCALE_BITS);
        self.marks[at] = Mark { worth: 0, value: (cost / weight.bytes.max(1) as u64).max(1), hits: 1 };
        self.weigh(slot);
    }

    fn on_hit(&mut self, slot: Slot) {
        self.on_remove(slot);
        let mark = &mut self.marks[slot as usize];
        mark.hits = mark.hits.saturating_add(1);
        self.weigh(slot);
    }

    fn on_remove(&mut self, slot: Slot) {
        self.order.remove(&(self.marks[slot as usize].worth, slot));
    }

    fn victim(&mut self) -> Option<Slot> {
        let &(worth, slot) = self.order.first()?;
        self.clock = worth;
        Some(slot)
    }

    fn bytes(&self) -> usize {
        heap::vector(&self.marks) + self.order.len() * BYTES_PER_PAIR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_entries_the_one_that_saves_less_for_its_bytes_goes_first() {
        let weight = |bytes, cost_nano_usd| Weight { fingerprint: 0, bytes, cost_nano_usd };
        let mut order = CostAware::new();
        order.on_insert(0, weight(1_000, 9_000_000));
        order.on_insert(1, weight(1_000, 2_000_000));
        order.on_insert(2, weight(9_000, 9_000_000));
        assert_eq!(order.victim(), Some(2));

        for _ in 0..10 {
            order.on_hit(2);
        }

        assert_eq!(order.victim(), Some(1));
        order.on_remove(1);
        assert_eq!(order.victim(), Some(0));
    }
}
