//! Which entries carry a label, without looking at the others.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use super::{Entry, Slot, entry};

/// What an answer may be found by, besides its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label<'a> {
    /// A document that it was made from, whatever the version.
    Document(&'a str),
    /// A tag.
    Tag(&'a str),
}

impl<'a> Label<'a> {
    /// The document that a source names.
    pub fn document_of(source: &'a str) -> Self {
        Self::Document(entry::document(source))
    }
}

/// From label to slots, and no further: labels are hashed, so who finds a slot here looks at its entry once more.
///
/// Adding and removing is O(log n) a label, and finding O(log n) and the number found.
#[derive(Debug, Default)]
pub struct Labels {
    hasher: RandomState,
    pub(super) pairs: BTreeSet<(u64, Slot)>,
}

impl Labels {
    /// What a pair takes in a B-tree whose nodes (11 pairs of 16 bytes, and 16 more) are two thirds full.
    const BYTES_PER_PAIR: usize = 27;

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.pairs.len() * Self::BYTES_PER_PAIR
    }

    /// The slots that carry a label, and perhaps some that do not.
    pub fn find(&self, label: Label<'_>) -> Vec<Slot> {
        let hash = self.hasher.hash_one(label);
        self.pairs.range((hash, 0)..=(hash, Slot::MAX)).map(|&(_, slot)| slot).collect()
    }

    /// An entry stands in this slot.
    pub fn add<S>(&mut self, slot: Slot, entry: &Entry<S>) {
        for hash in self.hashes(entry) {
            self.pairs.insert((hash, slot));
        }
    }

    /// It is gone.
    pub fn remove<S>(&mut self, slot: Slot, entry: &Entry<S>) {
        for hash in self.hashes(entry) {
            self.pairs.remove(&(hash, slot));
        }
    }

    fn hashes<S>(&self, entry: &Entry<S>) -> Vec<u64> {
        let documents = entry.origin.documents().map(Label::Document);
        let tags = entry.origin.tags.iter().map(|tag| Label::Tag(tag));
        documents.chain(tags).map(|label| self.hasher.hash_one(label)).collect()
    }
}
