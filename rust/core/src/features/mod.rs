//! One pass over the text of a request: what it is about, in numbers that the cache's guards and the router read.
//!
//! Provisional in its fields, final in its place: [`Features`] is computed once a request, by [`Analysis`], when the
//! exact tier has missed.

mod analysis;
pub mod lexicon;
mod slots;

pub use self::analysis::Analysis;
pub use self::slots::{Slot, SlotKind, Slots};
use crate::request::Request;

/// What one pass over the last user turn found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// Characters (Unicode scalar values).
    pub chars: usize,
    /// Words.
    pub words: usize,
    /// Sentences, by their end marks; at least 1 where there are words.
    pub sentences: usize,
    /// Question marks.
    pub questions: usize,
    /// Whether the text asks something.
    pub is_question: bool,
    /// Whether the text holds program code.
    pub has_code: bool,
    /// Words that turn a statement round.
    pub negations: usize,
    /// Words that ask for thought rather than for a fact.
    pub reasoning_words: usize,
    /// Words after which an answer is soon out of date.
    pub stale_words: usize,
    /// Sides of antonym pairs, two bits a pair.
    pub antonym_sides: u128,
    /// Slots and frame.
    pub slots: Slots,
}

impl Features {
    /// Reads the last user turn of a request. Cost grows with its length.
    pub fn extract(request: &Request) -> Self {
        Self::of_text(request.text())
    }

    /// Reads a text in canonical form.
    pub fn of_text(text: &str) -> Self {
        let mut features = Self { chars: text.chars().count(), slots: Slots::find(text), ..Self::default() };
        let mut word = String::new();
        let mut first = None;
        for raw in text.split([' ', '/']) {
            let raw = raw.trim_matches(|c: char| !c.is_alphanumeric());
            if raw.is_empty() {
                continue;
            }
            features.words += 1;
            word.clear();
            word.extend(raw.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }));
            first.get_or_insert_with(|| is_question_word(&word));
            features.negations += usize::from(lexicon::is_negation(&word));
            features.reasoning_words += usize::from(lexicon::is_reasoning(&word));
            features.stale_words += usize::from(lexicon::is_stale(&word));
            features.antonym_sides |= lexicon::antonym_sides(&word);
        }
        features.questions = text.matches('?').count();
        features.is_question = features.questions > 0 || first == Some(true);
        features.sentences = sentences(text).max(usize::from(features.words > 0));
        features.has_code = has_code(text);
        features
    }
}

fn is_question_word(word: &str) -> bool {
    const WORDS: [&str; 21] = [
        "what", "who", "whom", "whose", "when", "where", "which", "why", "how", "is", "are", "was", "do", "does",
        "did", "can", "could", "will", "would", "should", "may",
    ];
    WORDS.contains(&word)
}

/// End marks followed by a blank or the end: the points in "3.5" and "e.g.x" end nothing.
fn sentences(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends =
        |at: usize| matches!(bytes[at], b'.' | b'!' | b'?') && bytes.get(at + 1).is_none_or(|&next| next == b' ');
    (0..bytes.len()).filter(|&at| ends(at)).count()
}

fn has_code(text: &str) -> bool {
    const SIGNS: [&str; 10] =
        ["()", "):", "};", "=> {", "==", "</", "#include", "= function", "console.log", "Traceback ("];
    const WORDS: [&str; 6] = ["def ", "fn ", "class ", "import ", "return ", "SELECT "];
    let count = |marks: &[&str]| marks.iter().filter(|mark| text.contains(**mark)).count();
    // Words alone prove nothing ("import duties", "return shoes"); a fence is enough alone.
    let signs = count(&SIGNS);
    text.contains("```") || signs >= 2 || signs == 1 && count(&WORDS) >= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_counted_in_characters_words_and_sentences() {
        let features = Features::of_text("Where is my café order? It isn't here. Now 3.5 days late!");

        assert_eq!((features.chars, features.words, features.sentences), (57, 12, 3));
        assert!(features.is_question);
        assert_eq!((features.negations, features.stale_words, features.questions), (1, 1, 1));
    }

    #[test]
    fn code_is_told_from_prose() {
        assert!(Features::of_text("Fix this: def f(): return g()").has_code);
        assert!(Features::of_text("```x```").has_code);
        assert!(!Features::of_text("Do I pay import duties when I return shoes?").has_code);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(Features::of_text(""), Features::default());
    }
}
