use super::tests::{answer, ask, ask_as, cache, cache_with};
use super::*;

fn from(sources: &[&str], tags: &[&str]) -> PutOptions {
    let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    PutOptions { sources: names(sources), tags: names(tags), writer: "seed".into(), ..PutOptions::default() }
}

fn source(name: &str) -> Selection {
    Selection { source: Some(name.into()), ..Selection::default() }
}

#[test]
fn when_a_source_changes_the_answers_made_from_it_go_at_once() {
    let cache = cache();
    cache.put(&ask("one thing"), answer("1"), from(&["kb/a.md@7", "kb/b.md@1"], &[])).unwrap();
    cache.put(&ask("two things"), answer("2"), from(&["kb/a.md@8"], &[])).unwrap();
    cache.put(&ask("cancel purchase 150351613775"), answer("3"), from(&["kb/c.md"], &["faq"])).unwrap();

    assert_eq!(cache.invalidate(&source("kb/a.md@*"), true).unwrap(), 2);
    assert_eq!(cache.len(), 3);
    assert_eq!(cache.invalidate(&source("kb/a.md@7"), false).unwrap(), 1);
    assert!(cache.get(&ask("one thing")).is_none() && cache.get(&ask("two things")).is_some());
    assert_eq!(cache.invalidate(&source("kb/a.md"), false).unwrap(), 1);
    assert_eq!(cache.invalidate(&source("kb/c.md@*"), false).unwrap(), 1);
    assert!(cache.get(&ask("please cancel the purchase 150351613775")).is_none());
    assert_eq!((cache.len(), cache.stats().invalidated), (0, 3));
}

#[test]
fn what_a_table_finds_is_looked_at_alone() {
    let cache = cache();
    for number in 0..1_000 {
        let (source, tag) = (format!("doc{number}@1"), format!("tag{number}"));
        cache.put(&ask(&format!("question {number}")), answer("x"), from(&[&source], &[&tag])).unwrap();
    }
    let looked_at = |selection: &Selection| cache.state.lock().find(selection).map(|slots| slots.len());

    assert_eq!(looked_at(&source("doc7@*")), Some(1));
    assert_eq!(looked_at(&source("doc7@2")), Some(1)); // the document is in the table, and its version is compared
    assert_eq!(looked_at(&Selection { tag: Some("tag7".into()), ..Selection::default() }), Some(1));
    assert_eq!(looked_at(&Selection { writer: Some("seed".into()), ..Selection::default() }), None);
}

#[test]
fn everything_that_is_said_has_to_hold() {
    let cache = cache();
    for tenant in ["a", "b"] {
        cache.put(&ask_as(tenant, "one thing"), answer("1"), from(&[], &["faq", "old"])).unwrap();
        cache.put(&ask_as(tenant, "two things"), answer("2"), from(&[], &["faq"])).unwrap();
    }
    let tagged = |tag: &str, tenant: &str| Selection {
        tag: Some(tag.into()),
        tenant: Some(tenant.into()),
        ..Selection::default()
    };

    assert_eq!(cache.invalidate(&tagged("old", "a"), false).unwrap(), 1);
    let of_b = Selection { tenant: Some("b".into()), writer: Some("seed".into()), ..Selection::default() };
    assert_eq!(cache.invalidate(&of_b, false).unwrap(), 2);
    assert!(cache.get(&ask_as("a", "two things")).is_some());
    let error = cache.invalidate(&Selection::default(), false).unwrap_err();
    assert!(error.to_string().contains("call clear()"));
}

#[test]
fn a_hit_marked_wrong_is_not_served_so_again_in_either_direction() {
    let cache = cache();
    let (first, second) = (ask("cancel purchase 150351613775"), ask("please cancel the purchase 150351613775"));
    cache.put(&first, answer("first"), PutOptions::default()).unwrap();
    let hit = cache.get(&second).unwrap();

    assert!(cache.mark_wrong(&hit).unwrap() && !cache.mark_wrong(&hit).unwrap());

    assert!(cache.get(&first).is_none() && cache.get(&second).is_none());
    cache.put(&first, answer("first"), PutOptions::default()).unwrap();
    assert!(cache.get(&second).is_none());
    assert_eq!(cache.explain(&second).candidates[0].refused_by, Some(Guard::MarkedWrong));
    assert_eq!(cache.get(&first).unwrap().kind, HitKind::Exact);
    assert!(cache.get(&ask("cancel the purchase 150351613775")).is_some(), "another wording was not marked");
}

#[test]
fn an_exact_hit_marked_wrong_is_answered_anew() {
    let cache = cache();
    let (first, second) = (ask("cancel purchase 150351613775"), ask("please cancel the purchase 150351613775"));
    cache.put(&first, answer("first"), PutOptions::default()).unwrap();
    cache.put(&second, answer("second"), PutOptions::default()).unwrap();

    cache.mark_wrong(&cache.get(&second).unwrap()).unwrap();

    assert!(cache.get(&second).is_none());
    cache.put(&second, answer("better"), PutOptions::default()).unwrap();
    assert_eq!(&*cache.get(&second).unwrap().answer().response, b"better");
}

#[test]
fn an_answer_older_than_is_wanted_is_a_miss_and_stays() {
    let (cache, clock) = cache_with(CacheConfig::default());
    cache.put(&ask("cancel purchase 150351613775"), answer("x"), PutOptions::default()).unwrap();
    clock.set(1_000 + 500);

    for request in [ask("cancel purchase 150351613775"), ask("please cancel the purchase 150351613775")] {
        assert!(cache.get_fresh(&request, Some(499)).is_none());
        assert!(cache.get_fresh(&request, Some(500)).is_some());
    }
    assert_eq!(cache.len(), 1);
}

#[test]
fn an_answer_that_comes_with_an_age_keeps_it() {
    let (cache, clock) = cache_with(CacheConfig { ttl_ms: Some(100), ..CacheConfig::default() });
    let aged = |age_ms: u64| PutOptions { born_ms: Some(1_000 - age_ms), ..PutOptions::default() };
    cache.put(&ask("hi"), answer("x"), aged(60)).unwrap();

    assert!(cache.put(&ask("bye"), answer("x"), aged(100)).unwrap().is_none());
    assert_eq!(cache.get(&ask("hi")).unwrap().age_ms, 60);
    clock.set(1_000 + 40);
    assert!(cache.get(&ask("hi")).is_none());
}

#[test]
fn a_walk_gives_every_entry_that_stays_once() {
    let cache = cache();
    for number in 0..1_500 {
        cache.put(&ask(&format!("question {number}")), answer("x"), from(&[], &["walk"])).unwrap();
    }
    let all = Selection { tag: Some("walk".into()), ..Selection::default() };

    let (mut seen, mut from) = (std::collections::HashSet::new(), Some(0));
    while let Some(start) = from {
        let (page, next) = cache.list(&all, start).unwrap();
        assert!(page.iter().all(|listed| seen.insert(listed.entry.id)));
        cache.put(&ask(&format!("another {start}")), answer("x"), PutOptions::default()).unwrap();
        from = next;
    }

    assert_eq!(seen.len(), 1_500);
}

fn near(text: &str, min_similarity: f32) -> Selection {
    Selection { near: Some(Near { text: text.into(), min_similarity }), ..Selection::default() }
}

#[test]
fn what_is_near_a_text_goes_whatever_its_scope_and_slots() {
    let cache = cache();
    cache.put(&ask_as("a", "cancel purchase 150351613775"), answer("1"), PutOptions::default()).unwrap();
    cache.put(&ask_as("b", "please cancel purchase 17"), answer("2"), PutOptions::default()).unwrap();
    cache.put(&ask_as("b", "do you ship to Iceland"), answer("3"), PutOptions::default()).unwrap();

    let of_b = Selection { tenant: Some("b".into()), ..near("cancel my purchase", 0.6) };
    assert_eq!(cache.invalidate(&of_b, true).unwrap(), 1);
    assert_eq!(cache.invalidate(&near("cancel my purchase", 0.6), true).unwrap(), 2);
    assert_eq!(cache.list(&near("cancel my purchase", 0.6), 0).unwrap().0.len(), 2);
    assert_eq!(cache.invalidate(&near("cancel my purchase", 1.0), false).unwrap(), 0);
    assert_eq!(cache.invalidate(&near("cancel my purchase", 0.6), false).unwrap(), 2);
    assert!(cache.get(&ask_as("b", "do you ship to Iceland")).is_some());
}

#[test]
fn a_text_that_nothing_can_be_near_to_is_refused() {
    let (exact_only, _) = cache_with(CacheConfig { is_semantic: false, ..CacheConfig::default() });

    assert!(cache().invalidate(&near("\u{1f44d}", 0.6), true).is_err());
    assert!(exact_only.invalidate(&near("cancel my purchase", 0.6), true).is_err());
}
