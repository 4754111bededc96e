//! What a look-up gives: a hit with its reasons, or an explanation.

use std::sync::Arc;

use super::Entry;
use super::guards::Guard;
use crate::store::Answer;

/// Which tier found the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitKind {
    /// The same request, in canonical form.
    Exact,
    /// A request that means the same.
    Semantic,
}

impl HitKind {
    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Semantic => "semantic",
        }
    }
}

/// An entry found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Which tier found it.
    pub kind: HitKind,
    /// What is served.
    pub entry: Arc<Entry>,
    /// Fingerprint of the request that it is served to.
    pub asked: u128,
    /// Cosine of the two requests; 1 for an exact hit.
    pub similarity: f32,
    /// How long ago it was made, in milliseconds.
    pub age_ms: u64,
    /// The floor that the similarity had to reach; `None` for an exact hit.
    pub threshold: Option<f32>,
}

impl Hit {
    /// The answer.
    pub fn answer(&self) -> &Answer {
        &self.entry.answer
    }

    /// Which entry it is.
    pub fn entry_id(&self) -> u128 {
        self.entry.id
    }

    /// Why it was served, for people.
    pub fn reasons(&self) -> Vec<String> {
        let age_s = self.age_ms as f64 / 1e3;
        match self.threshold {
            None => vec![format!("the same request was answered {age_s:.1} s ago")],
            Some(threshold) => vec![
                format!("a request that means the same was answered {age_s:.1} s ago"),
                format!("similarity {:.3} >= {threshold:.3}, same slots, no guard refused", self.similarity),
            ],
        }
    }
}

/// A neighbour that the semantic tier looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Which entry it is.
    pub entry_id: u128,
    /// Cosine of the two requests.
    pub similarity: f32,
    /// The guard that refused it; `None` where it may be served, if it is similar enough.
    pub refused_by: Option<Guard>,
}

/// What a look-up would do, and why.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The entry that would be served.
    pub hit: Option<Hit>,
    /// The neighbours in the request's own partition, nearest first, however far; empty where the exact tier hit.
    pub candidates: Vec<Candidate>,
    /// The floor that their similarity has to reach.
    pub threshold: f32,
    /// Whether the request may be compared by meaning.
    pub is_semantic: bool,
}
