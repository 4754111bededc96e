use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::embed::StaticEmbedder;
use crate::request::Request;
use crate::store::Form;

pub(super) fn cache_with(config: CacheConfig) -> (Cache, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_000));
    (Cache::new(config, StaticEmbedder::shipped().unwrap(), clock.clone()).unwrap(), clock)
}

pub(super) fn cache() -> Cache {
    cache_with(CacheConfig::default()).0
}

pub(super) fn ask_as(tenant: &str, text: &str) -> Analysis {
    let body = serde_json::json!({"messages": [{"role": "user", "content": text}]});
    Analysis::new(Request::parse(body.to_string().into_bytes(), tenant, "").unwrap())
}

pub(super) fn ask(text: &str) -> Analysis {
    ask_as("acme", text)
}

pub(super) fn answer(text: &str) -> Answer {
    Answer {
        response: text.as_bytes().into(),
        form: Form::Str,
        model: "weak".into(),
        input_tokens: 10,
        output_tokens: 20,
        cost_nano_usd: Some(5),
    }
}

#[test]
fn the_same_request_is_an_exact_hit() {
    let cache = cache();
    let id = cache.put(&ask("Where is my order?"), answer("there"), PutOptions::default()).unwrap().unwrap();

    let hit = cache.get(&ask(" Where is  my order?")).unwrap();

    assert_eq!((hit.kind, hit.entry_id(), &*hit.answer().response), (HitKind::Exact, id, &b"there"[..]));
    assert!(cache.get(&ask("Who are you?")).is_none());
}

#[test]
fn the_same_meaning_with_the_same_slots_is_a_semantic_hit() {
    let cache = cache();
    cache.put(&ask("cancel purchase 150351613775"), answer("cancelled"), PutOptions::default()).unwrap();

    assert_eq!(cache.get(&ask("please cancel the purchase 150351613775")).unwrap().kind, HitKind::Semantic);
    assert!(cache.get(&ask("cancel purchase 150351613776")).is_none());
    assert!(cache.get(&ask("track purchase 150351613775")).is_none());
    let stats = cache.stats();
    assert_eq!((stats.semantic_hits, stats.exact_hits, stats.lookups), (1, 0, 3));
}

#[test]
fn a_guard_refuses_what_the_vector_would_serve() {
    let config = CacheConfig { similarity_threshold: 0.5, ..CacheConfig::default() };
    let (cache, _) = cache_with(config);
    cache.put(&ask("turn on the dark mode in the app"), answer("on"), PutOptions::default()).unwrap();

    assert!(cache.get(&ask("turn off the dark mode in the app")).is_none());
    assert!(cache.get(&ask("don't turn on the dark mode in the app")).is_none());
    assert!(cache.get(&ask("turn on dark mode in my app")).is_some());
    let stats = cache.stats();
    assert_eq!((stats.refused_antonym, stats.refused_negation), (1, 1));
}

#[test]
fn what_a_vector_of_words_cannot_see_is_no_hit() {
    for (one, other) in [
        ("Divide 10 by 2", "Divide 2 by 10"),
        ("Divide 100000 by 5", "Divide 5 by 100000"),
        ("Transfer $100 from account 11111 to 22222", "Transfer $100 from account 22222 to 11111"),
        ("How do I upgrade from 3.9 to 3.11?", "How do I upgrade from 3.11 to 3.9?"),
        ("Open from 2024-05-01 to 2024-06-01?", "Open from 2024-06-01 to 2024-05-01?"),
        ("What is 5 + 3?", "What is 5 - 3?"),
        ("Is x > y for these?", "Is x < y for these?"),
        ("a == b in this language", "a != b in this language"),
        ("what is 2^3", "what is 2*3"),
        ("How cold is -5 degrees", "How cold is 5 degrees"),
        ("Was the answer good? \u{1f44d}", "Was the answer good? \u{1f44e}"),
        ("Add ½ cup of sugar", "Add ¼ cup of sugar"),
        ("كم ثمن ٥ كتب", "كم ثمن ٦ كتب"),
        ("is x² a square", "is x³ a square"),
        ("Does Alice owe Bob money?", "Does Bob owe Alice money?"),
        ("rename 'a.txt' to 'b.txt'", "rename 'b.txt' to 'a.txt'"),
        ("Wie kann ich meine Bestellung stornieren?", "Wie kann ich meine Bestellung nicht stornieren?"),
        ("Puedo devolver el pedido", "no Puedo devolver el pedido"),
    ] {
        let (cache, _) = cache_with(CacheConfig { similarity_threshold: 0.5, ..CacheConfig::default() });
        cache.put(&ask(one), answer(one), PutOptions::default()).unwrap();
        assert!(cache.get(&ask(other)).is_none(), "{one} | {other}");
    }
}

#[test]
fn one_word_of_a_long_text_counts() {
    // Words of a real lexicon, so that the vector is as long a sum as that of a pasted document.
    let filler =
        "the committee will review every proposal before next meeting and publish its report about water supply ";
    for times in [1, 4, 16, 64, 256, 1024] {
        let ask_about = |country: &str| ask(&format!("Is the shipment to {country} late? {}", filler.repeat(times)));
        let cache = cache();
        cache.put(&ask_about("Iceland"), answer("no"), PutOptions::default()).unwrap();

        assert!(cache.get(&ask_about("Norway")).is_none(), "{times}");
        assert!(cache.get(&ask_about("ICELAND")).is_some_and(|hit| hit.kind == HitKind::Semantic), "{times}");
    }
}

#[test]
fn a_clock_that_steps_back_keeps_no_entry_alive() {
    let (cache, clock) = cache_with(CacheConfig { ttl_ms: Some(60_000), ..CacheConfig::default() });
    clock.set(100_000_000);
    cache.put(&ask("hi"), answer("1"), PutOptions::default()).unwrap();

    clock.set(100_000_000 - 1_000);
    assert!(cache.get(&ask("hi")).is_some());
    clock.set(100_000_000 - 50_000_000);
    assert!(cache.get(&ask("hi")).is_none());
}

#[test]
fn no_entry_crosses_tenants_or_system_prompts() {
    let cache = cache();
    cache.put(&ask_as("a", "Where is my order?"), answer("a's"), PutOptions::default()).unwrap();
    let with_system =
        br#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"Where is my order?"}]}"#;

    assert!(cache.get(&ask_as("b", "Where is my order?")).is_none());
    assert!(cache.get(&ask_as("b", "where is my order")).is_none());
    assert!(cache.get(&Analysis::new(Request::parse(with_system.to_vec(), "a", "").unwrap())).is_none());
}

#[test]
fn an_expired_entry_is_a_miss_in_both_tiers_and_is_removed() {
    let (cache, clock) = cache_with(CacheConfig { ttl_ms: Some(100), ..CacheConfig::default() });
    cache.put(&ask("cancel purchase 150351613775"), answer("x"), PutOptions::default()).unwrap();
    cache
        .put(
            &ask("track purchase 150351613775"),
            answer("y"),
            PutOptions { ttl_ms: Some(1_000), ..PutOptions::default() },
        )
        .unwrap();
    clock.set(1_099);
    assert!(cache.get(&ask("cancel purchase 150351613775")).is_some());

    clock.set(1_100);

    assert!(cache.get(&ask("please cancel the purchase 150351613775")).is_none());
    assert!(cache.get(&ask("cancel purchase 150351613775")).is_none());
    assert!(cache.get(&ask("track purchase 150351613775")).is_some());
    assert_eq!((cache.len(), cache.stats().expired), (1, 1));
}

#[test]
fn a_second_answer_replaces_the_first_under_a_new_id() {
    let cache = cache();
    let first = cache.put(&ask("hi"), answer("1"), PutOptions::default()).unwrap().unwrap();
    let second = cache.put(&ask("hi"), answer("2"), PutOptions::default()).unwrap().unwrap();

    assert_ne!(first, second);
    assert_eq!(&*cache.get(&ask("hi")).unwrap().answer().response, b"2");
    assert!(cache.contains(second) && !cache.contains(first));
    assert_eq!(cache.len(), 1);
}

#[test]
fn explain_says_which_guard_refused_and_changes_nothing() {
    let cache = cache();
    cache.put(&ask("turn on the dark mode in the app"), answer("on"), PutOptions::default()).unwrap();

    let explanation = cache.explain(&ask("turn off the dark mode in the app"));

    assert!(explanation.hit.is_none() && explanation.is_semantic);
    assert_eq!(explanation.candidates[0].refused_by, Some(Guard::Antonym));
    assert_eq!(cache.stats().lookups, 0);
    let repeat = cache.explain(&ask("turn on the dark mode in the app"));
    assert_eq!(repeat.hit.unwrap().kind, HitKind::Exact);
}

#[test]
fn a_threshold_that_is_no_cosine_is_refused_with_its_name() {
    let config = CacheConfig { similarity_threshold: 1.7, ..CacheConfig::default() };
    let error = Cache::new(config, StaticEmbedder::shipped().unwrap(), Arc::new(ManualClock::new(0))).unwrap_err();

    assert_eq!(error.to_string(), "similarity_threshold=1.7 is outside [-1, 1]; cosine similarity was meant?");
}

#[test]
fn what_changes_by_the_day_is_served_for_a_shorter_time() {
    let config = CacheConfig { stale_ttl_ms: Some(100), ..CacheConfig::default() };
    let (cache, clock) = cache_with(config);
    cache.put(&ask("what is the weather today"), answer("rain"), PutOptions::default()).unwrap();
    cache.put(&ask("what is a wind vane"), answer("a vane"), PutOptions::default()).unwrap();
    let long = PutOptions { ttl_ms: Some(1_000), ..PutOptions::default() };
    cache.put(&ask("the latest news"), answer("none"), long).unwrap();

    clock.set(1_100);

    assert!(cache.get(&ask("what is the weather today")).is_none());
    assert!(cache.get(&ask("what is a wind vane")).is_some());
    assert!(cache.get(&ask("the latest news")).is_some(), "what was said of one entry holds");
}

#[test]
fn entries_that_came_together_do_not_expire_together() {
    let config = CacheConfig { ttl_ms: Some(1_000), ttl_jitter: 0.5, ..CacheConfig::default() };
    let (cache, clock) = cache_with(config);
    for number in 0..200 {
        cache.put(&ask(&format!("question {number}")), answer("x"), PutOptions::default()).unwrap();
    }
    let alive = |now_ms: u64| {
        clock.set(1_000 + now_ms);
        (0..200).filter(|number| cache.get(&ask(&format!("question {number}"))).is_some()).count()
    };

    assert_eq!(alive(499), 200);
    assert!((60..140).contains(&alive(750)));
    assert_eq!(alive(1_000), 0);
}

proptest! {
    /// Against a dictionary: an exact look-up finds the last answer put, unless it was evicted or has expired; the
    /// budget holds after every step; what is held adds up.
    #[test]
    fn the_exact_tier_is_a_dictionary_with_a_budget(
        steps in prop::collection::vec((0u8..20, 0u8..4, 0usize..600), 1..120),
    ) {
        let (cache, clock) = cache_with(CacheConfig {
            max_bytes: 30_000,
            ttl_ms: Some(50),
            similarity_threshold: 0.99,
            slot_similarity_threshold: 0.99,
            tenant_share: Some(0.9),
            ..CacheConfig::default()
        });
        let mut model: HashMap<u8, (String, u64)> = HashMap::new();
        let mut now = 1_000;
        for (number, step, length) in steps {
            let request = ask(&format!("question about thing number {number}"));
            if step == 0 {
                now += length as u64 / 20;
                clock.set(now);
            } else if step == 1 {
                let text = "x".repeat(length);
                prop_assert!(cache.put(&request, answer(&text), PutOptions::default()).unwrap().is_some());
                model.insert(number, (text, now + 50));
            } else if let Some(hit) = cache.get(&request) {
                let (text, expires) = &model[&number];
                prop_assert_eq!(&*hit.answer().response, text.as_bytes());
                prop_assert!(now < *expires);
            } else if cache.stats().evicted == 0 {
                prop_assert!(model.get(&number).is_none_or(|(_, expires)| now >= *expires));
            }
            let stats = cache.stats();
            prop_assert!(stats.bytes <= stats.max_bytes);
            let state = cache.state.lock();
            prop_assert_eq!(state.vectors(), state.store.len());
        }
        cache.clear().unwrap();
        prop_assert_eq!((cache.len(), cache.stats().bytes), (0, 0));
    }
}

#[test]
fn what_is_served_is_counted_by_tier_and_scope_with_what_it_saved() {
    let cache = cache();
    let priced = Answer { input_tokens: 7, output_tokens: 5, cost_nano_usd: Some(40), ..answer("1") };
    cache.put(&ask_as("a", "cancel purchase 150351613775"), priced, PutOptions::default()).unwrap();
    let free = Answer { input_tokens: 0, output_tokens: 0, cost_nano_usd: None, ..answer("2") };
    cache.put(&ask_as("b", "one thing"), free, PutOptions::default()).unwrap();

    cache.get(&ask_as("a", "cancel purchase 150351613775")).unwrap();
    cache.get(&ask_as("a", "please cancel the purchase 150351613775")).unwrap();
    cache.get(&ask_as("b", "one thing")).unwrap();
    assert!(cache.get(&ask_as("b", "two things")).is_none());
    cache.put(&ask_as("b", "two things"), answer("3"), PutOptions::default()).unwrap();
    assert!(cache.get_again(&ask_as("b", "two things"), None).is_some());

    let (stats, observed) = cache.observed();
    let mut scopes: Vec<_> = observed.scopes().collect();
    scopes.sort_by_key(|(tenant, ..)| *tenant);
    assert_eq!(scopes[0], ("a", "", ScopeStats { lookups: 2, exact_hits: 1, semantic_hits: 1 }));
    assert_eq!(scopes[1], ("b", "", ScopeStats { lookups: 2, exact_hits: 2, semantic_hits: 0 }));
    assert_eq!((stats.lookups, stats.exact_hits, stats.semantic_hits), (4, 3, 1));
    let theirs = answer("3");
    let counted = u64::from(theirs.input_tokens) + u64::from(theirs.output_tokens);
    assert_eq!((stats.saved_nano_usd, stats.tokens_saved), (80 + theirs.cost_nano_usd.unwrap_or(0), 24 + counted));
    assert_eq!(stats.unpriced_hits, 1 + u64::from(theirs.cost_nano_usd.is_none()));
    assert_eq!(stats.uncounted_hits, 1 + u64::from(counted == 0));
    let counts =
        [&observed.exact, &observed.semantic, &observed.miss, &observed.put].map(crate::meter::Latencies::count);
    assert_eq!(counts, [2, 1, 1, 3]);
}
