//! What a vector cannot tell apart: a guard refuses a neighbour whatever its similarity.
//!
//! Numbers, ids, amounts and dates need no guard here: requests whose slots differ never meet (see `features`).

use crate::features::{Features, lexicon};
use crate::store::Signature;

/// Why a neighbour was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// One text holds an odd number of negations, the other an even one.
    Negation,
    /// One text holds one word of a pair ("enable"), the other its opposite ("disable").
    Antonym,
}

impl Guard {
    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negation => "negation",
            Self::Antonym => "antonym",
        }
    }
}

/// What the guards keep of a text.
pub fn signature(features: &Features) -> Signature {
    Signature { is_negated: features.negations % 2 == 1, antonym_sides: features.antonym_sides }
}

/// The first guard that refuses to serve one request with the answer to the other.
pub fn refuse(one: Signature, other: Signature) -> Option<Guard> {
    if one.is_negated != other.is_negated {
        Some(Guard::Negation)
    } else if lexicon::are_opposed(one.antonym_sides, other.antonym_sides) {
        Some(Guard::Antonym)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(one: &str, other: &str) -> Option<Guard> {
        let signature = |text| signature(&Features::of_text(text));
        refuse(signature(one), signature(other))
    }

    #[test]
    fn a_negation_on_one_side_is_refused() {
        assert_eq!(refused("Does it ship to Malta?", "Does it not ship to Malta?"), Some(Guard::Negation));
        assert_eq!(refused("I can't log in", "I cannot log in"), None);
    }

    #[test]
    fn opposite_words_are_refused() {
        assert_eq!(refused("turn on dark mode", "turn off dark mode"), Some(Guard::Antonym));
        assert_eq!(refused("cancel order", "track order"), Some(Guard::Antonym));
        assert_eq!(refused("turn on dark mode", "switch on dark mode"), None);
    }
}
