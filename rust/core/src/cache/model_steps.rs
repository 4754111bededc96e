//! What is done to the cache and its model, and what is asked of them.

use proptest::prelude::*;

use super::*;
use crate::request::Request;

/// Questions from this number on stand in one partition.
pub(super) const FIRST_FILLER: usize = 100;
const FILLERS: [&str; 10] =
    ["garden", "kitchen", "window", "harbour", "mountain", "engine", "teacher", "bridge", "lamp", "river"];

#[derive(Debug, Clone)]
pub(super) enum Step {
    Get(usize),
    Put { question: usize, length: usize, ttl_ms: Option<u64> },
    Wait(u64),
    Source(usize),
    Tag(usize),
    Tenant(usize),
    Wrong(usize),
    Clear,
    Compact,
    Reopen,
}

/// Questions that are alike in all ways that matter: wording, slots, negation, opposites, scope.
pub(super) fn question(number: usize) -> (String, Analysis) {
    let texts = [
        "cancel purchase 150351613775",
        "please cancel the purchase 150351613775",
        "Cancel  the purchase 150351613775!",
        "cancel purchase 150351613776",
        "track purchase 150351613775",
        "How do I turn on dark mode in the app?",
        "how do I turn on the dark mode in my app",
        "how do I turn off dark mode in the app",
        "don't turn on dark mode in the app",
        "Where is my order?",
        "where is my order",
        "Where's my order?",
        "\u{1f44d}",
    ];
    let filler = format!("Where is my {} of the other {}?", FILLERS[number / 10 % 10], FILLERS[number % 10]);
    let (text, rest) = match number.checked_sub(FIRST_FILLER) {
        None => (texts[number % texts.len()], number / texts.len()),
        Some(_) => (&*filler, 0),
    };
    let tenant = ["a", "b"][rest % 2];
    let system = ["", "You are kind."][rest / 2 % 2];
    let mut messages = vec![serde_json::json!({"role": "user", "content": text})];
    if !system.is_empty() {
        messages.insert(0, serde_json::json!({"role": "system", "content": system}));
    }
    let body = serde_json::json!({"messages": messages}).to_string();
    let scope = format!("{tenant} {system}");
    (scope, Analysis::new(Request::parse(body.into_bytes(), tenant, "").unwrap()))
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0usize..52).prop_map(Step::Get),
        12 => (0usize..52, 0usize..900, prop::option::of(1u64..200))
            .prop_map(|(question, length, ttl_ms)| Step::Put { question, length, ttl_ms }),
        3 => (1u64..60).prop_map(Step::Wait),
        1 => (0usize..5).prop_map(Step::Source),
        1 => (0usize..5).prop_map(Step::Tag),
        1 => (0usize..2).prop_map(Step::Tenant),
        2 => (0usize..52).prop_map(Step::Wrong),
        1 => Just(Step::Clear),
        2 => Just(Step::Compact),
        2 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..80)
}
