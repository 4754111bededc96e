//! Counting and encoding: what is done with each piece.

use super::layout::{self, KEY_BYTES};
use super::memo::Memo;
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
pub struct Counter<'a> {
    pub vocabulary: &'static Vocabulary,
    pub memo: &'a mut Memo,
    pub tokens: usize,
}

impl Sink for Counter<'_> {
    #[inline(always)]
    fn piece(&mut self, bytes: &[u8], start: usize, end: usize) {
        let len = end - start;
        if len <= KEY_BYTES {
            let (lo, hi) = layout::key(first_chunk(bytes, start), len);
            let hash = layout::hash(lo, hi);
            self.tokens += match self.memo.short(lo, hi, hash) {
                Some(count) => count,
                None => self.short(&bytes[start..end], lo, hi, hash),
            };
        } else {
            self.tokens += self.long(bytes, start, len);
        }
    }
}

impl Counter<'_> {
    #[inline(never)]
    fn short(&mut self, piece: &[u8], lo: u64, hi: u64, hash: u64) -> usize {
        let count = if self.vocabulary.is_token(lo, hi, hash) { 1 } else { self.merged(piece) };
        self.memo.set_short(lo, hi, hash, count);
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

    fn is_full(&self) -> bool {
        self.tokens.len() > self.limit
    }
}
