//! Rules: the first whose condition holds decides.

use serde::Deserialize;

use crate::features::Analysis;

/// One line of `routing.rules`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    name: Option<String>,
    when: Condition,
    #[serde(rename = "use")]
    target: String,
}

/// Every part that is set has to hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Condition {
    min_tokens: Option<u32>,
    max_tokens: Option<u32>,
    min_turns: Option<u32>,
    has_code: Option<bool>,
    has_tools: Option<bool>,
    has_media: Option<bool>,
    wants_json: Option<bool>,
    contains_any: Option<Vec<String>>,
    tenants: Option<Vec<String>>,
}

impl Rule {
    /// A model's name, or a tier.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// What the reasons call it.
    pub(super) fn describe(&self) -> String {
        self.name.as_ref().map_or_else(|| "a rule".to_owned(), |name| format!("rule {name:?}"))
    }

    /// Whether it decides this request. What costs least is asked first.
    pub(super) fn holds(&self, analysis: &Analysis) -> bool {
        let Condition { min_tokens, max_tokens, min_turns, has_code, has_tools, has_media, wants_json, .. } = self.when;
        let request = analysis.request();
        let shape = request.shape();
        is(has_tools, || shape.tools > 0)
            && is(has_media, || shape.media > 0)
            && is(wants_json, || shape.wants_json)
            && min_turns.is_none_or(|least| shape.turns >= least)
            && self.when.tenants.as_ref().is_none_or(|tenants| tenants.iter().any(|name| name == request.tenant()))
            && is(has_code, || analysis.features().has_code)
            && self.when.contains_any.as_ref().is_none_or(|words| contains_any(request.text(), words))
            && min_tokens.is_none_or(|least| analysis.input_tokens() >= least)
            && max_tokens.is_none_or(|most| analysis.input_tokens() <= most)
    }
}

fn is(wanted: Option<bool>, fact: impl FnOnce() -> bool) -> bool {
    wanted.is_none_or(|wanted| wanted == fact())
}

fn contains_any(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(&word.to_lowercase()))
}
