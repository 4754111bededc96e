//! Which links an entry gets, and which replace those to an entry that goes. Plans only read; applying one is short.

use super::codes::{Codec, self_product};
use super::graph::{DEGREE, Graph, Standing};
use super::kernels::prefetch;
use super::slots::Slots;
use super::walk::{Scratch, with_scratch};

/// Candidates that a new entry's links are chosen among.
const WIDTH: usize = 96;
/// Links that a new entry gets; the rest of [`DEGREE`] is for those that come later.
const CHOSEN: usize = 32;
/// Links that a full list is cut to: it is chosen anew once in so many new links, not at each.
const CUT_TO: usize = 40;
/// Links of an entry that goes which each of its neighbours may take over.
const HANDED_ON: usize = 12;
/// A candidate is left out where a chosen one is nearer to it by this factor than the entry is: links then lead in all
/// directions, and a walk takes longer steps.
const LEAP: f32 = 1.1;
/// Cosine distance that counts as none: of a cluster of near copies one is linked, not all.
const TOLERANCE: f32 = 0.002;
/// Candidates of a new entry that are looked at for being of the same row.
const COPIES_AMONG: usize = 4;

/// Slots, each with the new list of its links.
pub type Lists = Vec<(u32, Vec<u32>)>;

/// What linking an entry will change.
#[derive(Debug)]
pub enum Plan {
    /// It has the row of a linked entry.
    Copy(u32),
    /// Its own links, and the new lists of others.
    Links(Vec<u32>, Lists),
    /// Nothing can be linked to yet.
    Wait,
}

/// Rows in eight bits a value, one after the other.
#[derive(Debug, Default)]
struct Shorts {
    values: Vec<i8>,
    len: usize,
}

impl Shorts {
    fn of(codec: &Codec, slots: &Slots, rows: &[u32]) -> Self {
        let len = codec.row_len();
        let mut values = vec![0; rows.len() * len];
        for (at, (&slot, out)) in rows.iter().zip(values.chunks_exact_mut(len)).enumerate() {
            if let Some(&ahead) = rows.get(at + 4) {
                prefetch(slots.codes.row(ahead));
                prefetch(slots.rests.row(ahead));
            }
            slots.short(codec, slot, out);
        }
        Self { values, len }
    }

    fn row(&self, at: usize) -> &[i8] {
        &self.values[at * self.len..][..self.len]
    }
}

/// Of `candidates`, all live and none of them twice, those that `slot` should link to, nearest first.
fn choose(codec: &Codec, slots: &Slots, slot: u32, candidates: &[u32], most: usize) -> Vec<u32> {
    let product = codec.kernels().dot_short;
    let mut own = vec![0; codec.row_len()];
    slots.short(codec, slot, &mut own);
    let shorts = Shorts::of(codec, slots, candidates);
    let mut order: Vec<(i32, usize)> = (0..candidates.len()).map(|at| (product(&own, shorts.row(at)), at)).collect();
    order.sort_unstable_by(|one, other| other.cmp(one));
    let unit = self_product(codec.row_len());
    let mut chosen: Vec<usize> = Vec::with_capacity(most);
    for (score, at) in order {
        let reach = (unit - score as f32).max(0.0) + TOLERANCE * unit;
        let row = shorts.row(at);
        let is_near = |&held: &usize| (unit - product(row, shorts.row(held)) as f32).max(0.0) * LEAP <= reach;
        if !chosen.iter().any(is_near) {
            chosen.push(at);
            if chosen.len() == most {
                break;
            }
        }
    }
    chosen.into_iter().map(|at| candidates[at]).collect()
}

/// What to change so that walks find a waiting entry.
pub fn plan(codec: &Codec, slots: &Slots, graph: &Graph, slot: u32) -> Plan {
    let mut query = vec![0; codec.row_len()];
    slots.short(codec, slot, &mut query);
    let candidates: Vec<u32> = with_scratch(|scratch: &mut Scratch| {
        scratch.walk(graph, slots, codec.kernels(), &query, WIDTH, None);
        let found = scratch.found().map(|(_, found)| found);
        found.filter(|&found| found != slot && graph.standing(found) == Standing::Linked).collect()
    });
    if let Some(&original) = candidates.iter().take(COPIES_AMONG).find(|&&found| slots.same_row(found, slot)) {
        return Plan::Copy(original);
    }
    let own = choose(codec, slots, slot, &candidates, CHOSEN);
    if own.is_empty() {
        return if graph.linked() == 0 { Plan::Links(own, Vec::new()) } else { Plan::Wait };
    }
    let mut others: Lists = Vec::with_capacity(own.len());
    let mut is_linked_to = false;
    for &other in &own {
        let mut list: Vec<u32> = graph.links(other).collect();
        if list.contains(&slot) {
            is_linked_to = true;
            continue;
        }
        list.push(slot);
        if list.len() > DEGREE {
            list.retain(|&link| matches!(graph.standing(link), Standing::Linked) || link == slot);
            list = choose(codec, slots, other, &list, CUT_TO);
        }
        is_linked_to |= list.contains(&slot);
        others.push((other, list));
    }
    if !is_linked_to {
        // Every list had better links. One must lead here all the same: in place of one that others lead to as well.
        let (_, list) = &mut others[0];
        let place = list.iter().rposition(|&link| graph.indegree(link) > 1);
        match place {
            Some(place) if list.len() == DEGREE => list[place] = slot,
            _ => {
                list.truncate(DEGREE - 1);
                list.push(slot);
            }
        }
    }
    Plan::Links(own, others)
}

/// The new lists of the entries that a linked one, about to go, is tied to in both directions: each is chosen anew from
/// its own links and the nearest to it of those of the one that goes.
pub fn repair(codec: &Codec, slots: &Slots, graph: &Graph, slot: u32) -> Lists {
    let is_linked = |link: &u32| *link != slot && graph.standing(*link) == Standing::Linked;
    let around: Vec<u32> = graph.links(slot).filter(is_linked).collect();
    let shorts = Shorts::of(codec, slots, &around);
    let product = codec.kernels().dot_short;
    let mut lists = Vec::new();
    for (at, &other) in around.iter().enumerate() {
        if graph.links(other).any(|link| link == slot) {
            let mut candidates: Vec<u32> = graph.links(other).filter(is_linked).collect();
            let mut nearest: Vec<(i32, u32)> = (0..around.len())
                .filter(|&with| with != at && !candidates.contains(&around[with]))
                .map(|with| (product(shorts.row(at), shorts.row(with)), around[with]))
                .collect();
            nearest.sort_unstable_by(|one, other| other.cmp(one));
            candidates.extend(nearest.iter().take(HANDED_ON).map(|&(_, link)| link));
            lists.push((other, choose(codec, slots, other, &candidates, CUT_TO)));
        }
    }
    lists
}
