//! Nobody is served across scopes: requests that differ in one part of the scope ask the same, from several threads, of a
//! cache that is full, so that entries take each other's places all the time.
//!
//! `CROSS_SCOPE_LOOKUPS=20000000 cargo test --release -p compound-fast-core --test cross_scope -- --nocapture`
#![expect(clippy::unwrap_used, reason = "a failing helper fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use compound_fast_core::cache::{Cache, CacheConfig, HitKind, PutOptions, Selection};
use compound_fast_core::clock::SystemClock;
use compound_fast_core::embed::StaticEmbedder;
use compound_fast_core::features::Analysis;
use compound_fast_core::request::Request;
use compound_fast_core::store::{Answer, Form};
use serde_json::{Value, json};

const THREADS: u64 = 4;

/// One question in several wordings that the semantic tier takes for the same, and three that are others.
const TEXTS: [&str; 6] = [
    "cancel purchase 150351613775",
    "please cancel the purchase 150351613775",
    "Cancel the purchase 150351613775!",
    "cancel purchase 150351613776",
    "How do I turn on dark mode?",
    "how do I turn on the dark mode",
];

/// Everything that a scope is made of, and values that look alike.
fn scopes() -> Vec<(String, String, Value)> {
    let ask = |fields: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "?"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let after = |messages: Value| {
        let mut messages = messages.as_array().unwrap().clone();
        messages.push(json!({"role": "user", "content": "?"}));
        json!({"messages": messages})
    };
    let tool = |name: &str, kind: &str| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"id": {"type": kind}}}}});
    let mut scopes = Vec::new();
    for tenant in ["", "a", "b", "ab", "A", "a ", "a\u{0}", "\u{e9}", "e\u{301}", "a\u{200b}"] {
        scopes.push((tenant.to_owned(), String::new(), ask(json!({}))));
        if !tenant.is_empty() {
            // The same letters, cut at another place between tenant and namespace.
            scopes.push((String::new(), tenant.to_owned(), ask(json!({}))));
            scopes.push((tenant.to_owned(), "b".to_owned(), ask(json!({}))));
        }
    }
    for fields in [
        json!({"model": "m"}),
        json!({"model": "M"}),
        json!({"model": "m-2024"}),
        json!({"temperature": 0}),
        json!({"temperature": 0.1}),
        json!({"top_p": 0.1}),
        json!({"seed": 1}),
        json!({"seed": 2}),
        json!({"max_tokens": 10}),
        json!({"max_completion_tokens": 10}),
        json!({"n": 2}),
        json!({"stop": "a"}),
        json!({"stop": ["b"]}),
        json!({"logit_bias": {"1": 2}}),
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "b"}}}),
        json!({"tools": [tool("refund", "string")]}),
        json!({"tools": [tool("refund", "integer")]}),
        json!({"tools": [tool("cancel", "string")]}),
        json!({"tools": [tool("refund", "string"), tool("cancel", "string")]}),
        json!({"tools": [tool("cancel", "string"), tool("refund", "string")]}),
        json!({"tool_choice": "none"}),
        json!({"tool_choice": "required"}),
        json!({"reasoning_effort": "low"}),
        json!({"something_new": 1}),
        json!({"something_new": "1"}),
    ] {
        scopes.push((String::new(), String::new(), ask(fields)));
    }
    for messages in [
        json!([{"role": "system", "content": "You are kind."}]),
        json!([{"role": "system", "content": "You are kind"}]),
        json!([{"role": "system", "content": "you are kind."}]),
        json!([{"role": "developer", "content": "You are kind."}]),
        json!([{"role": "system", "content": "You are kind.", "name": "x"}]),
        json!([{"role": "system", "content": "You are kind. Tenant: a"}]),
        json!([{"role": "system", "content": "You are"}, {"role": "system", "content": "kind."}]),
        json!([{"role": "user", "content": "My order is 1."}, {"role": "assistant", "content": "Thanks."}]),
        json!([{"role": "user", "content": "My order is 2."}, {"role": "assistant", "content": "Thanks."}]),
        json!([{"role": "user", "content": "My order is 1."}, {"role": "assistant", "content": "Sorry."}]),
        json!([{"role": "assistant", "content": "Thanks."}, {"role": "user", "content": "My order is 1."}]),
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:a"}}]}]),
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:b"}}]}]),
    ] {
        scopes.push((String::new(), String::new(), after(messages)));
    }
    scopes
}

/// Every scope with every text.
fn requests() -> Vec<Vec<Analysis>> {
    let with_text = |(tenant, namespace, body): &(String, String, Value), text: &str| {
        let mut body = body.clone();
        body["messages"].as_array_mut().unwrap().last_mut().unwrap()["content"] = text.into();
        Analysis::new(Request::parse(body.to_string().into_bytes(), tenant, namespace).unwrap())
    };
    scopes().iter().map(|scope| TEXTS.iter().map(|text| with_text(scope, text)).collect()).collect()
}

#[test]
fn no_look_up_of_millions_is_served_across_a_scope() {
    let lookups: u64 = std::env::var("CROSS_SCOPE_LOOKUPS").map_or(400_000, |count| count.parse().unwrap());
    // Room for about a third of the answers, so that they push each other out.
    let config = CacheConfig { max_bytes: 250_000, tenant_share: Some(0.5), ..CacheConfig::default() };
    let cache = Cache::new(config, StaticEmbedder::shipped().unwrap(), Arc::new(SystemClock)).unwrap();
    let semantic = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let (cache, semantic) = (&cache, &semantic);
            threads.spawn(move || {
                let requests = requests();
                let mut state = thread + 1;
                let mut draw = |below: usize| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    usize::try_from(state >> 33).unwrap() % below
                };
                for _ in 0..lookups / THREADS {
                    let (scope, text) = (draw(requests.len()), draw(TEXTS.len()));
                    let asked = &requests[scope][text];
                    if let Some(hit) = cache.get(asked) {
                        let found = std::str::from_utf8(&hit.answer().response).unwrap();
                        assert_eq!(found.split(' ').next().unwrap(), scope.to_string(), "served across scopes");
                        semantic.fetch_add(u64::from(hit.kind == HitKind::Semantic), Ordering::Relaxed);
                    }
                    match draw(20) {
                        0..5 => {
                            let answer = Answer {
                                response: format!("{scope} {}", "x".repeat(draw(600))).into_bytes().into(),
                                form: Form::Bytes,
                                model: "m".into(),
                                input_tokens: 1,
                                output_tokens: 1,
                                cost_nano_usd: None,
                            };
                            let options =
                                PutOptions { sources: [format!("{scope}").into()].into(), ..PutOptions::default() };
                            cache.put(asked, answer, options).unwrap();
                        }
                        5 if draw(10) == 0 => {
                            let selection =
                                Selection { source: Some(scope.to_string().into()), ..Selection::default() };
                            cache.invalidate(&selection, false).unwrap();
                        }
                        _ => {}
                    }
                }
            });
        }
    });
    let stats = cache.stats();
    println!("{lookups} look-ups of {} scopes: no answer left its own; {stats:?}", scopes().len());
    assert!(stats.evicted > lookups / 100 && stats.invalidated > 0, "nothing took the place of another: {stats:?}");
    assert!(stats.exact_hits > lookups / 20 && semantic.into_inner() > lookups / 100, "nothing was served: {stats:?}");
}
