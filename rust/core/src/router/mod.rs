//! Which model should answer: rules first, then how hard the request looks.
//!
//! The router never sees the cache. It gives an ordered list of candidates, so that whoever dispatches has somewhere to
//! go when the first one fails, and the reasons in words.

mod heuristic;
mod rules;

use serde::Deserialize;

pub use self::heuristic::complexity;
use self::rules::Rule;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Analysis;
use crate::meter::Price;

/// Output tokens that a cost is expected for, where the request sets no lower limit.
const EXPECTED_OUTPUT_TOKENS: u32 = 256;

/// How capable, and how dear, a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// For requests that are easy.
    Weak,
    /// In between.
    Medium,
    /// For requests that are hard.
    Strong,
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Medium => "medium",
            Self::Strong => "strong",
        }
    }
}

/// A model that may be chosen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    name: String,
    tier: Tier,
    /// Tokens that request and answer may have together.
    context_window: u64,
    price: Option<Price>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thresholds {
    medium: f64,
    strong: f64,
}

/// Models, rules and thresholds, read from the `routing` and `models` blocks of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    models: Vec<Model>,
    #[serde(default)]
    rules: Vec<Rule>,
    thresholds: Thresholds,
}

/// Which models may take a request, best first, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteDecision {
    /// Names of models, best first; at least one.
    pub candidates: Vec<String>,
    /// What the choice rests on, in [0, 1]; empty where nothing was scored.
    pub complexity: Option<f64>,
    /// Why, for people.
    pub reasons: Vec<String>,
    /// What the first candidate is expected to cost, in nano-dollars; `None` where it has no price.
    pub expected_cost_nano: Option<u64>,
}

impl RouteDecision {
    /// The model to ask first.
    pub fn model(&self) -> &str {
        self.candidates.first().map_or("", String::as_str)
    }
}

impl Router {
    /// Reads and checks a router's JSON form.
    ///
    /// # Errors
    /// `Config` where the JSON is not of this form, two models share a name, a rule names neither a model nor a tier,
    /// or the thresholds are not in order.
    pub fn from_json(json: &str) -> Result<Self> {
        let fault = |context: String| Error::new(ErrorKind::Config, context);
        let router: Self = serde_json::from_str(json).map_err(|error| fault(format!("routing: {error}")))?;
        if router.models.is_empty() {
            return Err(fault("models: none is configured; at least one is needed to route to".to_owned()));
        }
        for (position, model) in router.models.iter().enumerate() {
            if model.name == "auto" || router.models[..position].iter().any(|other| other.name == model.name) {
                return Err(fault(format!("models: the name {:?} is taken", model.name)));
            }
        }
        for rule in &router.rules {
            if router.targets(rule.target()).next().is_none() {
                return Err(fault(format!(
                    "routing.rules: use: {:?} is neither a configured model nor a tier that one has",
                    rule.target()
                )));
            }
        }
        let Thresholds { medium, strong } = router.thresholds;
        if !(0.0 <= medium && medium <= strong && strong <= 1.0) {
            let context = format!("routing.thresholds: expected 0 <= medium <= strong <= 1, got {medium} and {strong}");
            return Err(fault(context));
        }
        Ok(router)
    }

    /// Chooses the models for a request.
    ///
    /// # Errors
    /// `NoCandidate` where the request names a model that is not configured, or is too long for every one; the message
    /// says why each was refused.
    pub fn route(&self, analysis: &Analysis) -> Result<RouteDecision> {
        let asked = analysis.request().model();
        if asked != "auto" {
            return self.named(asked, analysis);
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.holds(analysis)) {
            let chosen: Vec<&Model> = self.targets(rule.target()).collect();
            let tier = chosen.first().map_or(Tier::Strong, |model| model.tier);
            let rest = self.starting_at(tier).filter(|model| !chosen.iter().any(|other| other.name == model.name));
            let ordered = chosen.iter().copied().chain(rest);
            return self.decide(ordered, None, vec![rule.reason()], analysis);
        }
        let complexity = complexity(analysis);
        let Thresholds { medium, strong } = self.thresholds;
        let tier = match complexity {
            c if c >= strong => Tier::Strong,
            c if c >= medium => Tier::Medium,
            _ => Tier::Weak,
        };
        let reason =
            format!("complexity {complexity:.2} -> {} (medium from {medium:.2}, strong from {strong:.2})", tier.name());
        self.decide(self.starting_at(tier), Some(complexity), vec![reason], analysis)
    }

    fn named(&self, asked: &str, analysis: &Analysis) -> Result<RouteDecision> {
        let found = self.models.iter().find(|model| model.name == asked);
        let Some(model) = found else {
            let names: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            // Who sends a text in place of a name does not find all of it in a log.
            let asked: String = asked.chars().take(60).collect();
            let context = format!("model {asked:?} is not configured; use \"auto\" or one of: {}", names.join(", "));
            return Err(Error::new(ErrorKind::NoCandidate, context));
        };
        self.decide(std::iter::once(model), None, vec![format!("the request names {asked}")], analysis)
    }

    /// Models with this name, or of this tier.
    fn targets<'a>(&'a self, target: &'a str) -> impl Iterator<Item = &'a Model> {
        let is_name = self.models.iter().any(|model| model.name == target);
        self.models.iter().filter(move |model| if is_name { model.name == target } else { model.tier.name() == target })
    }

    /// All models: those of this tier, then stronger ones upwards, then weaker ones downwards.
    fn starting_at(&self, tier: Tier) -> impl Iterator<Item = &Model> {
        let mut order: Vec<&Model> = self.models.iter().collect();
        let distance = |model: &Model| {
            let (from, to) = (tier as i32, model.tier as i32);
            if to >= from { to - from } else { 10 + from - to }
        };
        order.sort_by_key(|model| distance(model));
        order.into_iter()
    }

    /// Leaves out the models whose context window is too short, and notes why.
    fn decide<'a>(
        &self,
        ordered: impl Iterator<Item = &'a Model>,
        complexity: Option<f64>,
        mut reasons: Vec<String>,
        analysis: &Analysis,
    ) -> Result<RouteDecision> {
        let input = analysis.input_tokens();
        let limit = analysis.request().shape().max_output_tokens;
        let needed = u64::from(input) + u64::from(limit.unwrap_or(0));
        let mut fitting = Vec::with_capacity(self.models.len());
        for model in ordered {
            if model.context_window >= needed {
                fitting.push(model);
            } else {
                let Model { name, context_window, .. } = model;
                reasons.push(format!("{name} left out: {needed} tokens > its window of {context_window}"));
            }
        }
        let Some(first) = fitting.first() else {
            let context = format!("no model can take the request: {}", reasons.join("; "));
            return Err(Error::new(ErrorKind::NoCandidate, context));
        };
        let output = limit.map_or(EXPECTED_OUTPUT_TOKENS, |limit| limit.min(EXPECTED_OUTPUT_TOKENS));
        let expected_cost_nano = first.price.map(|price| price.cost_nano(input.into(), output.into(), 0));
        let candidates = fitting.iter().map(|model| model.name.clone()).collect();
        Ok(RouteDecision { candidates, complexity, reasons, expected_cost_nano })
    }
}

#[cfg(test)]
mod tests;
