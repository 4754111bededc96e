//! The lexical signature: what the cache's guards compare of a text, besides its vector. 176 bytes.

use super::lexicon::flag;

/// Most content words kept.
const CONTENT: usize = 24;
/// Most directions kept.
const DIRECTIONS: usize = 6;

/// A text as its guards see it. Two of them compare in well under a microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LexicalSignature {
    /// Whether the text holds an odd number of negations.
    pub is_negated: bool,
    /// Sides of antonym pairs.
    pub antonym_sides: u128,
    /// Hashes of the stems of the first 24 content words, sorted, zeros last.
    pub content: [u32; CONTENT],
    /// Whether the text waits for something ("I'm waiting for", "I expect") instead of asking for it.
    pub is_waiting: bool,
    /// Up to six direction words with their objects ("from Oslo", "to Bergen"), in the order of the text, zeros last: a
    /// hash of the direction word in the upper half, of the stem of the first content word after it in the lower.
    pub directions: [u64; DIRECTIONS],
}

impl LexicalSignature {
    /// Content words in both, and in either.
    pub fn overlap(&self, other: &Self) -> (usize, usize) {
        let (one, two) = (words(&self.content), words(&other.content));
        let shared = one.iter().filter(|word| two.binary_search(word).is_ok()).count();
        (shared, one.len() + two.len() - shared)
    }
}

/// Whether two texts name the same objects under exchanged direction words: "from A to B" and "from B to A".
pub fn are_turned(one: &[u64; DIRECTIONS], other: &[u64; DIRECTIONS]) -> bool {
    let word = |direction: u64| direction >> 32;
    let object = |direction: u64| direction & 0xffff_ffff;
    let differs = |&mine: &u64| {
        mine != 0
            && other.iter().any(|&theirs| word(theirs) == word(mine) && object(theirs) != object(mine))
            && other.iter().any(|&theirs| theirs != 0 && word(theirs) != word(mine) && object(theirs) == object(mine))
    };
    one.iter().any(differs)
}

/// The part that is used: words are sorted, zeros stand last.
fn words(content: &[u32; CONTENT]) -> &[u32] {
    let used = content.iter().position(|&word| word == 0).unwrap_or(CONTENT);
    &content[..used]
}

/// Reads the words of a text in order.
#[derive(Debug, Default)]
pub struct Builder {
    signature: LexicalSignature,
    content: usize,
    directions: usize,
    /// The direction word that waits for its object.
    waiting: Option<u32>,
}

impl Builder {
    /// The next word that is no part of a slot.
    #[inline]
    pub fn word<'a>(&mut self, word: impl Fn() -> &'a str, flags: u32) {
        self.signature.is_waiting |= flags & flag::WAITING != 0;
        if flags & flag::DIRECTION != 0 {
            self.waiting = Some(stem_hash(word()));
            return;
        }
        if flags & flag::STOP != 0 || (self.content == CONTENT && self.waiting.is_none()) {
            return;
        }
        let stem = stem_hash(word());
        if let Some(word) = self.waiting.take()
            && self.directions < DIRECTIONS
        {
            self.signature.directions[self.directions] = u64::from(word) << 32 | u64::from(stem);
            self.directions += 1;
        }
        if self.content < CONTENT {
            self.signature.content[self.content] = stem;
            self.content += 1;
        }
    }

    /// The signature, content words sorted and each kept once.
    pub fn finish(mut self, is_negated: bool, antonym_sides: u128) -> LexicalSignature {
        let used = &mut self.signature.content[..self.content];
        used.sort_unstable();
        let mut kept = 0;
        for at in 0..used.len() {
            if at == 0 || used[at] != used[kept - 1] {
                used[kept] = used[at];
                kept += 1;
            }
        }
        used[kept..].fill(0);
        LexicalSignature { is_negated, antonym_sides, ..self.signature }
    }
}

/// A hash of a word without its ending, lower case; never 0.
///
/// Endings go by three rules ("ies" -> "y"; "ing", "ed", "es", "s" where three letters stay; a doubled last letter once),
/// which is less than a stemmer and enough to join "refunding" and "refunds".
fn stem_hash(word: &str) -> u32 {
    let bytes = word.as_bytes();
    let is = |ending: &[u8]| {
        bytes.len() >= ending.len() + 3 && bytes[bytes.len() - ending.len()..].eq_ignore_ascii_case(ending)
    };
    let (mut length, mut last) = (bytes.len(), None);
    if is(b"ies") {
        (length, last) = (length - 3, Some(b'y'));
    } else if is(b"ing") {
        length -= 3;
    } else if is(b"ed") || is(b"es") {
        length -= 2;
    } else if is(b"s") && !bytes[bytes.len() - 2].eq_ignore_ascii_case(&b's') {
        length -= 1;
    }
    // "cancelling" and "canceling", "stopped" and "stops"; "cancel", "cancels"; and a mute "e": "store", "storing".
    if length < bytes.len()
        && last.is_none()
        && length > 3
        && bytes[length - 1].eq_ignore_ascii_case(&bytes[length - 2])
    {
        length -= 1;
    }
    if last.is_none() && length > 3 && bytes[length - 1].eq_ignore_ascii_case(&b'e') {
        length -= 1;
    }
    let mut hash = 0x811c_9dc5u32;
    for &byte in &bytes[..length] {
        hash = (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
    }
    if let Some(byte) = last {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    (hash ^ hash >> 15).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;

    fn signature(text: &str) -> LexicalSignature {
        Features::of_text(text).signature
    }

    #[test]
    fn words_are_compared_without_their_endings() {
        for (one, other) in [
            ("cancel", "canceling"),
            ("cancels", "cancelling"),
            ("refunds", "Refunding"),
            ("story", "stories"),
            ("store", "storing"),
            ("stopped", "stop"),
        ] {
            assert_eq!(stem_hash(one), stem_hash(other), "{one} {other}");
        }
        assert_ne!(stem_hash("pass"), stem_hash("pas"));
    }

    #[test]
    fn content_words_overlap() {
        let one = signature("please refund my order");
        let other = signature("can I get the orders refunded today");

        assert_eq!(one.overlap(&other), (2, 3));
        assert_eq!(one.overlap(&one), (2, 2));
    }

    #[test]
    fn exchanged_objects_are_turned() {
        let one = signature("book a train from Oslo to Bergen");

        let turned = |other: &str| are_turned(&one.directions, &signature(other).directions);
        assert!(turned("book a train from Bergen to Oslo"));
        assert!(!turned("book a train from Oslo to Bergen") && !turned("train to Bergen from Oslo"));
        assert!(!turned("book a train from Oslo to Voss") && !turned(""));
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<LexicalSignature>() <= 256);
    }
}
