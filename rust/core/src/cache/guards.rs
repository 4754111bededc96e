//! What a vector cannot tell apart: a guard refuses a neighbour whatever its similarity.
//!
//! Numbers, ids, amounts, dates and signs need no guard here: requests whose literals differ never meet (see `features`).

use crate::features::{LexicalSignature, lexicon};

/// Why a neighbour was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// One text holds an odd number of negations, the other an even one.
    Negation,
    /// One text holds one word of a pair ("enable"), the other its opposite ("disable").
    Antonym,
    /// The two name the same objects the other way round: "from A to B", "from B to A".
    Direction,
    /// The two hold the same words in another order: "does Alice owe Bob", "does Bob owe Alice".
    Order,
    /// Each has a content word that the other one lacks: "translate it to French", "translate it to German".
    Word,
    /// One asks why, when, who, where, how many or whether, and the other something else: "my card is blocked", "is my card
    /// blocked?".
    Question,
    /// The two mean other persons: "what is my name", "what is your name".
    Person,
    /// One waits for what the other asks for: "I'm waiting for a refund of $5", "refund $5".
    Waiting,
    /// The two differ in a small word: "who is", "who was"; "on", "under"; "and", "or".
    Function,
    /// One adds an order that the other lacks: "cancel it", "cancel it and refund it".
    Clause,
    /// Somebody said that this entry's request is another one.
    MarkedWrong,
}

impl Guard {
    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negation => "negation",
            Self::Antonym => "antonym",
            Self::Direction => "direction",
            Self::Order => "order",
            Self::Word => "word",
            Self::Question => "question",
            Self::Person => "person",
            Self::Waiting => "waiting",
            Self::Function => "function",
            Self::Clause => "clause",
            Self::MarkedWrong => "marked_wrong",
        }
    }
}

/// Words up to which a threshold holds as it is.
const SHORT: usize = 8;

/// Share of a text's words that the embedder has to know before its vector is trusted as it is.
pub(super) const KNOWN: f32 = 0.5;

/// Least similarity for a text of which the embedder knows less: then only nearly the same words are the same request.
const UNKNOWN_FLOOR: f32 = 0.999;

/// Words from which on two texts have to be the same but for case and punctuation: the change of one word is then below
/// what 32 bits tell of a cosine near 1.
pub const LONG: usize = 1_000;

/// The least similarity for a hit on a text of so many words, where `floor` is the least for a short one of which the
/// embedder knows enough (`coverage`, in [0, 1]).
///
/// One word of n moves the cosine by about 1/n²: "... to Iceland ..." and "... to Norway ..." have .957 among 30 words, .998
/// among 200, .99997 among 2,000. What may differ is held constant in words, so the distance that `floor` allows shrinks
/// with the square of the length. Where it shrank with the length, any one word of 400 could change; the sample traffic then
/// had 246 right hits and 1 wrong one, now 243 and none.
pub fn threshold(floor: f32, words: usize, coverage: f32) -> f32 {
    let floor = if coverage < KNOWN { floor.max(UNKNOWN_FLOOR) } else { floor };
    let share = SHORT as f32 / words.max(SHORT) as f32;
    1.0 - (1.0 - floor) * share * share
}

/// The first guard that refuses to serve one request with the answer to the other.
pub fn refuse(one: &LexicalSignature, other: &LexicalSignature) -> Option<Guard> {
    if one.is_negated != other.is_negated {
        Some(Guard::Negation)
    } else if lexicon::are_opposed(one.antonym_sides, other.antonym_sides) {
        Some(Guard::Antonym)
    } else if one.is_turned(other) {
        Some(Guard::Direction)
    } else if one.is_rearranged(other) {
        Some(Guard::Order)
    } else if one.asks != other.asks {
        Some(Guard::Question)
    } else if one.means_others(other) {
        Some(Guard::Person)
    } else if one.replaces_a_word(other) {
        Some(Guard::Word)
    } else if one.is_waiting != other.is_waiting {
        Some(Guard::Waiting)
    } else if one.differs_in_function(other) {
        Some(Guard::Function)
    } else if one.added_orders != other.added_orders {
        Some(Guard::Clause)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;

    fn refused(one: &str, other: &str) -> Option<Guard> {
        let signature = |text| Features::of_text(text).signature;
        refuse(&signature(one), &signature(other))
    }

    #[test]
    fn a_negation_on_one_side_is_refused() {
        assert_eq!(refused("Does it ship to Malta?", "Does it not ship to Malta?"), Some(Guard::Negation));
        assert_eq!(refused("I can't log in", "I cannot log in"), None);
        assert_eq!(refused("delete all but the photos", "delete all the photos"), Some(Guard::Negation));
        assert_eq!(refused("order 10423 was delivered", "order 10423 failed to be delivered"), Some(Guard::Negation));
    }

    #[test]
    fn a_longer_text_has_to_be_closer() {
        assert!((threshold(0.9, 3, 1.0) - 0.9).abs() < 1e-6);
        assert!((threshold(0.9, SHORT, 1.0) - 0.9).abs() < 1e-6);
        assert!((threshold(0.9, 2 * SHORT, 1.0) - 0.975).abs() < 1e-6);
        assert!((threshold(-1.0, 4 * SHORT, 1.0) - 0.875).abs() < 1e-6);
    }

    #[test]
    fn a_text_that_the_embedder_does_not_know_has_to_be_nearly_the_same() {
        assert!((threshold(0.7, 3, 0.2) - UNKNOWN_FLOOR).abs() < 1e-6);
        assert!((threshold(0.9995, 3, 0.2) - 0.9995).abs() < 1e-6);
    }

    #[test]
    fn opposite_words_are_refused() {
        assert_eq!(refused("turn on dark mode", "turn off dark mode"), Some(Guard::Antonym));
        assert_eq!(refused("cancel order", "track order"), Some(Guard::Antonym));
        assert_eq!(refused("turn on dark mode", "please turn on the dark mode"), None);
    }

    #[test]
    fn exchanged_objects_are_refused() {
        let there = "How do I migrate from Postgres to MySQL?";
        assert_eq!(refused(there, "How do I migrate from MySQL to Postgres?"), Some(Guard::Direction));
        assert_eq!(refused(there, "I want to migrate to MySQL from Postgres"), None);
    }

    #[test]
    fn exchanged_names_are_refused() {
        assert_eq!(refused("Does Alice owe Bob money?", "Does Bob owe Alice money?"), Some(Guard::Order));
        assert_eq!(refused("Will the dog bite the man?", "Will the man bite the dog?"), Some(Guard::Order));
        assert_eq!(refused("Does Alice owe Bob money?", "does Alice owe Bob some money"), None);
    }

    #[test]
    fn another_word_in_place_of_one_is_refused() {
        assert_eq!(refused("translate it to French", "translate it to German"), Some(Guard::Word));
        assert_eq!(refused("cancel my order", "cancel my order today"), None);
    }

    #[test]
    fn another_question_is_refused() {
        assert_eq!(refused("My card is blocked", "Is my card blocked?"), Some(Guard::Question));
        assert_eq!(refused("cancel order 10423", "why did you cancel order 10423"), Some(Guard::Question));
        for same in ["can I cancel order 10423?", "how do I cancel order 10423", "please cancel the order 10423"] {
            assert_eq!(refused("cancel order 10423", same), None, "{same}");
        }
        assert_eq!(refused("Where's my order?", "where is my order"), None);
    }

    #[test]
    fn other_persons_are_refused() {
        assert_eq!(refused("What is my name?", "What is your name?"), Some(Guard::Person));
        assert_eq!(refused("cancel my order", "can you cancel my order"), None);
    }

    #[test]
    fn a_small_word_that_differs_is_refused() {
        assert_eq!(refused("Who is the CEO of Apple?", "Who was the CEO of Apple?"), Some(Guard::Function));
        assert_eq!(refused("Is the key on the table?", "Is the key under the table?"), Some(Guard::Function));
        assert_eq!(refused("the red and the blue one", "the red or the blue one"), Some(Guard::Function));
        assert_eq!(refused("Who is the CEO of Apple?", "who's the CEO of Apple"), None);
    }

    #[test]
    fn an_order_that_only_one_adds_is_refused() {
        assert_eq!(refused("cancel order 10423", "cancel order 10423 and refund it"), Some(Guard::Clause));
        assert_eq!(refused("cancel order 10423 and refund it", "please cancel order 10423 and refund it"), None);
    }

    #[test]
    fn waiting_is_not_asking() {
        assert_eq!(refused("refund me $5", "I'm waiting for a refund of $5"), Some(Guard::Waiting));
        assert_eq!(refused("I expect a refund of $5", "I'm waiting for a refund of $5"), None);
    }
}
