//! How hard a request looks, from its length and features. Provisional: a trained model takes its place.

use crate::features::Analysis;

/// Words at which length alone counts in full.
const LONG: f64 = 80.0;

/// How hard a request looks, in [0, 1]: 0 for a greeting, 1 for a long problem that asks for reasoning.
///
/// A weighted sum of six signals, each in [0, 1]. Set by hand; it has seen no labels. A fair baseline, for the length of
/// a prompt alone routes better than chance on public benchmarks.
pub fn complexity(analysis: &Analysis) -> f64 {
    let features = analysis.features();
    let shape = analysis.request().shape();
    let part = |count: usize, full: f64| (count as f64 / full).min(1.0);
    let steps = features.questions.saturating_sub(1).max(features.sentences.saturating_sub(2));
    let score = 0.35 * part(features.words, LONG)
        + 0.40 * part(features.reasoning_words, 3.0)
        + 0.20 * part(steps, 4.0)
        + 0.25 * f64::from(u8::from(features.has_code))
        + 0.10 * f64::from(u8::from(shape.tools > 0 || shape.wants_json))
        + 0.10 * (f64::from(shape.turns) / 12.0).min(1.0);
    score.min(1.0)
}
