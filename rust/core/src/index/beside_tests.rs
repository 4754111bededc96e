//! Searches beside a change: on real threads, under Miri with a schedule drawn by a seed (`make miri`), and under
//! `ThreadSanitizer` (`make tsan`).
//!
//! Miri fails them where `change` has no fence (a data race), and where an entry of a graph is replaced in two changes
//! (it is gone between them). One run on the threads of two cores met neither.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::tests::values;
use super::*;

const DIM: usize = 64;
/// Entries held at a time, and how often all of them are replaced. Miri runs a thousand times slower.
const HELD: u64 = if cfg!(miri) { 6 } else { 200 };
const ROUNDS: u64 = if cfg!(miri) { 1 } else { 10 };
const READERS: u64 = if cfg!(miri) { 1 } else { 3 };
/// Two vectors of opposite directions, so that every similarity tells them apart.
const SIGNS: [f32; 2] = [1.0, -1.0];

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

/// Ends the readers when the writer is done, or has panicked.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `write` on one thread and `read` on others, again and again until the other is done.
fn beside(write: impl FnOnce() + Send, read: impl Fn(u64) + Sync) {
    let done = AtomicBool::new(false);
    let (done, read) = (&done, &read);
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            scope.spawn(move || {
                let mut turn = reader;
                // Once at least, however soon the writer is done.
                loop {
                    read(turn);
                    turn += READERS;
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        scope.spawn(move || {
            let _done = Done(done);
            write();
        });
    });
}

fn an_id_comes_with_its_own_vector(kind: Kind) {
    let index = VectorIndex::new(DIM, kind).unwrap();
    let vector_of = |id: u64| values(id + 1, DIM);
    // One that stays, so that there is always something to find.
    index.add(&[0], &vector_of(0)).unwrap();
    let newest = AtomicU64::new(0);

    let write = || {
        for id in 1..=HELD * (ROUNDS + 1) {
            index.add(&[id], &vector_of(id)).unwrap();
            newest.store(id, Ordering::Relaxed);
            if id > HELD {
                // The slot of the oldest is the next one's.
                assert_eq!(index.remove(&[id - HELD]), 1);
            }
        }
    };
    let read = |turn: u64| {
        let query = vector_of(newest.load(Ordering::Relaxed).saturating_sub(turn % HELD));
        let found = index.search(&query, 3, None, None).unwrap();
        assert!(!found.is_empty());
        for near in found {
            let own = cosine(&query, &vector_of(near.id));
            assert!((near.similarity - own).abs() < 1e-3, "{near:?} for a vector of {own}");
        }
        if let Some(held) = index.get(newest.load(Ordering::Relaxed)) {
            assert!(!held.is_empty());
        }
    };
    beside(write, read);

    assert_eq!(index.len() as u64, HELD + 1);
    index.check();
}

#[test]
fn an_id_found_in_a_scan_comes_with_its_own_vector_while_slots_are_taken_anew() {
    an_id_comes_with_its_own_vector(Kind::Flat);
}

#[test]
fn an_id_found_by_a_walk_comes_with_its_own_vector_while_slots_are_taken_anew() {
    an_id_comes_with_its_own_vector(Kind::Graph);
}

fn a_replaced_entry_is_found_at_any_moment(kind: Kind) {
    let index = VectorIndex::new(DIM, kind).unwrap();
    let side = |id: u64, sign: f32| values(id + 1, DIM).into_iter().map(|value| sign * value).collect::<Vec<_>>();
    // Enough for links between them, and one whose copy takes its place when it goes.
    let ids: Vec<u64> = (0..HELD).collect();
    index.add(&ids, &ids.iter().flat_map(|&id| side(id, 1.0)).collect::<Vec<_>>()).unwrap();
    index.add(&[HELD], &side(0, 1.0)).unwrap();

    let write = || {
        for turn in 0..HELD * ROUNDS * 2 {
            let id = turn % 3;
            let sign = SIGNS[usize::from((turn / 3).is_multiple_of(2))];
            index.add(&[id], &side(id, sign)).unwrap();
        }
    };
    let read = |turn: u64| {
        let id = turn % 3;
        let found = index.search(&side(id, 1.0), 1, None, Some(&[id])).unwrap();
        assert_eq!(found.len(), 1, "id {id} was not there for a moment");
        assert!((found[0].similarity.abs() - 1.0).abs() < 1e-3, "{found:?} is neither the old vector nor the new");
        let held = index.get(id).map(|held| cosine(&held, &side(id, 1.0)).abs());
        assert!(held.is_some_and(|held| held > 0.999), "{held:?}");
        assert_eq!(index.len() as u64, HELD + 1);
    };
    beside(write, read);
    index.check();
}

#[test]
fn a_replaced_entry_of_a_flat_index_is_found_at_any_moment() {
    a_replaced_entry_is_found_at_any_moment(Kind::Flat);
}

#[test]
fn a_replaced_entry_of_a_graph_is_found_at_any_moment() {
    a_replaced_entry_is_found_at_any_moment(Kind::Graph);
}

#[test]
#[cfg_attr(miri, ignore = "takes some hundred entries")]
fn entries_that_stay_are_found_while_the_index_grows_a_graph_and_gives_it_up() {
    let index = VectorIndex::new(DIM, Kind::Auto).unwrap();
    let vectors = values(77, 400 * DIM);
    let ids: Vec<u64> = (0..400).collect();
    index.add(&ids[..40], &vectors[..40 * DIM]).unwrap();
    let graphs = AtomicU64::new(0);

    let write = || {
        for _ in 0..ROUNDS {
            index.add(&ids[40..], &vectors[40 * DIM..]).unwrap();
            graphs.fetch_add(u64::from(index.stats().is_graph), Ordering::Relaxed);
            index.remove(&ids[40..]);
            assert!(!index.stats().is_graph);
        }
    };
    let read = |turn: u64| {
        let id = turn % 40;
        let own = &vectors[usize::try_from(id).unwrap() * DIM..][..DIM];
        assert_eq!(index.search(own, 1, None, None).unwrap()[0].id, id);
    };
    beside(write, read);

    assert_eq!(graphs.into_inner(), ROUNDS, "it grew no graph");
}
