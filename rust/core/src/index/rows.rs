//! Byte rows of one length, in blocks that never move once they are full.

use crate::error::{Error, ErrorKind, Result};
use crate::store::map::Pages;

/// Slots of a full block: a growing index copies no more than one block, and 16 Ki codes of 256 values fill a huge page.
pub const BLOCK_SLOTS: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 14;
/// The room grows by one part in so many: a cache at its budget evicts what the new room takes, and there is no more of it.
const GROWTH: usize = 8;

/// Row i belongs to slot i. Every block but the last is full; a last one that is not grows by copying.
#[derive(Debug)]
pub struct Rows {
    stride: usize,
    blocks: Vec<Pages>,
    capacity: usize,
}

impl Rows {
    /// No rows yet, each to be `stride` bytes long.
    pub fn new(stride: usize) -> Self {
        Self { stride, blocks: Vec::new(), capacity: 0 }
    }

    /// The rows of blocks that were mapped: full ones, then at most one that is not.
    pub fn of_blocks(stride: usize, blocks: Vec<Pages>) -> Self {
        let capacity = blocks.iter().map(|block| block.len() / stride).sum();
        Self { stride, blocks, capacity }
    }

    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// How many slots there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of the room.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }

    /// Makes room for `slots` slots, all of them zeros where they are new.
    ///
    /// # Errors
    /// `Internal` where the system has no memory left.
    pub fn reserve(&mut self, slots: usize) -> Result<()> {
        let stride = self.stride;
        let pages = |slots: usize| {
            Pages::zeroed(slots * stride).map_err(|fault| {
                let context = format!("the system has no {} bytes left for the index", slots * stride);
                Error::new(ErrorKind::Internal, context).caused_by(fault)
            })
        };
        if slots <= self.capacity {
            return Ok(());
        }
        let grown = self.capacity + (self.capacity / GROWTH).min(BLOCK_SLOTS);
        let wanted = slots.max(grown).next_multiple_of(64);
        while self.capacity < wanted {
            let tail = self.capacity % BLOCK_SLOTS;
            let before = self.capacity - tail;
            let held = (wanted - before).min(BLOCK_SLOTS);
            let mut block = pages(held)?;
            // A last block that is not full: a larger one takes its place.
            if tail > 0
                && let Some(last) = self.blocks.pop()
            {
                block[..tail * stride].copy_from_slice(&last[..tail * stride]);
            }
            self.blocks.push(block);
            self.capacity = before + held;
        }
        Ok(())
    }

    /// The first `slots` rows, in the pieces in which they lie.
    pub fn pieces(&self, slots: usize) -> Vec<&[u8]> {
        (0..slots).step_by(BLOCK_SLOTS).map(|first| self.run(first, slots)).collect()
    }

    /// Gives back the room beyond `slots` slots, in whole blocks, and half of a first block that is mostly empty.
    pub fn shrink(&mut self, slots: usize) {
        let full = slots.div_ceil(BLOCK_SLOTS).max(1);
        if self.blocks.len() > full {
            self.blocks.truncate(full);
            self.capacity = self.blocks.iter().map(|block| block.len() / self.stride).sum();
        }
        if full == 1 && self.capacity > 4 * slots.max(64) {
            let mut smaller = Self::new(self.stride);
            let kept = slots * self.stride;
            // Without memory for a copy the room stays as it is.
            if smaller.reserve(2 * slots.max(64)).is_ok() {
                smaller.blocks[0][..kept].copy_from_slice(&self.blocks[0][..kept]);
                *self = smaller;
            }
        }
    }

    /// A row.
    #[inline]
    pub fn row(&self, slot: u32) -> &[u8] {
        let at = (slot as usize & (BLOCK_SLOTS - 1)) * self.stride;
        &self.blocks[(slot >> BLOCK_BITS) as usize][at..at + self.stride]
    }

    /// A row, to be changed.
    pub fn row_mut(&mut self, slot: u32) -> &mut [u8] {
        let at = (slot as usize & (BLOCK_SLOTS - 1)) * self.stride;
        &mut self.blocks[(slot >> BLOCK_BITS) as usize][at..at + self.stride]
    }

    /// The rows from `first` on that stand one after the other, up to `end`.
    pub fn run(&self, first: usize, end: usize) -> &[u8] {
        let at = first % BLOCK_SLOTS;
        let end = at + (end - first).min(BLOCK_SLOTS - at);
        &self.blocks[first / BLOCK_SLOTS][at * self.stride..end * self.stride]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_as_they_are_while_the_room_grows_and_shrinks() {
        let mut rows = Rows::new(3);
        let mut held = 0u32;
        for slots in [1, 60, 70, 20_000, 20_001, 40_000] {
            rows.reserve(slots).unwrap();
            assert!(rows.capacity() >= slots && rows.bytes() >= slots * 3);
            while (held as usize) < slots {
                rows.row_mut(held).copy_from_slice(&held.to_le_bytes()[..3]);
                held += 1;
            }
        }
        assert!((0..held).all(|slot| rows.row(slot) == &slot.to_le_bytes()[..3]));
        assert_eq!(rows.run(16_000, 40_000).len(), 384 * 3);
        assert_eq!(rows.run(16_384, 16_390).len(), 18);

        rows.shrink(17_000);
        assert!(rows.capacity() < 40_000);
        rows.shrink(100);
        assert!(rows.capacity() < 1000);
        assert!((0..100).all(|slot| rows.row(slot) == &slot.to_le_bytes()[..3]));
    }

    #[test]
    fn the_room_grows_by_an_eighth_and_a_full_block_stays_where_it_is() {
        let mut rows = Rows::new(3);
        let mut first = None;
        for slots in 1..60_000 {
            rows.reserve(slots).unwrap();
            assert!(rows.capacity() <= slots + slots / 8 + 64, "{} for {slots}", rows.capacity());
            assert_eq!(rows.bytes(), rows.capacity() * 3);
            if slots > BLOCK_SLOTS {
                assert_eq!(*first.get_or_insert(rows.row(0).as_ptr()), rows.row(0).as_ptr());
            }
        }
    }
}
