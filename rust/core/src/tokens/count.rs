//! Counting and encoding: what is done with each piece.

use super::layout::{self, KEY_BYTES};
use super::memo::{BATCH, Entry, FULL, Memo};
use super::vocabulary::Vocabulary;
use super::window::Sink;

/// The slices of a piece that the tables are asked with.
#[inline(always)]
fn first_chunk<const N: usize>(bytes: &[u8], start: usize) -> &[u8; N] {
    match bytes[start..].first_chunk() {
        Some(chunk) => chunk,
        None => unreachable!("a sink gets READABLE bytes from each start on"),
    }
}

/// Counts the tokens of the pieces.
///
/// Short pieces are collected and looked up together, so that their loads from slow memory overlap and no branch depends on
/// where a single piece is found. Call [`Counter::flush`] before reading `tokens`.
pub struct Counter<'a> {
    pub vocabulary: &'static Vocabulary,
    pub memo: &'a mut Memo,
    pub tokens: usize,
    /// How many pieces are collected.
    pub waiting: usize,
}

impl Sink for Counter<'_> {
    #[inline(always)]
    fn piece(&mut self, bytes: &[u8], start: usize, end: usize) {
        let len = end - start;
        if len <= KEY_BYTES {
            self.memo.batch[self.waiting & (BATCH - 1)] = entry(bytes, start, len);
            self.waiting += 1;
        } else {
            self.tokens += self.long(bytes, start, len);
        }
        if self.waiting >= FULL {
            self.flush();
        }
    }

    #[inline(always)]
    fn pieces(&mut self, bytes: &[u8], base: usize, mut ends: u64) -> usize {
        // What does not change is held in registers: the compiler cannot see that it does not.
        let mut from = base;
        let mut waiting = self.waiting;
        while ends != 0 {
            let to = base + ends.trailing_zeros() as usize;
            let len = to - from;
            if len <= KEY_BYTES {
                let entry = entry(bytes, from, len);
                self.memo.prefetch_recent(entry.hash);
                self.memo.batch[waiting & (BATCH - 1)] = entry;
                waiting += 1;
            } else {
                self.tokens += self.long(bytes, from, len);
            }
            from = to;
            ends &= ends - 1;
        }
        self.waiting = waiting;
        if waiting >= FULL {
            self.flush();
        }
        from
    }
}

#[inline(always)]
fn entry(bytes: &[u8], start: usize, len: usize) -> Entry {
    let (lo, hi) = layout::key(first_chunk(bytes, start), len);
    Entry { lo, hi, hash: layout::hash(lo, hi) }
}

impl<'a> Counter<'a> {
    pub fn new(vocabulary: &'static Vocabulary, memo: &'a mut Memo) -> Self {
        Self { vocabulary, memo, tokens: 0, waiting: 0 }
    }

    /// Looks the collected pieces up.
    #[inline(never)]
    pub fn flush(&mut self) {
        let mut missed = 0;
        let mut tokens = 0;
        for at in 0..self.waiting.min(BATCH) {
            let count = self.memo.recent(&self.memo.batch[at]);
            tokens += count;
            self.memo.missed[missed & (BATCH - 1)] = at as u32;
            missed += usize::from(count == 0);
        }
        self.waiting = 0;
        for place in 0..missed.min(BATCH) {
            let hash = self.memo.batch[self.memo.missed[place] as usize & (BATCH - 1)].hash;
            self.vocabulary.prefetch_token(hash);
            self.memo.prefetch_merged(hash);
        }
        for place in 0..missed.min(BATCH) {
            let entry = self.memo.batch[self.memo.missed[place] as usize & (BATCH - 1)];
            tokens += self.missed(&entry);
        }
        self.tokens += tokens;
    }

    #[inline(always)]
    fn missed(&mut self, entry: &Entry) -> usize {
        let mut count = 1;
        if !self.vocabulary.is_token(entry.lo, entry.hi, entry.hash) {
            count = self.memo.merged(entry);
            if count == 0 {
                let piece = (u128::from(entry.lo) | u128::from(entry.hi) << 64).to_le_bytes();
                count = self.merged(&piece[..usize::from(piece[KEY_BYTES])]);
                self.memo.set_merged(entry, count);
            }
        }
        self.memo.set_recent(entry, count);
        count
    }

    #[inline(never)]
    fn long(&mut self, bytes: &[u8], start: usize, len: usize) -> usize {
        let piece = &bytes[start..start + len];
        if len >= 32 {
            return self.merged(piece);
        }
        let low = u128::from_le_bytes(*first_chunk(bytes, start));
        // The length minus 16 stands in the top byte, with one bit more, so that no key is all zeros.
        let (c, d) = layout::key(first_chunk(bytes, start + 16), len - 16);
        let (a, b, d) = (low as u64, (low >> 64) as u64, d | 1 << 60);
        let key = [a, b, c, d];
        let hash = layout::hash(a ^ c.rotate_left(29), b ^ d.rotate_left(17));
        if let Some(count) = self.memo.long(&key, hash) {
            return count;
        }
        let count = self.merged(piece);
        self.memo.set_long(key, hash, count);
        count
    }

    fn merged(&mut self, piece: &[u8]) -> usize {
        self.vocabulary.merge(piece, self.memo);
        self.memo.stack.len()
    }
}

/// Collects the tokens of the pieces.
pub struct Encoder<'a> {
    pub vocabulary: &'static Vocabulary,
    pub memo: &'a mut Memo,
    pub tokens: Vec<u32>,
    /// No more pieces once there are more tokens than this.
    pub limit: usize,
}

impl Sink for Encoder<'_> {
    fn piece(&mut self, bytes: &[u8], start: usize, end: usize) {
        self.vocabulary.merge(&bytes[start..end], self.memo);
        self.tokens.extend_from_slice(&self.memo.stack);
    }

    fn is_full(&mut self) -> bool {
        self.tokens.len() > self.limit
    }
}
