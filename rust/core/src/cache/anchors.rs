//! What was served wrongly, so that it is not served so again.

use std::collections::{HashSet, VecDeque};

/// Pairs of requests that are not the same, because somebody said so. The oldest goes first.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    pairs: HashSet<(u128, u128)>,
    order: VecDeque<(u128, u128)>,
}

/// Most pairs kept: half a megabyte.
const MOST: usize = 8_192;

/// What a pair takes: twice itself, a control byte, and the spare room of both tables.
const BYTES_PER_PAIR: usize = 96;

impl Anchors {
    /// Notes that the answer to one request is wrong for another. For the same request twice: that it is to be answered
    /// anew, and not with the answer to any other.
    pub(super) fn add(&mut self, one: u128, other: u128) {
        let pair = ordered(one, other);
        if self.pairs.insert(pair) {
            self.order.push_back(pair);
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.pairs.remove(&oldest);
            }
        }
    }

    /// Whether a request may not be served with the answer to another.
    pub(super) fn refuse(&self, asked: u128, answered: u128) -> bool {
        !self.pairs.is_empty()
            && (self.pairs.contains(&ordered(asked, answered)) || self.pairs.contains(&(asked, asked)))
    }

    /// Every pair, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u128, u128)> {
        self.order.iter().copied()
    }

    pub(super) fn bytes(&self) -> usize {
        self.order.len() * BYTES_PER_PAIR
    }
}

fn ordered(one: u128, other: u128) -> (u128, u128) {
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_refused_both_ways_and_no_other() {
        let mut anchors = Anchors::default();
        anchors.add(2, 1);

        assert!(anchors.refuse(1, 2) && anchors.refuse(2, 1));
        assert!(!anchors.refuse(1, 3) && !anchors.refuse(1, 1));
    }

    #[test]
    fn a_request_that_is_to_be_answered_anew_takes_no_answer_of_another() {
        let mut anchors = Anchors::default();
        anchors.add(1, 1);

        assert!(anchors.refuse(1, 2) && !anchors.refuse(2, 1));
    }

    #[test]
    fn the_oldest_pair_is_forgotten_first() {
        let mut anchors = Anchors::default();
        for number in 0..=MOST as u128 {
            anchors.add(number, u128::MAX);
        }

        assert!(!anchors.refuse(0, u128::MAX) && anchors.refuse(1, u128::MAX));
        assert_eq!((anchors.pairs.len(), anchors.order.len()), (MOST, MOST));
    }
}
