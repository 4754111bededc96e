//! The word lists, read once from text that is compiled in.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// A set of lower-case words.
type Words = HashSet<&'static str>;

static NEGATIONS: LazyLock<Words> = LazyLock::new(|| words(include_str!("lexicon/negations.txt")));
static STALE: LazyLock<Words> = LazyLock::new(|| words(include_str!("lexicon/stale.txt")));
static REASONING: LazyLock<Words> = LazyLock::new(|| words(include_str!("lexicon/reasoning.txt")));
static ANTONYMS: LazyLock<HashMap<&'static str, u128>> = LazyLock::new(|| sides(include_str!("lexicon/antonyms.txt")));

fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn words(list: &'static str) -> Words {
    lines(list).collect()
}

/// Gives each pair two bits: even for its left word, odd for its right one.
fn sides(list: &'static str) -> HashMap<&'static str, u128> {
    let mut sides = HashMap::new();
    for (pair, line) in lines(list).enumerate() {
        debug_assert!(pair < 64, "128 bits hold 64 pairs");
        if let Some((left, right)) = line.split_once(' ') {
            *sides.entry(left).or_default() |= 1 << (2 * pair);
            *sides.entry(right).or_default() |= 1 << (2 * pair + 1);
        }
    }
    sides
}

/// Whether the word turns a statement round.
pub fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(word) || word.ends_with("n't")
}

/// Whether the word makes an answer go out of date soon.
pub fn is_stale(word: &str) -> bool {
    STALE.contains(word)
}

/// Whether the word asks for thought.
pub fn is_reasoning(word: &str) -> bool {
    REASONING.contains(word)
}

/// The sides of antonym pairs that the word stands on: bit 2p for the left of pair p, 2p + 1 for the right.
pub fn antonym_sides(word: &str) -> u128 {
    ANTONYMS.get(word).copied().unwrap_or_default()
}

/// Whether some pair has only its left word in one text and only its right word in the other.
pub fn are_opposed(one: u128, other: u128) -> bool {
    const LEFT: u128 = 0x5555_5555_5555_5555_5555_5555_5555_5555;
    // A text that holds both words of a pair ("not on Monday but off") stands on no side of it.
    let sided = |sides: u128| {
        let both = sides & LEFT & (sides >> 1);
        sides & !(both | both << 1)
    };
    let (one, other) = (sided(one), sided(other));
    (one & LEFT) & ((other >> 1) & LEFT) != 0 || (other & LEFT) & ((one >> 1) & LEFT) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_hold_what_they_should() {
        assert!(is_negation("not") && is_negation("shouldn't") && !is_negation("note"));
        assert!(is_stale("today") && is_reasoning("prove"));
        assert!(lines(include_str!("lexicon/antonyms.txt")).count() <= 64);
        assert!(lines(include_str!("lexicon/antonyms.txt")).all(|line| line.split(' ').count() == 2));
    }

    #[test]
    fn opposed_words_oppose_either_way_and_both_words_do_not() {
        let (on, off) = (antonym_sides("on"), antonym_sides("off"));

        assert!(are_opposed(on, off) && are_opposed(off, on));
        assert!(!are_opposed(on, on) && !are_opposed(on | off, off) && !are_opposed(on, 0));
    }
}
