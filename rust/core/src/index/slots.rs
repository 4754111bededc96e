//! What an index holds: rows, their ids, and where each id stands.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::codes::{Codec, Loss, Query, Row};
use super::rows::Rows;
use super::vector_index::NO_ID;
use crate::error::Result;

/// Entries by slot. A slot whose entry is gone has the id [`NO_ID`], and the next entry takes it.
#[derive(Debug)]
pub struct Slots {
    pub codes: Rows,
    pub rests: Rows,
    pub ids: Vec<u64>,
    pub stretches: Vec<u8>,
    pub scales: Vec<f32>,
    /// The slots of ids: five bytes an entry, where a map of ids would take thirty-five.
    table: HashTable<u32>,
    /// Of the process's choosing, so that nobody can choose ids that fall on one place.
    seed: u64,
    free: Vec<u32>,
    /// No code of a row ever held left out more.
    pub loss: Loss,
}

impl Slots {
    /// No entries, of rows of `len` values.
    pub fn new(len: usize) -> Self {
        Self {
            codes: Rows::new(len / 2),
            rests: Rows::new(len),
            ids: Vec::new(),
            stretches: Vec::new(),
            scales: Vec::new(),
            table: HashTable::new(),
            seed: RandomState::new().hash_one(0),
            free: Vec::new(),
            loss: Loss::default(),
        }
    }

    /// The entries of a file; none where it holds one id twice.
    pub fn of_parts(
        codes: Rows,
        rests: Rows,
        ids: Vec<u64>,
        stretches: Vec<u8>,
        scales: Vec<f32>,
        loss: Loss,
    ) -> Option<Self> {
        let table = HashTable::with_capacity(ids.len());
        let seed = RandomState::new().hash_one(0);
        let mut made = Self { codes, rests, ids, stretches, scales, table, seed, free: Vec::new(), loss };
        for (slot, &id) in (0..).zip(&made.ids) {
            let ids = &made.ids;
            if id == NO_ID {
                made.free.push(slot);
                continue;
            }
            let hashed = hash(id, seed);
            let rehash = |&slot: &u32| hash(ids[slot as usize], seed);
            match made.table.entry(hashed, |&slot| ids[slot as usize] == id, rehash) {
                hashbrown::hash_table::Entry::Vacant(place) => _ = place.insert(slot),
                hashbrown::hash_table::Entry::Occupied(_) => return None,
            }
        }
        Some(made)
    }

    /// How many entries there are.
    pub fn live(&self) -> usize {
        self.ids.len() - self.free.len()
    }

    /// How many slots there are, those of entries that are gone among them.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// Bytes that all this takes, room for more included.
    pub fn bytes(&self) -> usize {
        let lists = self.ids.capacity() * 8 + self.stretches.capacity() + self.scales.capacity() * 4;
        self.codes.bytes() + self.rests.bytes() + lists + self.table.allocation_size() + self.free.capacity() * 4
    }

    /// Makes room for more entries.
    pub fn reserve(&mut self, more: usize) -> Result<()> {
        let slots = self.live() + more;
        self.codes.reserve(slots)?;
        self.rests.reserve(slots)?;
        let capacity = self.codes.capacity();
        self.ids.reserve_exact(capacity.saturating_sub(self.ids.len()));
        self.stretches.reserve_exact(capacity.saturating_sub(self.stretches.len()));
        self.scales.reserve_exact(capacity.saturating_sub(self.scales.len()));
        let (ids, seed) = (&self.ids, self.seed);
        self.table.reserve(more, |&slot| hash(ids[slot as usize], seed));
        Ok(())
    }

    /// Makes room for every slot to wait for another entry: one that is taken out then takes no memory, which a budget would
    /// have to be held for once more.
    pub fn reserve_free(&mut self) {
        self.free.reserve_exact(self.ids.capacity().saturating_sub(self.free.len()));
    }

    /// Where an id stands.
    pub fn find(&self, id: u64) -> Option<u32> {
        self.table.find(hash(id, self.seed), |&slot| self.ids[slot as usize] == id).copied()
    }

    /// Whether a slot has an entry.
    pub fn is_live(&self, slot: u32) -> bool {
        self.ids[slot as usize] != NO_ID
    }

    /// Puts an entry that is not held into a free slot, or a new one for which there is room.
    pub fn put(&mut self, id: u64, row: &Row) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.ids.push(NO_ID);
            self.stretches.push(1);
            self.scales.push(0.0);
            last_slot(&self.ids)
        });
        self.set(slot, row);
        self.name(slot, id);
        slot
    }

    /// Gives a slot another row.
    pub fn set(&mut self, slot: u32, row: &Row) {
        self.codes.row_mut(slot).copy_from_slice(&row.code);
        self.rests.row_mut(slot).copy_from_slice(&row.rest);
        self.stretches[slot as usize] = row.stretch;
        self.scales[slot as usize] = row.scale;
        self.loss = self.loss.max(row.loss);
    }

    /// Gives a slot an id that is not held.
    fn name(&mut self, slot: u32, id: u64) {
        self.ids[slot as usize] = id;
        let (ids, seed) = (&self.ids, self.seed);
        self.table.insert_unique(hash(id, seed), slot, |&slot| hash(ids[slot as usize], seed));
    }

    fn forget(&mut self, slot: u32) {
        if let Ok(place) = self.table.find_entry(hash(self.ids[slot as usize], self.seed), |&held| held == slot) {
            place.remove();
        }
    }

    /// Takes the entry out of a slot, which waits for another.
    pub fn free(&mut self, slot: u32) {
        self.forget(slot);
        self.ids[slot as usize] = NO_ID;
        self.free.push(slot);
    }

    /// The entry of `from` takes the slot `to` of one that goes; `from` waits for another. Their rows are the same.
    pub fn hand_over(&mut self, from: u32, to: u32) {
        let id = self.ids[from as usize];
        self.free(from);
        self.forget(to);
        self.name(to, id);
    }

    /// Takes an entry out, and moves the last into its slot: no slot stays empty.
    pub fn swap_remove(&mut self, slot: u32) {
        self.forget(slot);
        let last = last_slot(&self.ids);
        if slot != last {
            self.forget(last);
            let (code, rest) = (self.codes.row(last).to_vec(), self.rests.row(last).to_vec());
            self.codes.row_mut(slot).copy_from_slice(&code);
            self.rests.row_mut(slot).copy_from_slice(&rest);
        }
        self.ids.swap_remove(slot as usize);
        let moved = self.ids.get(slot as usize).copied();
        self.stretches.swap_remove(slot as usize);
        self.scales.swap_remove(slot as usize);
        if let Some(moved) = moved {
            self.name(slot, moved);
        }
        let left = self.ids.len();
        if self.codes.capacity() > 4 * left.max(64) {
            self.codes.shrink(left);
            self.rests.shrink(left);
            let capacity = self.codes.capacity();
            self.ids.shrink_to(capacity);
            self.stretches.shrink_to(capacity);
            self.scales.shrink_to(capacity);
            let (ids, seed) = (&self.ids, self.seed);
            self.table.shrink_to(capacity, |&slot| hash(ids[slot as usize], seed));
        }
    }

    /// The same entries, without the slots of those that are gone.
    pub fn compacted(&self, len: usize) -> Result<Self> {
        let mut made = Self::new(len);
        made.reserve(self.live())?;
        for (slot, &id) in (0..).zip(&self.ids) {
            if self.is_live(slot) {
                let row = Row {
                    code: self.codes.row(slot).to_vec(),
                    rest: self.rests.row(slot).to_vec(),
                    stretch: self.stretches[slot as usize],
                    scale: self.scales[slot as usize],
                    loss: self.loss,
                };
                made.put(id, &row);
            }
        }
        Ok(made)
    }

    /// The cosine of a query and the entry of a slot.
    pub fn cosine(&self, codec: &Codec, query: &Query, slot: u32) -> f32 {
        let at = slot as usize;
        codec.cosine(query, self.codes.row(slot), self.rests.row(slot), self.stretches[at], self.scales[at])
    }

    /// What the cosine of a query and the entry of a slot is at most.
    pub fn most(&self, codec: &Codec, query: &Query, slot: u32) -> f32 {
        let at = slot as usize;
        codec.most(query, self.codes.row(slot), self.rests.row(slot), self.stretches[at], self.scales[at])
    }

    /// The unit vector of a slot.
    pub fn vector(&self, codec: &Codec, slot: u32) -> Vec<f32> {
        let at = slot as usize;
        codec.vector(self.codes.row(slot), self.rests.row(slot), self.stretches[at], self.scales[at])
    }

    /// Whether two slots hold the same row.
    pub fn same_row(&self, one: u32, other: u32) -> bool {
        self.stretches[one as usize] == self.stretches[other as usize]
            && self.codes.row(one) == self.codes.row(other)
            && self.rests.row(one) == self.rests.row(other)
    }

    /// A row in eight bits a value.
    pub fn short(&self, codec: &Codec, slot: u32, out: &mut [i8]) {
        let stretch = self.stretches[slot as usize];
        (codec.kernels().short)(self.codes.row(slot), self.rests.row(slot), stretch, out);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an index holds fewer than 2^31 entries")]
fn last_slot(ids: &[u64]) -> u32 {
    (ids.len() - 1) as u32
}

/// The finish of `SplitMix64`: every bit of an id and of the seed reaches every bit of the hash.
fn hash(id: u64, seed: u64) -> u64 {
    let mut mixed = id ^ seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
