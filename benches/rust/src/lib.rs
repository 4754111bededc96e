//! Seeded workloads that every benchmark draws from: the same on every machine and in every run.

use compound_fast_core::error::Result;
use compound_fast_core::features::Analysis;
use compound_fast_core::request::Request;
use compound_fast_core::store::{Answer, Form};

const VERBS: [&str; 8] = ["cancel", "track", "change", "return", "pay", "find", "review", "collect"];
const NOUNS: [&str; 8] = ["order", "invoice", "parcel", "refund", "address", "account", "voucher", "booking"];
const PLACES: [&str; 8] =
    ["the app", "your shop", "my phone", "Lisbon", "the website", "a letter", "Malta", "the depot"];

/// `SplitMix64`: eight lines in place of a dependency; not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in [-1, 1).
    pub fn signed(&mut self) -> f32 {
        // The upper 24 bits are what an f32 holds.
        (self.next_u64() >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

/// The question of that number: a pure function of it, with one order number, so that distinct numbers are distinct
/// requests.
pub fn question(number: u64) -> String {
    let mut random = Random::new(number);
    let mut pick = |words: [&'static str; 8]| words[(random.next_u64() % 8) as usize];
    format!(
        "Hello, how do I {} the {} number {} that I placed through {}? I would like to know what it costs.",
        pick(VERBS),
        pick(NOUNS),
        100_000 + number,
        pick(PLACES)
    )
}

/// A question without a number, so that all of them meet in one partition of the semantic tier.
pub fn question_without_slots(number: u64) -> String {
    let mut random = Random::new(number);
    let words: Vec<String> = (0..6).map(|_| format!("w{}", letters(random.next_u64()))).collect();
    format!("Where do I find {} and what does it mean for me?", words.join(" "))
}

/// Six letters, so that no digit makes a slot.
fn letters(mut number: u64) -> String {
    (0..6)
        .map(|_| {
            let letter = char::from(b'a' + (number % 26) as u8);
            number /= 26;
            letter
        })
        .collect()
}

/// A chat-completion body with `question` as its last turn after a system prompt.
pub fn body(question: &str) -> Vec<u8> {
    format!(
        r#"{{"model":"auto","temperature":0.2,"messages":[{{"role":"system","content":"You answer customers of a shop. Be brief and kind."}},{{"role":"user","content":"{question}"}}]}}"#
    )
    .into_bytes()
}

/// A body with about `bytes` bytes of text in its last turn.
pub fn body_of(bytes: usize) -> Vec<u8> {
    let text: String =
        (0..).map(question).flat_map(|question| [question, " ".to_owned()]).take(1 + bytes / 96).collect();
    body(&text[..bytes.min(text.len())])
}

/// A parsed request, with nothing computed yet.
///
/// # Errors
/// `Text` where `body` is no chat request.
pub fn analysis(body: Vec<u8>) -> Result<Analysis> {
    Ok(Analysis::new(Request::parse(body, "tenant", "")?))
}

/// An answer of 200 tokens.
pub fn answer() -> Answer {
    Answer {
        response: vec![b'a'; 900].into(),
        form: Form::Bytes,
        model: "sim-weak".into(),
        input_tokens: 40,
        output_tokens: 200,
        cost_nano_usd: Some(126_000),
    }
}

/// A vector of `dim` values in [-1, 1).
pub fn vector(random: &mut Random, dim: usize) -> Vec<f32> {
    (0..dim).map(|_| random.signed()).collect()
}
