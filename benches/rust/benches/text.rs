//! One pass over the text: features, slots, word pieces and the static embedding.
//!
//! `cargo bench -p compound-fast-benches --bench text`
//!
//! Baseline in the same run: `lower_and_split` lowers the text and cuts it into words, which is less than any of the
//! others has to do. Medians on one of two shared cores of an AMD EPYC:
//!
//! ```text
//! lower_and_split      100 B  0.09 us    4,096 B   3.9 us
//! features             100 B  0.80 us    4,096 B    22 us    (a slot in every 70 bytes)
//! ngrams               100 B   2.4 us    4,096 B    95 us
//! word_pieces       12 words  0.42 us  100 words   2.3 us
//! embed             12 words   1.3 us  100 words   7.2 us
//! embed_10_000_lines           14 ms  (727,000 lines a second)
//! ```

use std::hint::black_box;

use compound_fast_core::embed::{Embedder as _, StaticEmbedder};
use compound_fast_core::features::{Features, hashed_ngrams};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

/// Support requests in plain English, with an order number, an amount and a date now and then.
const LINES: [&str; 8] = [
    "Where is my order 483920, it should have been here yesterday?",
    "I would like to return the blue jacket that I bought on May 5 and get my $49.90 back.",
    "Please don't cancel the subscription before the end of the month.",
    "How many days does a transfer from my savings account to another bank usually take?",
    "The app closes whenever I try to open the settings page on my phone.",
    "Can you explain step by step how the interest on my loan is calculated?",
    "What's the difference between the basic plan and the premium plan, and which one is cheaper?",
    "Write to ann@mail.example or call me at 10:30 on Monday about invoice #55671.",
];

fn text_of(bytes: usize) -> String {
    let mut text = String::new();
    for line in LINES.iter().cycle() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
        if text.len() >= bytes {
            break;
        }
    }
    text.truncate(bytes);
    text
}

/// So many words of the lines above.
fn words_of(count: usize) -> String {
    LINES.iter().flat_map(|line| line.split(' ')).cycle().take(count).collect::<Vec<_>>().join(" ")
}

fn main() {
    divan::main();
}

#[divan::bench(args = [100, 4096])]
fn lower_and_split(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = text_of(bytes);
    bencher.counter(BytesCount::new(bytes)).bench(|| black_box(&text).to_lowercase().split(' ').count());
}

#[divan::bench(args = [100, 4096])]
fn features(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = text_of(bytes);
    bencher.counter(BytesCount::new(bytes)).bench(|| Features::of_text(black_box(&text)));
}

#[divan::bench(args = [100, 4096])]
fn ngrams(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = text_of(bytes);
    let frame = Features::of_text(&text).slots.frame;
    bencher.counter(BytesCount::new(bytes)).bench(|| hashed_ngrams(black_box(&frame), 16));
}

#[divan::bench(args = [12, 100])]
fn word_pieces(bencher: Bencher<'_, '_>, words: usize) {
    let Ok(embedder) = StaticEmbedder::shipped() else { return };
    let text = words_of(words);
    bencher.bench(|| {
        let mut sum = 0u32;
        embedder.wordpiece().each(black_box(&text), |piece| sum = sum.wrapping_add(piece.id));
        sum
    });
}

#[divan::bench(args = [12, 100])]
fn embed(bencher: Bencher<'_, '_>, words: usize) {
    let Ok(embedder) = StaticEmbedder::shipped() else { return };
    let text = words_of(words);
    bencher.bench(|| embedder.embed(black_box(&text)));
}

#[divan::bench]
fn embed_10_000_lines(bencher: Bencher<'_, '_>) {
    let Ok(embedder) = StaticEmbedder::shipped() else { return };
    let mut row = vec![0.0; embedder.dim()];
    bencher.counter(ItemsCount::new(10_000usize)).bench_local(|| {
        for at in 0..10_000 {
            black_box(embedder.embed_into(black_box(LINES[at % LINES.len()]), &mut row));
        }
    });
}
