//! The graph against brute force, through changes, and its part of a file against crafted ones.

use super::graph::{DEGREE, Standing};
use super::tests::{brute, folder, values};
use super::*;
use crate::container;
use crate::error::ErrorKind;

const DIM: usize = 64;

/// Vectors around `n / 10` centres, as texts of a few topics are.
fn clustered(seed: u64, n: u64) -> Vec<f32> {
    let vector = |at: u64| {
        let centre = values(seed + at % (n / 10).max(1), DIM);
        let own = values(seed + 1_000_000 + at, DIM);
        centre.into_iter().zip(own).map(|(centre, own)| centre + 0.7 * own).collect::<Vec<_>>()
    };
    (0..n).flat_map(vector).collect()
}

fn graph_of(ids: std::ops::Range<u64>, vectors: &[f32]) -> VectorIndex {
    let index = VectorIndex::new(DIM, Kind::Graph).unwrap();
    index.add(&ids.collect::<Vec<_>>(), vectors).unwrap();
    index.check();
    index
}

/// The share of the ten nearest that a search finds, for queries that are not held.
fn recall(index: &VectorIndex, ids: &std::ops::Range<u64>) -> f64 {
    let mut found = 0;
    for seed in 0..100 {
        let query = values(70_000_000 + seed, DIM);
        let least = brute(index, ids.clone(), &query, 10).last().unwrap().1;
        let near = index.search(&query, 10, None, None).unwrap();
        found += near.iter().filter(|near| near.similarity >= least - 1e-5).count();
    }
    f64::from(u32::try_from(found).unwrap()) / 1000.0
}

fn misses(index: &VectorIndex, ids: std::ops::Range<u64>, vectors: &[f32]) -> usize {
    let finds = |(id, vector): (u64, &[f32])| index.search(vector, 1, None, None).unwrap()[0].id == id;
    ids.zip(vectors.chunks(DIM)).filter(|&entry| !finds(entry)).count()
}

impl VectorIndex {
    /// Panics where an invariant does not hold.
    pub(super) fn check(&self) {
        let state = self.read();
        let Some(graph) = &state.graph else { return };
        let slots: Vec<u32> = (0..).take(state.slots.count()).collect();
        let mut counted = vec![0; slots.len()];
        for &slot in &slots {
            let links: Vec<u32> = graph.links(slot).collect();
            assert!(links.len() <= DEGREE && !links.contains(&slot), "slot {slot} is linked to itself");
            assert!((1..links.len()).all(|at| !links[..at].contains(&links[at])), "slot {slot} has a link twice");
            for link in links {
                counted[link as usize] += 1;
            }
        }
        let (mut linked, mut roots) = (0, 0);
        for &slot in &slots {
            let standing = graph.standing(slot);
            assert_eq!(graph.indegree(slot), counted[slot as usize], "links to slot {slot}");
            assert_eq!(standing == Standing::Gone, !state.slots.is_live(slot), "slot {slot}");
            assert_eq!(graph.waiting().contains(&slot), standing == Standing::Waiting, "slot {slot}");
            if standing == Standing::Linked {
                linked += 1;
                roots += usize::from(counted[slot as usize] == 0);
            } else {
                assert!(graph.copies(slot).is_empty(), "slot {slot} is not linked and has copies");
            }
            for &copy in graph.copies(slot) {
                assert!(graph.standing(copy) == Standing::Copy && state.slots.same_row(copy, slot));
            }
        }
        assert_eq!(graph.linked(), linked);
        let (kept, counted) = graph.copies_bytes();
        assert_eq!(kept, counted, "bytes of the copies");
        assert!(roots <= 1, "{roots} entries without a link to them");
    }
}

#[test]
fn a_walk_finds_nearly_all_of_the_nearest_and_every_entry_itself() {
    let vectors = clustered(1, 2000);
    let index = graph_of(0..2000, &vectors);

    assert_eq!(misses(&index, 0..2000, &vectors), 0);
    assert!(recall(&index, &(0..2000)) > 0.97, "{}", recall(&index, &(0..2000)));
}

#[test]
fn an_index_that_grows_past_the_flat_size_gets_a_graph_and_one_that_shrinks_loses_it() {
    let vectors = clustered(2, 400);
    let index = VectorIndex::new(DIM, Kind::Auto).unwrap();
    let mut kinds = Vec::new();
    for (id, vector) in (0..).zip(vectors.chunks(DIM)) {
        index.add(&[id], vector).unwrap();
        kinds.push(index.stats().is_graph);
        // Whatever waits to be linked is found meanwhile.
        assert_eq!(index.search(vector, 1, None, None).unwrap()[0].id, id);
    }
    assert_eq!(kinds.iter().position(|&is_graph| is_graph), Some(256));
    assert!(index.stats().waiting < 68);
    index.check();

    assert_eq!(index.remove(&(0..340).collect::<Vec<_>>()), 340);
    assert!(!index.stats().is_graph);
    assert_eq!(misses(&index, 340..400, &vectors[340 * DIM..]), 0);
}

#[test]
fn recall_and_memory_stay_where_they_are_when_everything_is_replaced_three_times() {
    let n = 600;
    let all = clustered(3, 4 * n);
    let part = |round: u64| &all[usize::try_from(round * n).unwrap() * DIM..][..usize::try_from(n).unwrap() * DIM];
    let index = graph_of(0..n, part(0));
    let bytes = index.stats().bytes;
    for round in 1..4 {
        for (at, vector) in (0..n).zip(part(round).chunks(DIM)) {
            assert_eq!(index.remove(&[(round - 1) * n + at]), 1);
            index.add(&[round * n + at], vector).unwrap();
        }
        index.check();
    }

    let rebuilt = graph_of(3 * n..4 * n, part(3));
    let live = 3 * n..4 * n;
    assert!(recall(&index, &live) >= recall(&rebuilt, &live) - 0.01);
    assert!(misses(&index, live, part(3)) <= 1);
    // The table of ids may have taken its next size.
    assert!(index.stats().bytes <= bytes + bytes / 20);
}

#[test]
fn many_copies_of_a_few_vectors_hide_no_other() {
    let vectors = clustered(4, 600);
    let index = graph_of(0..600, &vectors);
    let (mut ids, mut copies) = (Vec::new(), Vec::new());
    for id in 1000..1600u64 {
        ids.push(id);
        copies.extend(values(id % 3, DIM));
    }
    index.add(&ids, &copies).unwrap();
    index.check();

    assert_eq!(misses(&index, 0..600, &vectors), 0);
    let found = index.search(&values(1, DIM), 5, None, None).unwrap();
    let near: Vec<u64> = found.iter().map(|near| near.id).collect();
    assert_eq!(near, [1000, 1003, 1006, 1009, 1012]);
    // One of the copies stands for all in the graph; whichever goes, the others stay.
    assert_eq!(index.remove(&(1000..1597).collect::<Vec<_>>()), 597);
    index.check();
    for id in 1597..1600 {
        assert_eq!(index.search(&values(id % 3, DIM), 1, None, None).unwrap()[0].id, id);
    }
}

#[test]
fn a_walk_with_a_floor_ends_early_and_returns_what_lies_above() {
    let vectors = clustered(5, 1500);
    let index = graph_of(0..1500, &vectors);

    for (id, vector) in (0..).zip(vectors.chunks(DIM)).step_by(7) {
        let found = index.search(vector, 1, Some(0.95), None).unwrap();
        assert_eq!(found[0].id, id);
        assert!(index.search(&values(id + 80_000_000, DIM), 5, Some(0.95), None).unwrap().is_empty());
    }
}

#[test]
fn the_portable_loops_build_and_walk_the_same_graph() {
    let vectors = clustered(6, 300);
    let (one, ids) = (graph_of(0..300, &vectors), (0..300).collect::<Vec<u64>>());
    let other = VectorIndex::with_kernels(DIM, Kind::Graph, super::kernels::PORTABLE).unwrap();
    other.add(&ids, &vectors).unwrap();

    for seed in 0..20 {
        let query = values(90_000_000 + seed, DIM);
        let search = |index: &VectorIndex| index.search(&query, 10, None, None).unwrap();
        assert_eq!(search(&one), search(&other));
    }
}

#[test]
fn a_graph_opens_as_it_was_saved_and_can_be_changed_at_once() {
    let folder = folder("graph");
    let vectors = clustered(7, 500);
    let index = graph_of(0..500, &vectors);
    index.add(&[900, 901], &vectors[..DIM].repeat(2)).unwrap();
    index.remove(&[3, 4, 5]);
    index.save(&folder.join("graph")).unwrap();
    let before = std::fs::read(folder.join("graph")).unwrap();

    let opened = VectorIndex::open(&folder.join("graph")).unwrap();

    opened.check();
    assert_eq!(opened.len(), 499);
    let starts = |index: &VectorIndex| index.read().graph.as_ref().unwrap().entry_points().0.to_vec();
    assert_eq!(starts(&opened), starts(&index));
    for query in vectors.chunks(DIM) {
        let search = |index: &VectorIndex| index.search(query, 10, None, None).unwrap();
        assert_eq!(search(&opened), search(&index));
    }
    opened.remove(&(10..200).collect::<Vec<_>>());
    opened.add(&(2000..2300).collect::<Vec<_>>(), &clustered(5000, 300)).unwrap();
    opened.check();
    assert_eq!(misses(&opened, 2000..2300, &clustered(5000, 300)), 0);
    assert_eq!(std::fs::read(folder.join("graph")).unwrap(), before, "a change of the index reached its file");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_file_that_names_no_linked_entry_to_start_from_gets_new_ones() {
    let folder = folder("starts");
    let path = folder.join("index");
    let vectors = clustered(11, 500);
    let index = graph_of(0..500, &vectors);
    index.remove(&[7]);
    index.save(&path).unwrap();
    let gone = index.read().slots.ids.iter().position(|&id| id == NO_ID).unwrap();
    let file = container::Container::parse(std::fs::read(&path).unwrap(), "index", 1).unwrap();
    let of_gone = [300u64.to_le_bytes().to_vec(), u32::try_from(gone).unwrap().to_le_bytes().repeat(40)].concat();
    for entries in [None, Some(300u64.to_le_bytes().to_vec()), Some(of_gone)] {
        let names =
            ["dim", "kind", "loss", "ids", "scales", "stretch", "codes", "rests", "links", "indegree", "standing"];
        let mut sections: Vec<container::Section> =
            names.iter().map(|&name| (name, vec![file.section(name).unwrap()])).collect();
        sections.extend(entries.as_ref().map(|entries| ("entries", vec![entries.as_slice()])));
        container::write(&path, "index", 1, "", &sections).unwrap();

        let opened = VectorIndex::open(&path).unwrap();

        assert_eq!(misses(&opened, 8..500, &vectors[8 * DIM..]), 0, "{entries:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_goes_from_a_graph_takes_no_more_memory() {
    let index = graph_of(0..2000, &clustered(12, 2000));
    let bytes = index.stats().bytes;
    for id in 0..2000 {
        index.remove(&[id]);
        // The queue of those that wait may have taken its next size.
        assert!(index.stats().bytes <= bytes + 1024, "{id}");
    }
}

#[test]
fn a_crafted_file_with_right_checksums_is_refused() {
    let folder = folder("crafted");
    let path = folder.join("index");
    let index = graph_of(0..3, &clustered(9, 3));
    index.save(&path).unwrap();
    let file = container::Container::parse(std::fs::read(&path).unwrap(), "index", 1).unwrap();
    let names = [
        "dim", "kind", "loss", "ids", "scales", "stretch", "codes", "rests", "links", "indegree", "standing", "entries",
    ];
    let good = |name: &str| file.section(name).unwrap().to_vec();
    let written = |kind: &str, schema: u32, change: &dyn Fn(&str) -> Option<Vec<u8>>| {
        let sections: Vec<(&str, Vec<u8>)> = names.iter().filter_map(|&name| Some((name, change(name)?))).collect();
        let sections: Vec<container::Section> =
            sections.iter().map(|(name, bytes)| (*name, vec![bytes.as_slice()])).collect();
        container::write(&path, kind, schema, "", &sections).unwrap();
        VectorIndex::open(&path)
    };
    let refused = |what: &str, bytes: Vec<u8>| {
        let error = written("index", 1, &|name| Some(if name == what { bytes.clone() } else { good(name) }));
        let error = error.map(|_| ()).expect_err(&format!("{what} {bytes:?}"));
        assert_eq!(error.kind(), ErrorKind::IndexFile);
        error.to_string()
    };

    assert_eq!(written("index", 1, &|name| Some(good(name))).unwrap().len(), 3);
    for name in names {
        let without = written("index", 1, &|held| (held != name).then(|| good(held))).map(|_| ());
        let error = without.err().map(|error| error.kind());
        assert_eq!(error, (name != "entries").then_some(ErrorKind::IndexFile), "without {name}");
        if name != "kind" {
            refused(name, good(name)[1..].to_vec());
        }
        if name != "kind" && name != "entries" {
            refused(name, [good(name), vec![0; 4]].concat());
        }
        refused(name, Vec::new());
    }
    for dim in [0, 4097, u64::MAX] {
        refused("dim", dim.to_le_bytes().to_vec());
    }
    refused("kind", vec![1]);
    refused("kind", vec![3]);
    for distance in [f32::NAN, -1.0, f32::INFINITY] {
        refused("loss", [distance.to_le_bytes(), 0.0f32.to_le_bytes()].concat());
        refused("loss", [0.0f32.to_le_bytes(), distance.to_le_bytes()].concat());
    }
    for scale in [f32::NAN, 0.0, -1.0, f32::INFINITY] {
        refused("scales", scale.to_le_bytes().repeat(3));
    }
    refused("stretch", vec![1, 0, 1]);
    refused("stretch", vec![1, 122, 1]);
    assert!(refused("ids", 7u64.to_le_bytes().repeat(3)).contains("twice"));
    refused("ids", NO_ID.to_le_bytes().repeat(3));
    let mut links = good("links");
    links[..4].copy_from_slice(&3u32.to_le_bytes());
    assert!(refused("links", links).contains("link"));
    refused("entries", [good("entries"), 3u32.to_le_bytes().to_vec()].concat());
    refused("entries", u64::MAX.to_le_bytes().to_vec());
    refused("entries", 4u64.to_le_bytes().to_vec());
    refused("standing", vec![4, 1, 1]);
    refused("standing", vec![0, 1, 1]);
    // A copy of an entry that is a copy itself.
    refused("standing", vec![3, 3, 3]);
    let error = |kind, schema| written(kind, schema, &|name| Some(good(name))).map(|_| ()).unwrap_err().to_string();
    assert!(error("snapshot", 1).contains("snapshot"));
    assert!(error("index", 2).contains("schema 2"));
    std::fs::remove_dir_all(&folder).unwrap();
}
