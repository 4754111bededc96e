//! The lexical signature: what the cache's guards compare of a text, besides its vector. 128 bytes.

use super::lexicon::flag;
use super::scan::Token;

/// Most directions kept.
const DIRECTIONS: usize = 6;

/// A text as its guards see it. Two of them compare in well under a microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LexicalSignature {
    /// Whether the text holds an odd number of negations.
    pub is_negated: bool,
    /// Whether the text waits for something ("I'm waiting for", "I expect") instead of asking for it.
    pub is_waiting: bool,
    /// Sides of antonym pairs.
    pub antonym_sides: u128,
    /// Up to six direction words with their objects ("from Oslo", "to Bergen"), in the order of the text, zeros last: a
    /// hash of the direction word in the upper half, of the stem of the first content word after it in the lower.
    pub directions: [u64; DIRECTIONS],
    /// The stems of the content words.
    pub content: Arrangement,
    /// Content words and all others.
    pub words: Arrangement,
}

/// Which words a text holds, and in which order: two hashes of a sequence, one of them blind to its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrangement {
    bag: u64,
    sequence: u64,
}

impl Arrangement {
    fn push(&mut self, word: u32) {
        let mixed = (u64::from(word) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.bag = self.bag.wrapping_add(mixed);
        self.sequence = (self.sequence.rotate_left(23) ^ mixed).wrapping_mul(0x94d0_49bb_1331_11eb);
    }

    /// Whether two texts hold the same words in another order.
    fn is_rearranged(self, other: Self) -> bool {
        self.bag == other.bag && self.sequence != other.sequence
    }
}

impl LexicalSignature {
    /// Whether two texts name the same objects under exchanged direction words: "from A to B" and "from B to A".
    pub fn is_turned(&self, other: &Self) -> bool {
        let word = |direction: u64| direction >> 32;
        let object = |direction: u64| direction & 0xffff_ffff;
        let (mine, theirs) = (&self.directions, &other.directions);
        mine.iter().any(|&mine| {
            mine != 0
                && theirs.iter().any(|&their| word(their) == word(mine) && object(their) != object(mine))
                && theirs.iter().any(|&their| their != 0 && word(their) != word(mine) && object(their) == object(mine))
        })
    }

    /// Whether two texts say the same words in another order: "does Alice owe Bob", "does Bob owe Alice".
    ///
    /// A vector that is a sum over words is blind to just this. What follows a direction word is left out, for that word
    /// says its part wherever it stands: "from Oslo to Bergen", "to Bergen from Oslo".
    pub fn is_rearranged(&self, other: &Self) -> bool {
        self.content.is_rearranged(other.content) || self.words.is_rearranged(other.words)
    }
}

/// Reads the words of a text in order.
#[derive(Debug, Default)]
pub struct Builder {
    signature: LexicalSignature,
    directions: usize,
    /// The direction word that waits for its object.
    waiting: Option<u32>,
}

impl Builder {
    /// The next word that is no part of a slot.
    #[inline]
    pub fn word(&mut self, Token { flags, stem, .. }: Token) {
        let signature = &mut self.signature;
        signature.is_waiting |= flags & flag::WAITING != 0;
        if flags & flag::DIRECTION != 0 {
            self.waiting = Some(stem);
            return;
        }
        if flags & flag::STOP != 0 {
            signature.words.push(stem);
            return;
        }
        if let Some(word) = self.waiting.take() {
            if self.directions < DIRECTIONS {
                signature.directions[self.directions] = u64::from(word) << 32 | u64::from(stem);
                self.directions += 1;
            }
        } else {
            signature.content.push(stem);
            signature.words.push(stem);
        }
    }

    /// The signature.
    pub fn finish(self, is_negated: bool, antonym_sides: u128) -> LexicalSignature {
        LexicalSignature { is_negated, antonym_sides, ..self.signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;

    fn signature(text: &str) -> LexicalSignature {
        Features::of_text(text).signature
    }

    #[test]
    fn the_same_words_in_another_order_are_rearranged() {
        let one = signature("Does Alice owe Bob money?");

        assert!(one.is_rearranged(&signature("does bob owes Alice the money")));
        assert!(!one.is_rearranged(&signature("Does Alice owe Bob the money?")) && !one.is_rearranged(&one));
        assert!(!one.is_rearranged(&signature("Does Carol owe Bob money?")));
        assert!(signature("do I owe you").is_rearranged(&signature("do you owe I")));
    }

    #[test]
    fn exchanged_objects_are_turned() {
        let one = signature("book a train from Oslo to Bergen");

        let turned = |other: &str| one.is_turned(&signature(other));
        assert!(turned("book a train from Bergen to Oslo"));
        assert!(!turned("book a train from Oslo to Bergen") && !turned("train to Bergen from Oslo"));
        assert!(!turned("book a train from Oslo to Voss") && !turned(""));
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<LexicalSignature>() <= 128);
    }
}
