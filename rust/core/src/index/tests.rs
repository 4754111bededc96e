//! The index against brute force, and its files against hostile ones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::codes::Codec;
use super::kernels::{PORTABLE, chosen};
use super::*;
use crate::error::ErrorKind;

/// Pseudo-random values in [-1, 1), the same for a seed.
pub fn values(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let draw = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(draw).collect()
}

fn filled(n: u64, dim: usize) -> VectorIndex {
    let index = VectorIndex::new(dim, Kind::Auto).unwrap();
    index.add(&(0..n).collect::<Vec<_>>(), &values(7, usize::try_from(n).unwrap() * dim)).unwrap();
    index
}

/// Brute force over the vectors as the index gives them back.
pub fn brute(index: &VectorIndex, ids: impl Iterator<Item = u64>, query: &[f32], k: usize) -> Vec<(u64, f32)> {
    let norm = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let mut found: Vec<(u64, f32)> = ids
        .filter_map(|id| Some((id, index.get(id)?)))
        .map(|(id, row)| {
            let dot: f64 = row.iter().zip(query).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            #[expect(clippy::cast_possible_truncation, reason = "a cosine")]
            (id, (dot / norm) as f32)
        })
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.truncate(k);
    found
}

fn assert_same(found: &[Neighbour], expected: &[(u64, f32)]) {
    assert_eq!(found.len(), expected.len());
    for (neighbour, (_, similarity)) in found.iter().zip(expected) {
        assert!((neighbour.similarity - similarity).abs() < 2e-6, "{found:?} {expected:?}");
    }
}

#[test]
fn every_search_equals_brute_force_over_what_is_stored() {
    for dim in [1, 3, 64, 100, 256, 384, 1536] {
        let index = filled(600, dim);
        for seed in 0..20 {
            let query = values(1000 + seed, dim);
            assert_same(&index.search(&query, 10, None, None).unwrap(), &brute(&index, 0..600, &query, 10));
        }
    }
}

#[test]
fn near_copies_beyond_what_the_codes_tell_apart_are_still_ranked_exactly() {
    let dim = 256;
    let centre = values(3, dim);
    let index = VectorIndex::new(dim, Kind::Auto).unwrap();
    for id in 0..2000u64 {
        let copy: Vec<f32> = centre.iter().zip(values(id + 9, dim)).map(|(x, noise)| x + 0.01 * noise).collect();
        index.add(&[id], &copy).unwrap();
    }

    assert_same(&index.search(&centre, 10, None, None).unwrap(), &brute(&index, 0..2000, &centre, 10));
}

#[test]
fn the_bound_in_integers_is_a_little_above_the_cosine() {
    for dim in [1, 64, 100, 256, 1536, 4096] {
        let codec = Codec::new(dim, chosen());
        for seed in 0..20 {
            let vector = values(seed, dim);
            let row = codec.row(&vector, "the vector").unwrap();
            for query in [vector, values(seed + 100, dim)] {
                let query = codec.query(&query, "the query").unwrap();
                let cosine = codec.cosine(&query, &row.code, &row.rest, row.stretch, row.scale);
                let most = codec.most(&query, &row.code, &row.rest, row.stretch, row.scale);
                assert!(most >= cosine && most < cosine + 5e-4, "{dim}: {cosine} {most}");
            }
        }
    }
}

#[test]
fn a_vector_made_to_defeat_the_rotation_is_found() {
    // What the rotation turns into a single large value, which no 4-bit code can say.
    let rotation = super::rotation::Rotation::new(64);
    let mut spike = vec![0.0; 64];
    spike[9] = 1.0;
    rotation.undo(PORTABLE, &mut spike);
    let index = filled(500, 64);
    index.add(&[900], &spike).unwrap();

    let found = index.search(&spike, 1, None, None).unwrap();

    assert_eq!(found[0].id, 900);
    assert!((found[0].similarity - 1.0).abs() < 1e-5);
}

#[test]
fn the_portable_loops_find_the_same_to_the_last_bit() {
    let (one, other) =
        (VectorIndex::new(200, Kind::Auto).unwrap(), VectorIndex::with_kernels(200, Kind::Auto, PORTABLE).unwrap());
    let (ids, vectors) = ((0..300).collect::<Vec<u64>>(), values(5, 300 * 200));
    one.add(&ids, &vectors).unwrap();
    other.add(&ids, &vectors).unwrap();
    let query = values(6, 200);

    assert_eq!(one.search(&query, 20, None, None).unwrap(), other.search(&query, 20, None, None).unwrap());
}

#[test]
fn floor_and_allowed_ids_hold_and_ties_come_in_the_order_of_ids() {
    let index = VectorIndex::new(2, Kind::Auto).unwrap();
    index.add(&[5, 4, 3, 2], &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, -1.0, 0.0]).unwrap();
    let ids = |found: Vec<Neighbour>| found.into_iter().map(|neighbour| neighbour.id).collect::<Vec<_>>();
    let search = |k, floor, allowed| ids(index.search(&[2.0, 0.0], k, floor, allowed).unwrap());

    assert_eq!(search(9, None, None), [4, 5, 3, 2]);
    assert_eq!(search(9, Some(0.5), None), [4, 5]);
    assert_eq!(search(9, None, Some(&[2, 5, 5, 77])), [5, 2]);
    assert!(search(1, None, Some(&[])).is_empty());
    assert!(search(0, None, None).is_empty());
    assert!(search(1, Some(1.5), None).is_empty());
}

#[test]
fn a_faulty_vector_is_named_and_nothing_is_added() {
    let index = VectorIndex::new(2, Kind::Auto).unwrap();
    let mut messages = Vec::new();
    for bad in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
        let error = index.add(&[1, 2], &[1.0, 1.0, bad[0], bad[1]]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dimension);
        messages.push(error.to_string());
    }

    assert!(index.is_empty());
    assert!(messages.iter().all(|message| message.contains("vector 1")), "{messages:?}");
    assert!(messages[1].contains("NaN at position 0"));
    assert_eq!(index.add(&[1], &[1.0]).unwrap_err().kind(), ErrorKind::Dimension);
    assert_eq!(index.add(&[NO_ID], &[1.0, 1.0]).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(index.search(&[1.0], 1, None, None).unwrap_err().kind(), ErrorKind::Dimension);
    assert_eq!(VectorIndex::new(0, Kind::Auto).unwrap_err().kind(), ErrorKind::Dimension);
    assert_eq!(VectorIndex::new(4097, Kind::Auto).unwrap_err().kind(), ErrorKind::Dimension);
}

#[test]
fn lengths_at_the_limits_of_a_float_do_not_matter() {
    let index = VectorIndex::new(64, Kind::Auto).unwrap();
    for (id, scale) in [(1u64, 1e-37f32), (2, 1e38)] {
        index.add(&[id], &values(3, 64).iter().map(|value| value * scale).collect::<Vec<_>>()).unwrap();
    }

    let found = index.search(&values(3, 64), 2, None, None).unwrap();

    assert!(found.iter().all(|neighbour| neighbour.similarity > 0.999));
}

#[test]
fn a_batch_on_several_threads_is_the_single_searches() {
    let index = filled(500, 64);
    let queries = values(11, 64 * 9);
    let single: Vec<_> = queries.chunks(64).map(|query| index.search(query, 3, None, None).unwrap()).collect();

    for threads in [1, 2, 4, 50] {
        assert_eq!(index.search_batch(&queries, 3, threads).unwrap(), single);
    }
    assert!(index.search_batch(&[], 3, 2).unwrap().is_empty());
    assert!(index.search_batch(&[f32::NAN; 64 * 4], 3, 2).unwrap_err().to_string().contains("query 0"));
}

#[test]
fn readers_beside_a_writer_see_whole_entries_only() {
    // Every vector that ever stands under an id is one of two; a torn row would be neither.
    let (index, dim) = (filled(64, 64), 64);
    let (one, other) = (values(21, dim), values(22, dim));
    index.add(&[0], &one).unwrap();

    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..400u64 {
                index.add(&[0], if round % 2 == 0 { &other } else { &one }).unwrap();
                index.add(&[100 + round], &values(round + 50, dim)).unwrap();
                index.remove(&[100 + round]);
            }
        });
        while !writer.is_finished() {
            let sure = |query| index.search(query, 1, Some(0.999), None).unwrap().len();
            assert!(sure(&one) <= 1 && sure(&other) <= 1);
            let held = index.get(0).unwrap();
            let cosine = |v: &[f32]| {
                let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
                held.iter().zip(v).map(|(x, y)| x * y).sum::<f32>() / norm
            };
            assert!(cosine(&one).max(cosine(&other)) > 0.999);
        }
    });
    assert_eq!(index.len(), 64);
}

pub fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("compound-fast-index-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn what_was_saved_opens_again_and_can_be_changed() {
    let folder = folder("saved");
    let (path, index) = (folder.join("some.index"), filled(50, 100));
    index.save(&path).unwrap();
    index.save(&path).unwrap();

    let opened = VectorIndex::open(&path).unwrap();

    let query = values(4, 100);
    assert_eq!(opened.search(&query, 9, None, None).unwrap(), index.search(&query, 9, None, None).unwrap());
    assert_eq!(opened.remove(&[3, 3, 99]), 1);
    opened.add(&[99], &query).unwrap();
    assert_eq!(opened.search(&query, 1, None, None).unwrap()[0].id, 99);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "a temporary file stayed behind");
    assert_eq!(VectorIndex::open(&folder.join("none")).unwrap_err().kind(), ErrorKind::IndexFile);
    assert_eq!(index.save(&folder.join("no/folder")).unwrap_err().kind(), ErrorKind::IndexFile);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn file_of(index: &VectorIndex, name: &str) -> Vec<u8> {
    let folder = folder(name);
    index.save(&folder.join("index")).unwrap();
    let bytes = std::fs::read(folder.join("index")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    bytes
}

#[test]
fn every_truncation_and_every_flipped_bit_is_an_error_of_ours() {
    let graph = VectorIndex::new(64, Kind::Graph).unwrap();
    graph.add(&[1, 2, 3, 4, 5], &values(7, 5 * 64)).unwrap();
    let bytes = file_of(&graph, "hostile");
    let kind_of = |bytes: &[u8]| VectorIndex::from_bytes(bytes).map(|_| ()).unwrap_err().kind();

    for len in 0..bytes.len() {
        assert_eq!(kind_of(&bytes[..len]), ErrorKind::IndexFile, "cut at {len}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(kind_of(&flipped), ErrorKind::IndexFile, "bit {bit}");
    }
    assert_eq!(kind_of(&[bytes, vec![0]].concat()), ErrorKind::IndexFile);
}

#[derive(Debug, Clone)]
enum Step {
    Add(u64, u64),
    AddMany(u64, u64),
    Remove(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..30, 1u64..1000).prop_map(|(id, seed)| Step::Add(id, seed)),
        1 => (30u64..120, 1u64..1000).prop_map(|(first, seed)| Step::AddMany(first, seed)),
        3 => (0u64..90).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn after_any_steps_the_index_holds_the_live_set_and_each_entry_finds_itself(
        steps in prop::collection::vec(step(), 1..40),
        dim in prop_oneof![Just(3usize), Just(64), Just(130)],
        kind in prop_oneof![Just(Kind::Auto), Just(Kind::Flat), Just(Kind::Graph)],
    ) {
        let mut index = VectorIndex::new(dim, kind).unwrap();
        let mut live: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Add(id, seed) => {
                    index.add(&[id], &values(seed, dim)).unwrap();
                    live.insert(id, values(seed, dim));
                }
                Step::AddMany(first, seed) => {
                    // Some of them of one row, as the entries of a template are.
                    let ids: Vec<u64> = (first..first + 60).collect();
                    let seed_of = |id: u64| if id.is_multiple_of(3) { seed } else { seed + id };
                    let vectors: Vec<f32> = ids.iter().flat_map(|&id| values(seed_of(id), dim)).collect();
                    index.add(&ids, &vectors).unwrap();
                    live.extend(ids.iter().map(|&id| (id, values(seed_of(id), dim))));
                }
                Step::Remove(id) => prop_assert_eq!(index.remove(&[id]), usize::from(live.remove(&id).is_some())),
                Step::Reopen => index = VectorIndex::from_bytes(&file_of(&index, "steps")).unwrap(),
            }
        }

        prop_assert_eq!(index.len(), live.len());
        index.check();
        for (&id, vector) in live.iter().take(40) {
            let found = index.search(vector, live.len(), None, None).unwrap();
            prop_assert_eq!(found.len(), live.len());
            let own = found.iter().find(|neighbour| neighbour.id == id).unwrap();
            prop_assert!(own.similarity > 0.9999 && own.similarity >= found[0].similarity - 1e-3);
            assert_same(&found, &brute(&index, live.keys().copied(), vector, live.len()));
            // A walk, where there is a graph: it finds the entry, or another of the same row.
            let nearest = index.search(vector, 1, None, None).unwrap();
            prop_assert!(nearest[0].similarity > 0.9999, "{} {:?}", id, nearest);
        }
    }
}
