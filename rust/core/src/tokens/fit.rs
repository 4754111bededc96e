//! Fitting a conversation into a context window: what matters stays, the middle goes first.

use std::collections::HashSet;

use super::cut::Keep;
use super::json::{Body, Json};
use super::models::Family;
use super::request::{Tally, TokenCount};
use crate::error::{Error, ErrorKind, Result};

/// What may happen to the turns in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Whole turns are dropped, the oldest first.
    Drop,
    /// The same, but the last turn to go is shortened into the room that is left.
    Shorten,
}

/// What was done to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The message's place in the request.
    pub index: usize,
    /// What is left of its content; `None` if the message was dropped.
    pub content: Option<String>,
    /// Its tokens before, framing included, in the encoding that the model is counted in.
    pub tokens_before: usize,
    /// Its tokens afterwards.
    pub tokens_after: usize,
}

/// A conversation that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The count of the request before.
    pub before: TokenCount,
    /// The tokens of the request now; at most the budget, an estimate's error band included.
    pub tokens: usize,
    /// What was cut, in the order of the messages. All others stay as they are.
    pub cuts: Vec<Cut>,
}

/// Stands where the middle of a message was.
const GAP: &str = "\n[...]\n";

/// A turn is not worth shortening into fewer tokens than this.
const LEAST: usize = 48;

/// Cuts a request until it has at most `max_tokens - reserve` tokens.
///
/// System and developer messages, tools and the last turn (from the last user message on) always stay. A tool call and its
/// results stay or go together. For models that are counted by estimate the upper bound must fit. O(messages + text).
pub fn fit(body: &[u8], model: &str, max_tokens: usize, reserve: usize, policy: Policy) -> Result<Fit> {
    if reserve >= max_tokens {
        let message = format!("reserve={reserve} leaves nothing of max_tokens={max_tokens}; it must be less");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let budget = max_tokens - reserve;
    let body = Body::read(body)?;
    let body = body.root();
    let tally = Tally::of(body, model)?;
    let model = if model.is_empty() { body.text_of("model").unwrap_or_default() } else { model };
    let before = tally.total();
    let messages: Vec<Json> = body.items_of("messages").collect();
    let turns = Turns::of(&messages);

    // All that is not a message's own text keeps its share of the upper bound whatever is cut.
    let factor = tally.factors().1;
    let with_factor = |tokens: usize| (tokens as f64 * factor).ceil();
    let all: usize = tally.messages.iter().sum::<usize>() + tally.rest;
    let slack = (before.upper as f64 - with_factor(all)).max(0.0);
    let needs = |tokens: usize| super::request::scaled(1, with_factor(tokens) + slack);

    let mut kept = all;
    let mut dropped = 0;
    while needs(kept) > budget && dropped < turns.middle.len() {
        kept -= turns.middle[dropped].iter().map(|&at| tally.messages[at]).sum::<usize>();
        dropped += 1;
    }
    if needs(kept) > budget {
        let least = needs(kept);
        let message = format!(
            "the system prompt, the tools and the last turn take {least} tokens, more than the budget of {budget}"
        );
        return Err(Error::new(ErrorKind::Config, format!("{message}; raise max_tokens or shorten them")));
    }
    let mut cuts: Vec<Cut> =
        turns.middle[..dropped].iter().flatten().map(|&index| Cut::dropped(index, tally.messages[index])).collect();
    if policy == Policy::Shorten && dropped > 0 {
        let last = &turns.middle[dropped - 1];
        if let Some(shortened) =
            shorten(&messages, last, &tally.messages, model, &|extra| needs(kept + extra) <= budget)
        {
            kept += shortened.iter().map(|cut| cut.tokens_after).sum::<usize>();
            let untouched: Vec<usize> =
                last.iter().copied().filter(|at| shortened.iter().all(|cut| cut.index != *at)).collect();
            kept += untouched.iter().map(|&at| tally.messages[at]).sum::<usize>();
            cuts.retain(|cut| !last.contains(&cut.index));
            cuts.extend(shortened);
        }
    }
    cuts.sort_by_key(|cut| cut.index);
    let tokens = if cuts.is_empty() { before.upper } else { needs(kept) };
    Ok(Fit { before, tokens, cuts })
}

impl Cut {
    fn dropped(index: usize, tokens: usize) -> Self {
        Self { index, content: None, tokens_before: tokens, tokens_after: 0 }
    }
}

/// Shortens the contents of a turn's messages so that the turn has room; `None` if that leaves too little of it.
fn shorten(
    messages: &[Json],
    turn: &[usize],
    tokens: &[usize],
    model: &str,
    has_room: &dyn Fn(usize) -> bool,
) -> Option<Vec<Cut>> {
    let encoding = Family::of(model).encoding();
    // The texts that may be shortened, with their counts; all else of the turn stays as it is.
    let texts: Vec<(usize, &str, usize)> = turn
        .iter()
        .filter_map(|&at| messages[at].text_of("content").map(|text| (at, text, encoding.count(text))))
        .filter(|&(.., count)| count > LEAST)
        .collect();
    let total: usize = texts.iter().map(|&(.., count)| count).sum();
    let fixed: usize = turn.iter().map(|&at| tokens[at]).sum::<usize>() - total;
    // The most that the texts may have together, by halving: what fits grows with it.
    let (mut low, mut high) = (0, total);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if has_room(fixed + middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let gap = encoding.count(GAP) + 2;
    let mut cuts = Vec::new();
    for (index, text, count) in texts {
        let share = (low * count / total.max(1)).saturating_sub(gap);
        if share < LEAST {
            return None;
        }
        let head = encoding.truncate(text, share * 2 / 3, Keep::Start);
        let tail = encoding.truncate(&text[head.len()..], share - share * 2 / 3, Keep::End);
        let content = format!("{head}{GAP}{tail}");
        let after = tokens[index] - count + encoding.count(&content);
        cuts.push(Cut { index, content: Some(content), tokens_before: tokens[index], tokens_after: after });
    }
    let after: usize = cuts.iter().map(|cut| cut.tokens_after).sum();
    let others: usize = turn.iter().filter(|at| cuts.iter().all(|cut| cut.index != **at)).map(|&at| tokens[at]).sum();
    (!cuts.is_empty() && has_room(after + others)).then_some(cuts)
}

/// The turns of a conversation that may go, oldest first.
struct Turns {
    middle: Vec<Vec<usize>>,
}

impl Turns {
    fn of(messages: &[Json]) -> Self {
        let answered: HashSet<&str> = messages.iter().copied().flat_map(answers).collect();
        let mut open: HashSet<&str> = HashSet::new();
        let mut turns: Vec<Vec<usize>> = Vec::new();
        for (at, &message) in messages.iter().enumerate() {
            let role = message.text_of("role").unwrap_or_default();
            if matches!(role, "system" | "developer") {
                continue;
            }
            // A user message begins a turn, unless it carries the results of a call or a call waits for one.
            let begins = role == "user" && open.is_empty() && answers(message).next().is_none();
            match turns.last_mut() {
                Some(turn) if !begins => turn.push(at),
                _ => turns.push(vec![at]),
            }
            open.extend(calls(message).filter(|id| answered.contains(id)));
            for id in answers(message) {
                open.remove(id);
            }
        }
        turns.pop();
        Self { middle: turns }
    }
}

/// The ids of the calls that a message makes, in OpenAI's and in Anthropic's shape.
fn calls(message: Json<'_>) -> impl Iterator<Item = &str> {
    let used = message.items_of("content").filter(|part| part.text_of("type") == Some("tool_use"));
    message.items_of("tool_calls").chain(used).filter_map(|call| call.text_of("id"))
}

/// The ids of the calls whose results a message carries.
fn answers(message: Json<'_>) -> impl Iterator<Item = &str> {
    let results = message.items_of("content").filter_map(|part| part.text_of("tool_use_id"));
    message.text_of("tool_call_id").into_iter().chain(results)
}
