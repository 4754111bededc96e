//! What goes first when the bytes run out. One policy a file.

mod lru;

pub use self::lru::Lru;
use super::Slot;

/// An order of eviction. Every method is O(1).
pub trait Eviction {
    /// A new entry stands in this slot.
    fn on_insert(&mut self, slot: Slot);
    /// The entry in this slot was served.
    fn on_hit(&mut self, slot: Slot);
    /// The entry in this slot is gone.
    fn on_remove(&mut self, slot: Slot);
    /// Whose entry should go first; `None` where there are none.
    fn victim(&self) -> Option<Slot>;
    /// Bytes of its state.
    fn bytes(&self) -> usize;
}
