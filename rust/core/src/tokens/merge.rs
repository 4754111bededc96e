//! The exact byte-pair encoding of one piece that is not a token, without running its merges.
//!
//! A sequence of tokens is the encoding of its bytes exactly when every two neighbours are a valid pair
//! ([`Vocabulary::is_valid_pair`]). So the longest tokens are taken from left to right while each new pair is valid; where
//! one is not, shorter tokens are tried, and positions from which nothing leads on are marked and never tried again.

use super::layout::NONE;
use super::memo::Memo;
use super::vocabulary::Vocabulary;

impl Vocabulary {
    /// Leaves the tokens of `piece`, which is not empty, on the memo's stack.
    pub fn merge(&self, piece: &[u8], memo: &mut Memo) {
        memo.stack.clear();
        let (mut next, len) = self.longest(piece);
        if len == piece.len() {
            memo.stack.push(next);
            return;
        }
        memo.dead.clear();
        memo.dead.resize(piece.len() / 64 + 1, 0);
        let mut at = 0;
        loop {
            let last = memo.stack.last().copied();
            let mut token = next;
            loop {
                let end = at + self.token_len(token);
                let is_dead = memo.dead[end / 64] >> (end % 64) & 1 == 1;
                if !is_dead
                    && last.is_none_or(|last| memo.pair(last, token, |left, right| self.is_valid_pair(left, right)))
                {
                    memo.stack.push(token);
                    at = end;
                    if at == piece.len() {
                        return;
                    }
                    next = self.longest(&piece[at..]).0;
                    break;
                }
                token = self.shorter(token);
                if token == NONE {
                    memo.dead[at / 64] |= 1 << (at % 64);
                    // The first token cannot run out of shorter ones: a single byte leads on to a valid encoding.
                    let Some(popped) = memo.stack.pop() else { return };
                    at -= self.token_len(popped);
                    next = popped;
                    break;
                }
            }
        }
    }
}
