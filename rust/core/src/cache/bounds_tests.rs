//! Budget and shares: what goes, what is never stored, and what a folder gives back under smaller ones.

use super::durable_tests::{Folder, open, try_open};
use super::tests::{answer, ask, ask_as, cache_with};
use super::*;
use crate::embed::StaticEmbedder;

#[test]
fn a_full_cache_never_loses_more_than_the_new_entry_needs() {
    let (cache, _) = cache_with(CacheConfig { max_bytes: 1 << 20, ..CacheConfig::default() });
    let mut before = 0;
    for number in 0..2_000 {
        cache
            .put(
                &ask(&format!("word{} other{} third{}", number * 7, number % 91, number % 37)),
                answer("x"),
                PutOptions::default(),
            )
            .unwrap();
        let held = cache.len();
        assert!(held + 80 >= before, "{before} entries, then {held}");
        before = held;
    }
    assert!(before > 300 && cache.stats().evicted > 0, "{before}");
}

#[test]
fn an_answer_larger_than_the_budget_is_not_stored_and_evicts_nothing() {
    let (cache, _) = cache_with(CacheConfig { max_bytes: 20_000, ..CacheConfig::default() });
    cache.put(&ask("hi"), answer("short"), PutOptions::default()).unwrap().unwrap();

    assert!(cache.put(&ask("long"), answer(&"x".repeat(20_000)), PutOptions::default()).unwrap().is_none());

    assert_eq!((cache.len(), cache.stats().too_large), (1, 1));
}

#[test]
fn an_answer_just_under_the_budget_or_over_its_tenants_share_pushes_nobody_out() {
    let small = |number: usize| ask_as("a", &format!("thing number {number}"));
    let config = CacheConfig { max_bytes: 200_000, tenant_share: Some(0.5), ..CacheConfig::default() };
    for (config, length) in [
        (CacheConfig { tenant_share: None, ..config.clone() }, 197_000),
        (CacheConfig { tenant_share: None, ..config.clone() }, 193_000),
        (config, 110_000),
    ] {
        let (cache, _) = cache_with(config);
        for number in 0..20 {
            cache.put(&small(number), answer("x"), PutOptions::default()).unwrap();
        }

        let id = cache.put(&ask_as("a", "long"), answer(&"x".repeat(length)), PutOptions::default()).unwrap();

        let stats = cache.stats();
        assert_eq!((id, stats.entries, stats.evicted, stats.too_large), (None, 20, 0, 1), "{length}");
        let half = cache.put(&ask_as("a", "long"), answer(&"x".repeat(90_000)), PutOptions::default()).unwrap();
        assert!(cache.contains(half.unwrap()), "{length}");
    }
}

#[test]
fn one_tenant_cannot_push_the_others_out() {
    let config = CacheConfig { max_bytes: 400_000, tenant_share: Some(0.25), ..CacheConfig::default() };
    let (cache, _) = cache_with(config);
    for number in 0..20 {
        cache.put(&ask_as("small", &format!("thing {number}")), answer("x"), PutOptions::default()).unwrap();
    }

    for number in 0..1_000 {
        cache.put(&ask_as("loud", &format!("thing {number}")), answer("x"), PutOptions::default()).unwrap();
    }

    let held =
        |tenant: &str| (0..1_000).filter(|n| cache.get(&ask_as(tenant, &format!("thing {n}"))).is_some()).count();
    assert_eq!(held("small"), 20);
    assert!((40..80).contains(&held("loud")), "{}", held("loud"));
    assert!(cache.get(&ask_as("loud", "thing 999")).is_some());
}

#[test]
fn a_folder_that_is_opened_with_shares_gives_each_tenant_no_more_than_its_own() {
    let folder = Folder::new("shares");
    let first = open(&folder);
    for number in 0..300 {
        for tenant in ["loud", "small"] {
            if tenant == "loud" || number < 10 {
                let request = ask_as(tenant, &format!("thing number {number}"));
                first.put(&request, answer("x"), PutOptions::default()).unwrap();
            }
        }
        if number == 150 {
            first.compact().unwrap();
        }
    }
    let long = first.put(&ask_as("small", "long"), answer(&"x".repeat(90_000)), PutOptions::default()).unwrap();
    first.close().unwrap();

    let config = CacheConfig { max_bytes: 400_000, tenant_share: Some(0.2), ..CacheConfig::default() };
    let second = try_open(&folder.0, config.clone(), StaticEmbedder::shipped().unwrap(), 1_000).unwrap();

    let state = second.state.lock();
    let held = |tenant: &str| state.quotas.as_ref().unwrap().held(tenant);
    assert!((40_000..=config.quota().unwrap()).contains(&held("loud")), "{}", held("loud"));
    assert!(held("small") > 10 * 1_000, "what is too large for the share pushed the others out");
    assert!(state.store.find_id(long.unwrap()).is_none());
}
