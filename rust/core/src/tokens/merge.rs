//! The exact byte-pair encoding of one piece that is not a token, without running its merges.
//!
//! A sequence of tokens is the encoding of its bytes exactly when every two neighbours are a valid pair
//! ([`Vocabulary::is_valid_pair`]). So the longest tokens are taken from left to right while each new pair is valid; where
//! one is not, shorter tokens are tried, and positions from which nothing leads on are marked and never tried again.

use super::layout::NONE;
use super::memo::Memo;
use super::vocabulary::Vocabulary;

/// Tokens that are taken ahead of the verdict on their pairs, so that the loads of the verdicts overlap.
const AHEAD: usize = 8;

/// Pieces of at least so many bytes are merged by chunks once the longest token was wrong [`FEW`] times and more than once
/// in 64 bytes.
const LONG: usize = 64;
const FEW: usize = 4;

impl Vocabulary {
    /// Leaves the tokens of `piece`, which is not empty, on the memo's stack.
    pub fn merge(&self, piece: &[u8], memo: &mut Memo) {
        memo.stack.clear();
        let (first, len) = self.longest(piece);
        memo.stack.push(first);
        if len == piece.len() {
            return;
        }
        memo.dead.clear();
        let mut at = len;
        let mut steps_back = 0;
        while at < piece.len() {
            let mut ahead = [(0, 0); AHEAD];
            let mut taken = 0;
            let mut last = memo.stack.last().copied().unwrap_or(NONE);
            let mut end = at;
            while taken < AHEAD && end < piece.len() {
                let (next, next_len) = self.longest(&piece[end..]);
                memo.prefetch_pair(last, next);
                end += next_len;
                last = next;
                ahead[taken] = (next, end);
                taken += 1;
            }
            for &(token, end) in &ahead[..taken] {
                // `dead` is empty until the first step back.
                let is_dead = !memo.dead.is_empty() && is_set(&memo.dead, end);
                let last = memo.stack.last().copied().unwrap_or(NONE);
                if is_dead || !self.fits(last, token, memo) {
                    steps_back += 1;
                    if steps_back > FEW + at / 64 && piece.len() >= LONG {
                        return self.merge_by_chunks(piece, memo);
                    }
                    at = self.step_back(piece.len(), at, token, memo);
                    break;
                }
                memo.stack.push(token);
                at = end;
            }
        }
    }

    /// Whether `token` may follow `last`.
    #[inline(always)]
    fn fits(&self, last: u32, token: u32, memo: &mut Memo) -> bool {
        memo.pair(last, token, |left, right| self.is_valid_pair(left, right))
    }

    /// At `at` the token `refused` cannot follow the last one on the stack: tries shorter ones, and those of the tokens before.
    /// Returns the position from which to go on.
    fn step_back(&self, len: usize, mut at: usize, refused: u32, memo: &mut Memo) -> usize {
        if memo.dead.is_empty() {
            memo.dead.resize(len / 64 + 1, 0);
        }
        let mut token = self.shorter(refused);
        loop {
            while token != NONE {
                let end = at + self.token_len(token);
                let fits = !is_set(&memo.dead, end)
                    && match memo.stack.last() {
                        Some(&last) => self.fits(last, token, memo),
                        None => true,
                    };
                if fits {
                    memo.stack.push(token);
                    return end;
                }
                token = self.shorter(token);
            }
            memo.dead[at / 64] |= 1 << (at % 64);
            // The first token never runs out of shorter ones: a first token of the right encoding leads to the end.
            let Some(popped) = memo.stack.pop() else { return len };
            at -= self.token_len(popped);
            token = self.shorter(popped);
        }
    }
}

#[inline(always)]
fn is_set(bits: &[u64], at: usize) -> bool {
    bits[at / 64] >> (at % 64) & 1 == 1
}
