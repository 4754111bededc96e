//! Cutting a text to a number of tokens, never inside a character.
//!
//! The count of a part is not the part of the count: a cut inside a word or a run of white space may leave more tokens than
//! it leaves of the whole. So each cut is counted again and moved by a character until it holds.

use std::ops::Range;

use super::encoding::Encoding;
use crate::error::{Error, ErrorKind, Result};

/// Which part of a text stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The start.
    Start,
    /// The end.
    End,
    /// The middle: as many tokens go from the start as from the end.
    Middle,
}

/// Moves of one character before they begin to double: so that a hostile text costs no more than a few counts.
const SMALL_MOVES: u32 = 16;

impl Encoding {
    /// The part of `text` that stays when it is cut to at most `max_tokens` tokens. O(n).
    pub fn truncate<'a>(&self, text: &'a str, max_tokens: usize, keep: Keep) -> &'a str {
        match keep {
            Keep::Start => &text[..self.start_within(text, max_tokens)],
            Keep::End => {
                let tokens = self.encode(text);
                let from = self.bytes_of(&tokens[..tokens.len().saturating_sub(max_tokens)]);
                self.end_within(text, from, max_tokens)
            }
            Keep::Middle => {
                let tokens = self.encode(text);
                let before = tokens.len().saturating_sub(max_tokens) / 2;
                let from = text.ceil_char_boundary(self.bytes_of(&tokens[..before]));
                let rest = &text[from..];
                &rest[..self.start_within(rest, max_tokens)]
            }
        }
    }

    /// Where the chunks of `text` lie that have at most `max_tokens` tokens each; consecutive chunks share up to `overlap`
    /// tokens. Without overlap the chunks put together are the text. O(n), or O(n max / (max - overlap)) with overlap.
    pub fn split(&self, text: &str, max_tokens: usize, overlap: usize) -> Result<Vec<Range<usize>>> {
        if max_tokens == 0 || overlap >= max_tokens {
            let message = format!(
                "max_tokens={max_tokens} with overlap={overlap}; max_tokens must be at least 1 and overlap less than it"
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let mut chunks: Vec<Range<usize>> = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = start + self.start_within(&text[start..], max_tokens);
            let previous = chunks.last().map_or(0, |chunk| chunk.end);
            if end <= previous && overlap > 0 && start < previous {
                // What is shared left no room for anything new: this chunk begins behind it.
                start = previous;
                continue;
            }
            if end == start {
                let message =
                    format!("max_tokens={max_tokens} is less than the character at byte {start} takes; allow more");
                return Err(Error::new(ErrorKind::Config, message));
            }
            chunks.push(start..end);
            if end == text.len() {
                break;
            }
            start = if overlap == 0 { end } else { self.shared_from(&text[start..end], overlap) + start };
        }
        Ok(chunks)
    }

    /// Where in `chunk` its last `overlap` tokens begin; at least one character in, so that the next chunk is another.
    fn shared_from(&self, chunk: &str, overlap: usize) -> usize {
        let tokens = self.encode(chunk);
        chunk.ceil_char_boundary(self.bytes_of(&tokens[..tokens.len().saturating_sub(overlap)]).max(1))
    }

    /// How many bytes of `text` from its start have at most `max_tokens` tokens. Reads no further than it must.
    fn start_within(&self, text: &str, max_tokens: usize) -> usize {
        let tokens = self.encode_up_to(text, max_tokens);
        if tokens.len() <= max_tokens {
            return text.len();
        }
        let mut end = text.floor_char_boundary(self.bytes_of(&tokens[..max_tokens]));
        let mut moves = 0;
        while end > 0 && self.count_up_to(&text[..end], max_tokens).is_none() {
            end = text.floor_char_boundary(end.saturating_sub(step(moves)));
            moves += 1;
        }
        end
    }

    /// `text` from `from` or a little later, so that it has at most `max_tokens` tokens.
    fn end_within<'a>(&self, text: &'a str, from: usize, max_tokens: usize) -> &'a str {
        let mut start = text.ceil_char_boundary(from);
        let mut moves = 0;
        while start < text.len() && self.count_up_to(&text[start..], max_tokens).is_none() {
            start = text.ceil_char_boundary((start + step(moves)).min(text.len()));
            moves += 1;
        }
        &text[start..]
    }

    fn bytes_of(&self, tokens: &[u32]) -> usize {
        tokens.iter().map(|&token| self.token_len(token)).sum()
    }
}

fn step(moves: u32) -> usize {
    1 << moves.saturating_sub(SMALL_MOVES).min(40)
}
