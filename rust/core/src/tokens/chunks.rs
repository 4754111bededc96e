//! Long pieces on which taking the longest tokens goes wrong often: random letters, base64, rulers of dashes.
//!
//! The piece is cut anywhere into short chunks, each is merged on its own, and the seams are mended: if the two tokens at a
//! seam are a valid pair, the sequence stands as it is; otherwise a few tokens on both sides are merged again as one, until
//! both edges of what was merged again are valid. Since every pair of neighbours is then valid, the sequence is the encoding
//! of the whole, whatever the cuts were. Linear: a seam costs what the tokens around it cost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::layout::NONE;
use super::memo::Memo;
use super::vocabulary::Vocabulary;

/// Bytes of a chunk. The scan for the lowest rank grows with it, the share of the seams shrinks.
const CHUNK: usize = 32;

/// A run of one byte from this length on is a chunk of its own: two of the longest tokens.
const RUN: usize = 2 * 128;

/// A seam that is not mended within so many bytes sends the whole piece to the merge by heap.
const WIDEST_SEAM: usize = 1024;

/// Tokens that a seam takes in from a side at a time.
const STEP: usize = 2;

impl Vocabulary {
    /// Leaves the tokens of `piece` on the memo's stack.
    pub fn merge_by_chunks(&self, piece: &[u8], memo: &mut Memo) {
        memo.stack.clear();
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut ranks = Vec::with_capacity(CHUNK);
        let (mut at, mut no_run_until) = (0, 0);
        while at < piece.len() {
            let rest = &piece[at..];
            let run = if at < no_run_until { 0 } else { rest.iter().take_while(|&&byte| byte == rest[0]).count() };
            let len = if run >= RUN && self.merge_run(rest[0], run, &mut chunk) {
                run
            } else {
                no_run_until = at + run;
                let bytes = &rest[..CHUNK.min(rest.len())];
                self.merge_small(bytes, &mut chunk, &mut ranks);
                bytes.len()
            };
            if !self.mend(piece, at, &chunk, &mut ranks, memo) {
                memo.stack.clear();
                memo.stack.extend(self.merge_by_heap(piece));
                return;
            }
            at += len;
        }
    }

    /// The tokens of a run of one byte. False if this run has no simple form.
    ///
    /// If a token of the run may follow itself and may stand before the encoding of what is left over, repeating it is the
    /// encoding. Without this a ruler of dashes is the slowest text there is: its tokens are long, and every seam merges
    /// hundreds of bytes again.
    fn merge_run(&self, byte: u8, len: usize, tokens: &mut Vec<u32>) -> bool {
        let mut token = self.longest(&vec![byte; len.min(RUN)]).0;
        while token != NONE && !self.is_valid_pair(token, token) {
            token = self.shorter(token);
        }
        if token == NONE {
            return false;
        }
        let token_len = self.token_len(token);
        let left_over = self.merge_by_heap(&vec![byte; len % token_len + token_len]);
        if left_over.first().is_none_or(|&first| !self.is_valid_pair(token, first)) {
            return false;
        }
        tokens.clear();
        tokens.resize(len / token_len - 1, token);
        tokens.extend_from_slice(&left_over);
        true
    }

    /// Appends `chunk`, whose bytes begin at `seam`, to the stack. False if the seam is too wide.
    fn mend(&self, piece: &[u8], seam: usize, chunk: &[u32], ranks: &mut Vec<u32>, memo: &mut Memo) -> bool {
        let (mut start, mut end, mut used) = (seam, seam, 0);
        let mut again = Vec::new();
        loop {
            // The stack ends at `start`, `again` are the tokens from there to `end`, `chunk[used..]` those behind.
            let first = again.first().or(chunk.get(used)).copied();
            let fits_left = match (memo.stack.last(), first) {
                (Some(&last), Some(first)) => self.is_pair(last, first, memo),
                _ => true,
            };
            let fits_right = match (again.last(), chunk.get(used)) {
                (Some(&last), Some(&next)) => self.is_pair(last, next, memo),
                _ => true,
            };
            if fits_left && fits_right {
                memo.stack.append(&mut again);
                memo.stack.extend_from_slice(&chunk[used..]);
                return true;
            }
            if end - start > WIDEST_SEAM {
                return false;
            }
            let is_first = start == end;
            if !fits_left {
                for _ in 0..STEP {
                    start -= memo.stack.pop().map_or(0, |token| self.token_len(token));
                }
            }
            if !fits_right || is_first {
                for token in chunk.iter().skip(used).take(STEP) {
                    end += self.token_len(*token);
                }
                used = (used + STEP).min(chunk.len());
            }
            self.merge_small(&piece[start..end], &mut again, ranks);
        }
    }

    fn is_pair(&self, left: u32, right: u32, memo: &mut Memo) -> bool {
        memo.pair(left, right, |left, right| self.is_valid_pair(left, right))
    }

    /// Runs the merges of a few bytes: quadratic, with small factors.
    fn merge_small(&self, bytes: &[u8], tokens: &mut Vec<u32>, ranks: &mut Vec<u32>) {
        tokens.clear();
        tokens.extend(bytes.iter().map(|&byte| self.byte(byte)));
        // `ranks[i]` is the token that tokens `i` and `i + 1` merge into.
        ranks.clear();
        ranks.extend(tokens.windows(2).map(|pair| self.merged(pair[0], pair[1])));
        loop {
            let (mut best, mut best_rank) = (0, NONE);
            for (at, &rank) in ranks.iter().enumerate() {
                if rank < best_rank {
                    (best, best_rank) = (at, rank);
                }
            }
            if best_rank == NONE {
                return;
            }
            tokens[best] = best_rank;
            tokens.remove(best + 1);
            ranks.remove(best);
            if best < ranks.len() {
                ranks[best] = self.merged(best_rank, tokens[best + 1]);
            }
            if best > 0 {
                ranks[best - 1] = self.merged(tokens[best - 1], best_rank);
            }
        }
    }

    /// Runs the merges of a piece of any length in O(n log n): the definition of the encoding, and the reference in tests.
    pub fn merge_by_heap(&self, piece: &[u8]) -> Vec<u32> {
        let end = piece.len();
        // A part is known by where it begins; `next` and `previous` are where its neighbours begin.
        let mut tokens: Vec<u32> = piece.iter().map(|&byte| self.byte(byte)).collect();
        let mut next: Vec<usize> = (1..=end).collect();
        let mut previous: Vec<usize> = (0..end).map(|at| at.wrapping_sub(1)).collect();
        let mut queue = BinaryHeap::new();
        for (at, pair) in tokens.windows(2).enumerate() {
            let rank = self.merged(pair[0], pair[1]);
            if rank != NONE {
                queue.push(Reverse((rank, at, pair[0], pair[1])));
            }
        }
        while let Some(Reverse((rank, at, left, right))) = queue.pop() {
            let second = next[at];
            // Outdated if either part has merged with another meanwhile; a part swallowed has no token.
            if tokens[at] != left || second == end || tokens[second] != right {
                continue;
            }
            tokens[at] = rank;
            tokens[second] = NONE;
            let after = next[second];
            next[at] = after;
            if after != end {
                previous[after] = at;
                let merged = self.merged(rank, tokens[after]);
                if merged != NONE {
                    queue.push(Reverse((merged, at, rank, tokens[after])));
                }
            }
            let before = previous[at];
            if before < end {
                let merged = self.merged(tokens[before], rank);
                if merged != NONE {
                    queue.push(Reverse((merged, before, tokens[before], rank)));
                }
            }
        }
        tokens.retain(|&token| token != NONE);
        tokens
    }
}
