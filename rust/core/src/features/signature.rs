//! The lexical signature: what the cache's guards compare of a text, besides its vector. 192 bytes.

use super::lexicon::flag;

/// Most directions kept.
const DIRECTIONS: usize = 6;
/// Most stems kept.
const STEMS: usize = 16;

/// A text as its guards see it. Two of them compare in well under a microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LexicalSignature {
    /// Whether the text holds an odd number of negations.
    pub is_negated: bool,
    /// What kind of question it is, as `Intent::asks` has it.
    pub asks: u8,
    /// Whether the text waits for something ("I'm waiting for", "I expect") instead of asking for it.
    pub is_waiting: bool,
    /// Sides of antonym pairs.
    pub antonym_sides: u128,
    /// Up to six direction words with their objects ("from Oslo", "to Bergen"), in the order of the text, zeros last: a
    /// hash of the direction word in the upper half, of the stem of the first content word after it in the lower.
    pub directions: [u64; DIRECTIONS],
    /// The stems of the content words whatever their order, and how many of them are objects of direction words.
    pub content: u64,
    /// The stems of the content words in their order. The object of a direction word counts with that word, wherever the
    /// two stand: "from Oslo to Bergen", "to Bergen from Oslo".
    pub arrangement: u64,
    /// Hashes of the stems of the first 16 content words that neither negate nor wait, in the order of the text, zeros last.
    pub stems: [u32; STEMS],
    /// Who is meant, in the order of the text, four bits each and the last one lowest; the same one in a row counts once.
    pub persons: u32,
    /// Small words that it holds, as bits: those of `lexicon/functions.txt`.
    pub functions: u16,
    /// How many orders follow "and" or "then".
    pub added_orders: u8,
}

/// Fields of [`LexicalSignature::functions`]: when, where, how clauses are joined.
const FUNCTION_FIELDS: [u16; 3] = [0b11, 0b1111 << 4, 0b11 << 8];
const TENSES: u16 = FUNCTION_FIELDS[0];

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

    /// Whether two texts say the same words in another order: "does Alice owe Bob", "does Bob owe Alice". A vector that is
    /// a sum over words is blind to just this.
    pub fn is_rearranged(&self, other: &Self) -> bool {
        self.content == other.content && self.arrangement != other.arrangement
    }

    /// Whether each text has a content word that the other one lacks: "translate it to French", "translate it to German".
    ///
    /// Only one of them may say more: "cancel my order", "cancel my order today". False where one has 16 content words or
    /// more, of which the last ones are not known: there the threshold leaves little room.
    pub fn replaces_a_word(&self, other: &Self) -> bool {
        let lacks = |held: &[u32; STEMS], wanted: &[u32; STEMS]| {
            held[STEMS - 1] == 0 && wanted.iter().any(|stem| !held.contains(stem)) // zeros stand in both
        };
        lacks(&self.stems, &other.stems) && lacks(&other.stems, &self.stems)
    }

    /// Whether two texts differ in a small word that changes what is asked: "who is the CEO", "who was the CEO"; "on the
    /// table", "under the table"; "red and blue", "red or blue".
    ///
    /// One may say nothing where the other does. The tense counts for facts of the world alone: "why is my card blocked"
    /// and "why was my card blocked" are one complaint (with them 19 of 1,642 right hits on recorded intents were lost).
    pub fn differs_in_function(&self, other: &Self) -> bool {
        let speaks_of_me = |persons: u32| (0..8).any(|at| persons >> (4 * at) & 15 == 1);
        let ignored = if speaks_of_me(self.persons) || speaks_of_me(other.persons) { TENSES } else { 0 };
        let (mine, theirs) = (self.functions & !ignored, other.functions & !ignored);
        FUNCTION_FIELDS.iter().any(|field| mine & field != 0 && theirs & field != 0 && mine & theirs & field == 0)
    }

    /// Whether two texts mean other persons: "my name", "your name"; "did you email me", "did I email you".
    ///
    /// One text may leave a person out that the other one names: "I want you to cancel my order", "cancel my order".
    pub fn means_others(&self, other: &Self) -> bool {
        let people = |persons: u32| (0..8).fold(0u32, |held, at| held | 1 << (persons >> (4 * at) & 15)) & !1;
        let (mine, theirs) = (people(self.persons), people(other.persons));
        let is_nested = mine & theirs == mine || mine & theirs == theirs;
        !is_nested
            || mine == theirs && self.persons != other.persons && self.persons.ilog2() / 4 == other.persons.ilog2() / 4
    }
}

/// Reads the words of a text in order.
#[derive(Debug, Default)]
pub struct Builder {
    signature: LexicalSignature,
    directions: usize,
    stems: usize,
    /// The direction word that waits for its object.
    waiting: Option<u32>,
    /// The content words so far that are no objects, in order.
    sequence: u64,
    /// Whether the word before softens a request, if "you" follows.
    after_modal: bool,
    /// Whether the word before is "and" or "then".
    after_and: bool,
}

/// The bits of "and" and "then".
const JOINING: u16 = 1 << 8 | 1 << 10;

impl Builder {
    /// The next word that is no part of a slot; `number` reads the number of its entry.
    #[inline]
    pub fn word(&mut self, flags: u32, stem: u32, number: impl Fn() -> u32) {
        const MARKED: u32 = flag::WAITING | flag::MODAL | flag::PERSON | flag::DIRECTION | flag::FUNCTION;
        if !self.is_settled() || flags & MARKED != 0 {
            self.marked(flags, stem, number);
        }
        if flags & (flag::DIRECTION | flag::STOP) == 0 {
            self.content(flags, stem);
        }
    }

    /// Whether a word that stands in no list changes nothing but the content.
    pub fn is_settled(&self) -> bool {
        !self.after_modal && !self.after_and
    }

    fn marked(&mut self, flags: u32, stem: u32, number: impl Fn() -> u32) {
        let signature = &mut self.signature;
        signature.is_waiting |= flags & flag::WAITING != 0;
        let after_modal = std::mem::replace(&mut self.after_modal, flags & flag::MODAL != 0);
        if flags & flag::PERSON != 0 {
            let person = number();
            let is_softened = after_modal && person == 2;
            if !is_softened && signature.persons & 15 != person {
                signature.persons = signature.persons << 4 | person;
            }
        }
        let after_and = std::mem::take(&mut self.after_and);
        if flags & flag::FUNCTION != 0 {
            let function = 1u16 << (number() & 15);
            signature.functions |= function;
            self.after_and = function & JOINING != 0;
        } else if after_and && flags & flag::IMPERATIVE != 0 {
            signature.added_orders = signature.added_orders.saturating_add(1);
        }
        if flags & flag::DIRECTION != 0 {
            self.waiting = Some(stem);
        }
    }

    /// A word that says what is asked.
    #[inline]
    pub fn content(&mut self, flags: u32, stem: u32) {
        let signature = &mut self.signature;
        // Negations and waiting are counted elsewhere; "can't" stands for "cannot".
        if self.stems < STEMS && flags & (flag::NEGATION | flag::WAITING) == 0 {
            signature.stems[self.stems] = stem;
            self.stems += 1;
        }
        let mixed = mix(u64::from(stem));
        signature.content = signature.content.wrapping_add(mixed);
        let Some(word) = self.waiting.take() else {
            self.follow(mixed);
            return;
        };
        let direction = u64::from(word) << 32 | u64::from(stem);
        signature.content = signature.content.wrapping_add(1);
        signature.arrangement = signature.arrangement.wrapping_add(mix(direction));
        let was_said = signature.directions[..self.directions].iter().any(|&held| held >> 32 == u64::from(word));
        if self.directions < DIRECTIONS {
            signature.directions[self.directions] = direction;
            self.directions += 1;
        }
        if was_said {
            // "cheaper to fly than to drive": which of the two is which, their order alone says.
            self.follow(mix(direction));
        }
    }

    /// What comes next where the order counts.
    fn follow(&mut self, mixed: u64) {
        self.sequence = (self.sequence.rotate_left(23) ^ mixed).wrapping_mul(0x94d0_49bb_1331_11eb);
    }

    /// The signature.
    pub fn finish(self, is_negated: bool, antonym_sides: u128, asks: u8) -> LexicalSignature {
        let arrangement = self.signature.arrangement.wrapping_add(self.sequence);
        LexicalSignature { is_negated, asks, antonym_sides, arrangement, ..self.signature }
    }
}

fn mix(value: u64) -> u64 {
    let mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb)
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
        assert!(signature("first A, then B").is_rearranged(&signature("first B, then A")));
        let fly = signature("Is it cheaper to fly than to drive?");
        assert!(fly.is_rearranged(&signature("Is it cheaper to drive than to fly?")));
        assert!(
            signature("Redirect calls to sales to support")
                .is_rearranged(&signature("redirect calls to support to sales"))
        );
        let sent = signature("send the file to Anna and copy Tom");
        assert!(sent.is_rearranged(&signature("send the file to Tom and copy Anna")));
        assert!(!sent.is_rearranged(&signature("send the file and copy Tom to Anna")));
    }

    #[test]
    fn a_word_is_replaced_where_both_say_what_the_other_does_not() {
        let replaces = |one: &str, other: &str| {
            let (one, other) = (signature(one), signature(other));
            assert_eq!(one.replaces_a_word(&other), other.replaces_a_word(&one));
            one.replaces_a_word(&other)
        };
        assert!(replaces("translate invoice 10423 to French", "translate invoice 10423 to German"));
        assert!(replaces("Is shipment 12345 to Iceland late?", "Is shipment 12345 to Norway late?"));
        assert!(!replaces("cancel my order", "please cancel the orders today") && !replaces("", "cancel"));
        assert!(!replaces("is it late", "is it late"));
    }

    #[test]
    fn other_persons_are_meant() {
        let differ = |one: &str, other: &str| signature(one).means_others(&signature(other));
        for (one, other) in [
            ("What is my name?", "What is your name?"),
            ("Did you email me?", "Did I email you?"),
            ("What did he say to her?", "What did she say to him?"),
        ] {
            assert!(differ(one, other) && differ(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("cancel my order", "can you cancel my order"),
            ("cancel my order", "I want you to cancel my order"),
            ("could you cancel the order", "I need to cancel my order"),
            ("where is the order", "where is my order"),
            ("", "my my my"),
        ] {
            assert!(!differ(one, other) && !differ(other, one), "{one} {other}");
        }
    }

    #[test]
    fn small_words_change_what_is_asked() {
        let differ = |one: &str, other: &str| signature(one).differs_in_function(&signature(other));
        for (one, other) in [
            ("Who is the CEO of Apple?", "Who was the CEO of Apple?"),
            ("Is the key on the table?", "Is the key under the table?"),
            ("refund and cancel", "refund or cancel"),
            ("do bees sleep", "did bees sleep"),
        ] {
            assert!(differ(one, other) && differ(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("why is my card blocked", "why was my card blocked"),
            ("Who is the CEO of Apple?", "tell me the CEO of Apple"),
            ("is the key on or under the table", "is the key on the table"),
            ("the money on the account", "the money in the account"),
        ] {
            assert!(!differ(one, other) && !differ(other, one), "{one} {other}");
        }
    }

    #[test]
    fn an_order_that_is_added_is_counted() {
        let added = |text: &str| signature(text).added_orders;
        assert_eq!((added("cancel order 10423 and refund it"), added("cancel it, then track it and send it")), (1, 2));
        assert_eq!(
            (added("cancel order 10423"), added("visa and mastercard"), added("and then the refund")),
            (0, 0, 0)
        );
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
        assert!(size_of::<LexicalSignature>() <= 192);
    }
}
