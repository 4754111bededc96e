//! Any sequence of operations against a plain map: the cache never serves another tenant's answer, an old one, or an
//! expired one, and never holds more than its budget.
#![no_main]

use std::collections::HashMap;
use std::sync::Arc;

use compound_fast_core::cache::{Cache, CacheConfig, HitKind, PutOptions};
use compound_fast_core::clock::ManualClock;
use compound_fast_core::embed::StaticEmbedder;
use compound_fast_core::features::Analysis;
use compound_fast_core::request::Request;
use compound_fast_core::store::{Answer, Form};
use libfuzzer_sys::fuzz_target;

const MAX_BYTES: usize = 64 << 10;
const TTL_MS: u64 = 50;
const TENANTS: [&str; 2] = ["one", "two"];
const TEXTS: [&str; 8] = [
    "Where is my order 1042?",
    "where is order 1042 of mine",
    "Where is my order 1043?",
    "How do I turn on dark mode?",
    "How do I turn off dark mode?",
    "Does it ship to Malta?",
    "Does it not ship to Malta?",
    "",
];

fuzz_target!(|operations: &[u8]| {
    let clock = Arc::new(ManualClock::new(0));
    let config = CacheConfig { max_bytes: MAX_BYTES, ttl_ms: Some(TTL_MS), ..CacheConfig::default() };
    let Ok(embedder) = StaticEmbedder::shipped() else { return };
    let Ok(cache) = Cache::new(config, embedder, clock.clone()) else { return };
    let mut stored: HashMap<(usize, usize), (Answer, u64)> = HashMap::new();
    let mut now_ms = 0;
    for (count, operation) in operations.iter().enumerate() {
        let (what, tenant, text) = (operation >> 4, usize::from(operation & 1), usize::from(operation >> 1 & 7));
        let analysis = analysis(tenant, text);
        match what {
            0..=5 => check_hit(&cache, &analysis, tenant, (tenant, text), &stored, now_ms),
            6..=11 => {
                let answer = answer(tenant, count, usize::from(what - 5) * 4096);
                if cache.put(&analysis, answer.clone(), PutOptions::default()).is_ok_and(|id| id.is_some()) {
                    stored.insert((tenant, text), (answer, now_ms + TTL_MS));
                }
            }
            12..=13 => {
                now_ms += u64::from(operation & 15);
                clock.set(now_ms);
            }
            14 => {
                let would = cache.explain(&analysis).hit.map(|hit| hit.entry_id());
                assert_eq!(would, cache.get(&analysis).map(|hit| hit.entry_id()));
            }
            _ => {
                cache.clear().expect("nothing is written down");
                stored.clear();
                assert!(cache.is_empty());
            }
        }
        assert!(cache.stats().bytes <= MAX_BYTES as u64);
    }
});

fn check_hit(
    cache: &Cache,
    analysis: &Analysis,
    tenant: usize,
    key: (usize, usize),
    stored: &HashMap<(usize, usize), (Answer, u64)>,
    now_ms: u64,
) {
    let Some(hit) = cache.get(analysis) else { return };
    assert_eq!(&*hit.answer().model, TENANTS[tenant], "another tenant's answer");
    assert!(hit.age_ms < TTL_MS, "an expired answer");
    assert!(cache.contains(hit.entry_id()));
    if hit.kind == HitKind::Exact {
        let (answer, expires_ms) = &stored[&key];
        assert_eq!(hit.answer(), answer, "not the answer that was stored last");
        assert!(now_ms < *expires_ms);
    }
}

fn analysis(tenant: usize, text: usize) -> Analysis {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#, TEXTS[text]);
    Analysis::new(Request::parse(body.into_bytes(), TENANTS[tenant], "").expect("a well-formed body"))
}

/// The model's name carries the tenant, the tokens which operation stored it.
fn answer(tenant: usize, count: usize, bytes: usize) -> Answer {
    Answer {
        response: vec![b'a'; bytes].into(),
        form: Form::Bytes,
        model: TENANTS[tenant].into(),
        input_tokens: u32::try_from(count).unwrap_or(u32::MAX),
        output_tokens: 1,
        cost_nano_usd: None,
    }
}
