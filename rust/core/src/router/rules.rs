//! Rules: the first whose condition holds decides.

use serde::Deserialize;

use super::complexity;
use crate::features::Analysis;

/// One line of `routing.rules`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    name: String,
    /// Any of them has to hold.
    when: Vec<Condition>,
    #[serde(rename = "use")]
    target: String,
}

/// Every part that is set has to hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Condition {
    has_code: Option<bool>,
    has_tools: Option<bool>,
    is_question: Option<bool>,
    wants_json: Option<bool>,
    min_turns: Option<u32>,
    min_tokens: Option<u32>,
    max_tokens: Option<u32>,
    min_complexity: Option<f64>,
    max_complexity: Option<f64>,
}

impl Rule {
    /// A model's name, or a tier.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// What the reasons say when it decides.
    pub(super) fn reason(&self) -> String {
        format!("rule {:?} -> {}", self.name, self.target)
    }

    /// Whether it decides this request.
    pub(super) fn holds(&self, analysis: &Analysis) -> bool {
        self.when.iter().any(|condition| condition.holds(analysis))
    }
}

impl Condition {
    /// What costs least is asked first.
    fn holds(&self, analysis: &Analysis) -> bool {
        let shape = analysis.request().shape();
        is(self.has_tools, || shape.tools > 0)
            && is(self.wants_json, || shape.wants_json)
            && self.min_turns.is_none_or(|least| shape.turns >= least)
            && is(self.has_code, || analysis.features().has_code)
            && is(self.is_question, || analysis.features().is_question)
            && self.min_complexity.is_none_or(|least| complexity(analysis) >= least)
            && self.max_complexity.is_none_or(|most| complexity(analysis) <= most)
            && self.min_tokens.is_none_or(|least| analysis.input_tokens() >= least)
            && self.max_tokens.is_none_or(|most| analysis.input_tokens() <= most)
    }
}

fn is(wanted: Option<bool>, fact: impl FnOnce() -> bool) -> bool {
    wanted.is_none_or(|wanted| wanted == fact())
}
