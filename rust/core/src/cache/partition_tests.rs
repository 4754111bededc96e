//! Partitions that are too large for a plain scan. (In tests an index has a graph from 257 vectors on.)

use std::fs;
use std::sync::atomic::AtomicU64;

use super::durable_tests::{Folder, open, try_open};
use super::partition::{CANDIDATES, ROUNDS};
use super::tests::{answer, ask, cache, cache_with};
use super::*;
use crate::embed::StaticEmbedder;

/// A list for each place: texts of the same words in another order have one vector, and only the first few are judged.
const WORDS: [[&str; 16]; 3] = [
    [
        "apple", "bread", "chair", "dress", "engine", "flower", "garden", "hammer", "island", "jacket", "kitchen",
        "ladder", "mirror", "needle", "orange", "pencil",
    ],
    [
        "bridge", "castle", "desert", "factory", "glacier", "harbour", "museum", "palace", "river", "school",
        "station", "temple", "tower", "valley", "village", "windmill",
    ],
    [
        "actor", "baker", "captain", "doctor", "farmer", "hunter", "judge", "king", "lawyer", "nurse", "painter",
        "pilot", "queen", "sailor", "teacher", "writer",
    ],
];

pub(super) fn question(number: usize) -> String {
    let word = |place: usize| WORDS[place][(number >> (4 * place)) & 15];
    format!("Where do I find the {} near the {} of the {} and what does it mean", word(0), word(1), word(2))
}

fn vectors(cache: &Cache) -> usize {
    cache.state.lock().vectors()
}

/// The same frame in another spelling: the exact tier takes it for another request.
fn respelled(number: usize) -> Analysis {
    ask(&question(number).to_uppercase())
}

fn fill(cache: &Cache, numbers: std::ops::Range<usize>) {
    for number in numbers {
        cache.put(&ask(&question(number)), answer(&question(number)), PutOptions::default()).unwrap();
    }
}

/// Leaves a folder with a snapshot of so many.
fn keep(folder: &Folder, count: usize) {
    let cache = open(folder);
    fill(&cache, 0..count);
    cache.compact().unwrap();
    cache.close().unwrap();
}

fn served(cache: &Cache, number: usize) -> Option<(HitKind, f32)> {
    let hit = cache.get(&respelled(number))?;
    assert_eq!(&*hit.answer().response, question(number).as_bytes());
    Some((hit.kind, hit.similarity))
}

#[test]
fn the_same_frame_reaches_the_highest_threshold_in_a_partition_of_any_size() {
    let config = CacheConfig { similarity_threshold: 1.0, ..CacheConfig::default() };
    let (cache, _) = cache_with(config);
    let mut stored = 0;
    for size in [1, 64, 65, 200, 600] {
        fill(&cache, stored..size);
        stored = size;
        for number in 0..size {
            assert_eq!(served(&cache, number), Some((HitKind::Semantic, 1.0)), "{number} of {size}");
        }
    }
    assert_eq!(vectors(&cache), 600);
}

#[test]
fn what_goes_from_a_large_partition_takes_its_vector_along() {
    let cache = cache();
    fill(&cache, 0..600);
    let hit = cache.get(&respelled(3)).unwrap();
    cache.mark_wrong(&hit).unwrap();
    for number in 100..590 {
        let entry_id = cache.get(&ask(&question(number))).map(|hit| hit.entry_id());
        let selection = Selection { entry_id, ..Selection::default() };
        assert_eq!(cache.invalidate(&selection, false).unwrap(), 1);
    }

    assert!(served(&cache, 3).is_none() && served(&cache, 100).is_none());
    assert!(served(&cache, 99).is_some() && served(&cache, 599).is_some());
    assert_eq!(vectors(&cache), 109);
    fill(&cache, 0..600);
    assert_eq!(vectors(&cache), 600);
    cache.clear().unwrap();
    let marks = cache.state.lock().anchors.bytes() as u64;
    assert_eq!(cache.stats().bytes, marks);
}

#[test]
fn an_expired_entry_of_a_large_partition_is_a_miss_and_goes() {
    let (cache, clock) = cache_with(CacheConfig { ttl_ms: Some(100), ..CacheConfig::default() });
    fill(&cache, 0..300);
    clock.set(1_100);
    fill(&cache, 300..301);

    assert!(served(&cache, 7).is_none() && served(&cache, 300).is_some());
    assert!(cache.stats().expired >= 1);
    assert_eq!(vectors(&cache), cache.len());
}

#[test]
fn one_look_up_removes_a_part_of_many_expired_neighbours_and_serves_what_is_live() {
    let (cache, clock) = cache_with(CacheConfig { ttl_ms: Some(100), ..CacheConfig::default() });
    // Of one vector, in all orders of five words.
    let text = |number: usize| {
        let mut words = WORDS[0][..5].to_vec();
        let drawn = [number % 5, number / 5 % 4, number / 20 % 3, number / 60 % 2, 0];
        drawn.map(|at| words.remove(at)).join(" ")
    };
    for number in 0..120 {
        cache.put(&ask(&text(number)), answer(&text(number)), PutOptions::default()).unwrap();
    }
    clock.set(1_100);
    let look_up = |number: usize| cache.get(&ask(&text(number).to_uppercase())).map(|hit| hit.kind);

    assert_eq!(look_up(7), None);

    let at_once = ((ROUNDS - 1) * CANDIDATES) as u64;
    assert_eq!(cache.stats().expired, at_once);
    for _ in 0..2 {
        look_up(7);
    }
    assert_eq!((cache.stats().expired, vectors(&cache)), (3 * at_once, 120 - 3 * (ROUNDS - 1) * CANDIDATES));
    for _ in 0..2 {
        look_up(7);
    }
    cache.put(&ask(&text(7)), answer("live"), PutOptions::default()).unwrap();
    assert_eq!((look_up(7), cache.len()), (Some(HitKind::Semantic), 1));
}

#[test]
fn the_budget_holds_while_partitions_grow_and_each_entry_keeps_its_vector() {
    let (cache, _) = cache_with(CacheConfig { max_bytes: 1 << 20, ..CacheConfig::default() });
    let mut before = 0;
    for number in 0..2_000 {
        fill(&cache, number..number + 1);
        assert!(cache.stats().bytes <= 1 << 20);
        // An index at the budget grows by an eighth, and what that takes is evicted.
        assert!(cache.len() + before / 8 >= before, "{before} entries, then {}", cache.len());
        before = cache.len();
    }
    assert!(cache.stats().evicted > 500);
    assert_eq!(vectors(&cache), cache.len());
    assert!(served(&cache, 1_999).is_some());
}

#[test]
fn an_answer_of_nearly_the_whole_budget_takes_the_place_of_a_large_partition() {
    let (cache, _) = cache_with(CacheConfig { max_bytes: 400_000, ..CacheConfig::default() });
    fill(&cache, 0..150);

    let id = cache.put(&ask("long 1234"), answer(&"x".repeat(360_000)), PutOptions::default()).unwrap();

    assert!(id.is_some_and(|id| cache.contains(id)));
    assert!(cache.stats().bytes <= 400_000);
}

#[test]
fn threads_that_store_evict_and_look_up_are_never_served_the_answer_to_another_request() {
    let (cache, _) =
        cache_with(CacheConfig { max_bytes: 600_000, similarity_threshold: 0.999, ..CacheConfig::default() });
    let hits = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..1_500 {
                    let number = (round * 7 + thread * 2_048) % 4_096;
                    fill(cache, number..number + 1);
                }
            });
        }
        for thread in 0..2 {
            let (cache, hits) = (&cache, &hits);
            scope.spawn(move || {
                for round in 0..1_500 {
                    let found = served(cache, (round * 7 + thread * 2_048) % 4_096);
                    hits.fetch_add(u64::from(found.is_some()), Ordering::Relaxed);
                }
            });
        }
    });

    assert!(cache.stats().evicted > 100);
    assert_eq!(vectors(&cache), cache.len());
}

#[test]
fn the_vectors_of_large_partitions_are_beside_the_snapshot_and_found_again() {
    let folder = Folder::new("partitions");
    let first = open(&folder);
    fill(&first, 0..400);
    first.compact().unwrap();
    fill(&first, 400..420);
    let gone = first.get(&respelled(9)).unwrap();
    first.mark_wrong(&gone).unwrap();
    first.close().unwrap();
    assert_eq!(folder.files("vectors-").len(), 1);

    let second = open(&folder);

    assert_eq!(second.stats().loaded, 419);
    assert_eq!(vectors(&second), 419);
    assert!(served(&second, 9).is_none());
    for number in [0, 200, 399, 400, 419] {
        assert_eq!(served(&second, number), Some((HitKind::Semantic, 1.0)), "{number}");
    }
    second.tend().unwrap();
    second.compact().unwrap();
    assert_eq!(folder.files("vectors-").len(), 1);
    second.close().unwrap();
    assert_eq!(open(&folder).stats().loaded, 419);
}

#[test]
fn a_folder_that_is_opened_with_a_smaller_budget_keeps_what_fits_in_both_tiers() {
    let folder = Folder::new("smaller");
    keep(&folder, 400);

    let config = CacheConfig { max_bytes: 150_000, ..CacheConfig::default() };
    let second = try_open(&folder.0, config, StaticEmbedder::shipped().unwrap(), 1_000).unwrap();

    assert!((40..200).contains(&second.len()), "{}", second.len());
    assert_eq!(vectors(&second), second.len());
    assert_eq!(served(&second, 399), Some((HitKind::Semantic, 1.0)));
    assert!(second.stats().bytes <= 150_000);
}

#[test]
fn a_damaged_file_of_vectors_is_refused_by_name_and_one_that_is_missing_costs_the_semantic_tier_alone() {
    let folder = Folder::new("damaged-vectors");
    keep(&folder, 100);
    let file = folder.files("vectors-").remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();

    let refused = try_open(&folder.0, CacheConfig::default(), StaticEmbedder::shipped().unwrap(), 1_000).unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::Snapshot);
    assert!(refused.to_string().contains("vectors-"), "{refused}");
    fs::remove_file(&file).unwrap();
    let second = open(&folder);
    assert_eq!(second.stats().loaded, 100);
    assert_eq!(second.get(&ask(&question(5))).unwrap().kind, HitKind::Exact);
}
