//! Counters of a cache, from one place.

use super::{Guard, HitKind};
use crate::store::Answer;

/// What a cache has done since it was made, and what it holds now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Requests looked up.
    pub lookups: u64,
    /// Served by the exact tier.
    pub exact_hits: u64,
    /// Served by the semantic tier.
    pub semantic_hits: u64,
    /// Neighbours refused for a negation.
    pub refused_negation: u64,
    /// Neighbours refused for opposite words.
    pub refused_antonym: u64,
    /// Neighbours refused for exchanged objects ("from A to B", "from B to A").
    pub refused_direction: u64,
    /// Neighbours refused because they say the same words in another order.
    pub refused_order: u64,
    /// Neighbours refused because one word stands for another.
    pub refused_word: u64,
    /// Neighbours refused because they ask another kind of question.
    pub refused_question: u64,
    /// Neighbours refused because they mean other persons.
    pub refused_person: u64,
    /// Neighbours refused because one asks for what the other waits for.
    pub refused_waiting: u64,
    /// Neighbours refused for a small word: tense, place, "and" or "or".
    pub refused_function: u64,
    /// Neighbours refused because one adds an order.
    pub refused_clause: u64,
    /// Neighbours refused because a hit on them was marked wrong.
    pub refused_marked_wrong: u64,
    /// Hits marked wrong.
    pub marked_wrong: u64,
    /// Entries removed on request: invalidated, or marked wrong.
    pub invalidated: u64,
    /// Entries stored.
    pub stored: u64,
    /// Answers larger than the whole budget.
    pub too_large: u64,
    /// Entries removed for want of bytes.
    pub evicted: u64,
    /// Entries found past their time.
    pub expired: u64,
    /// Entries read from the disk when the cache was opened.
    pub loaded: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// Faults of the disk; what they hit was kept in memory only.
    pub io_faults: u64,
    /// Bytes of the journal that were no record when it was read: a write cut short by a crash, or damage.
    pub journal_bytes_skipped: u64,
    /// What the answers served had cost, where that is known, in nano-dollars.
    pub saved_nano_usd: u64,
    /// Hits on answers of which nobody said what they had cost.
    pub unpriced_hits: u64,
    /// Tokens, read and written, that the answers served had taken, where that is known.
    pub tokens_saved: u64,
    /// Hits on answers of which nobody said how many tokens they had taken.
    pub uncounted_hits: u64,
    /// Entries held.
    pub entries: u64,
    /// Bytes held.
    pub bytes: u64,
    /// The budget.
    pub max_bytes: u64,
}

impl CacheStats {
    /// Notes a hit and what it saved.
    pub(super) fn count_hit(&mut self, kind: HitKind, answer: &Answer) {
        match kind {
            HitKind::Exact => self.exact_hits += 1,
            HitKind::Semantic => self.semantic_hits += 1,
        }
        match answer.cost_nano_usd {
            Some(cost) => self.saved_nano_usd = self.saved_nano_usd.saturating_add(cost),
            None => self.unpriced_hits += 1,
        }
        let tokens = u64::from(answer.input_tokens) + u64::from(answer.output_tokens);
        self.tokens_saved += tokens;
        self.uncounted_hits += u64::from(tokens == 0);
    }

    /// Notes that a guard refused a neighbour.
    pub fn count_refusal(&mut self, guard: Guard) {
        match guard {
            Guard::Negation => self.refused_negation += 1,
            Guard::Antonym => self.refused_antonym += 1,
            Guard::Direction => self.refused_direction += 1,
            Guard::Order => self.refused_order += 1,
            Guard::Word => self.refused_word += 1,
            Guard::Question => self.refused_question += 1,
            Guard::Person => self.refused_person += 1,
            Guard::Waiting => self.refused_waiting += 1,
            Guard::Function => self.refused_function += 1,
            Guard::Clause => self.refused_clause += 1,
            Guard::MarkedWrong => self.refused_marked_wrong += 1,
        }
    }

    /// Every counter with its name, misses included.
    pub fn named(&self) -> [(&'static str, u64); 32] {
        [
            ("lookups", self.lookups),
            ("exact_hits", self.exact_hits),
            ("semantic_hits", self.semantic_hits),
            ("misses", self.lookups - self.exact_hits - self.semantic_hits),
            ("refused_negation", self.refused_negation),
            ("refused_antonym", self.refused_antonym),
            ("refused_direction", self.refused_direction),
            ("refused_order", self.refused_order),
            ("refused_word", self.refused_word),
            ("refused_question", self.refused_question),
            ("refused_person", self.refused_person),
            ("refused_waiting", self.refused_waiting),
            ("refused_function", self.refused_function),
            ("refused_clause", self.refused_clause),
            ("refused_marked_wrong", self.refused_marked_wrong),
            ("marked_wrong", self.marked_wrong),
            ("invalidated", self.invalidated),
            ("stored", self.stored),
            ("too_large", self.too_large),
            ("evicted", self.evicted),
            ("expired", self.expired),
            ("loaded", self.loaded),
            ("snapshots", self.snapshots),
            ("io_faults", self.io_faults),
            ("journal_bytes_skipped", self.journal_bytes_skipped),
            ("saved_nano_usd", self.saved_nano_usd),
            ("unpriced_hits", self.unpriced_hits),
            ("tokens_saved", self.tokens_saved),
            ("uncounted_hits", self.uncounted_hits),
            ("entries", self.entries),
            ("bytes", self.bytes),
            ("max_bytes", self.max_bytes),
        ]
    }
}
