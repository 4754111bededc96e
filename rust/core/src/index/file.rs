//! An index as a file. The rows and links of an opened one stay in the file's pages until they are changed.

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;

use super::codes::{Loss, MAX_STRETCH};
use super::graph::{DEGREE, Graph, NONE, Standing};
use super::kernels::BLOCK;
use super::rows::{BLOCK_SLOTS, Rows};
use super::slots::Slots;
use super::state::State;
use super::vector_index::{Kind, MAX_DIM, MAX_ENTRIES, NO_ID};
use crate::container::{self, Container, Readers, Unnamed, fault_of};
use crate::error::{Error, ErrorKind, Result};
use crate::store::map::Pages;

const KIND: &str = "index";
const SCHEMA: u32 = 1;

/// What a file holds, checked.
#[derive(Debug)]
pub struct Stored {
    pub dim: usize,
    pub kind: Kind,
    pub state: State,
}

/// Hands an index to the system; it appears once the disk has it.
pub fn save(path: &Path, readers: Readers, dim: usize, kind: Kind, state: &State) -> Result<Unnamed> {
    let slots = &state.slots;
    let count = slots.count();
    let (dim, kind) = ((dim as u64).to_le_bytes(), [kind as u8]);
    let (distance, along) = (slots.loss.distance.to_le_bytes(), slots.loss.along.to_le_bytes());
    let ids: Vec<u8> = slots.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let scales: Vec<u8> = slots.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let (mut indegrees, mut standings, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let mut sections = vec![
        ("dim", vec![dim.as_slice()]),
        ("kind", vec![kind.as_slice()]),
        ("loss", vec![distance.as_slice(), along.as_slice()]),
        ("ids", vec![ids.as_slice()]),
        ("scales", vec![scales.as_slice()]),
        ("stretch", vec![slots.stretches.as_slice()]),
        ("codes", slots.codes.pieces(count)),
        ("rests", slots.rests.pieces(count)),
    ];
    if let Some(graph) = &state.graph {
        #[expect(clippy::cast_possible_truncation, reason = "an index holds fewer than 2^31 entries")]
        for slot in 0..count as u32 {
            indegrees.extend(graph.indegree(slot).to_le_bytes());
            standings.push(graph.standing(slot) as u8);
        }
        sections.push(("links", graph.rows().pieces(count)));
        sections.push(("indegree", vec![indegrees.as_slice()]));
        sections.push(("standing", vec![standings.as_slice()]));
        let (slots, drawn_at) = graph.entry_points();
        entries.extend((drawn_at as u64).to_le_bytes());
        entries.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
        sections.push(("entries", vec![entries.as_slice()]));
    }
    container::write_unnamed(path, readers, (KIND, SCHEMA, ""), &sections)
}

/// Opens what [`save`] wrote.
pub fn open(path: &Path) -> Result<Stored> {
    let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", path.display()));
    let opened = || {
        let fault = |fault| fault_of("cannot be read", fault);
        let file = File::open(path).map_err(fault)?;
        let len = usize::try_from(file.metadata().map_err(fault)?.len()).map_err(|_| broken("is too long"))?;
        if len == 0 {
            return Err(broken("is empty"));
        }
        // The system refuses to map a folder or a device, and so do we.
        let all = Pages::of_file(&file, 0, len).map_err(fault)?;
        let blocks = |range: Range<usize>| Pages::of_file(&file, range.start as u64, range.len()).map_err(fault);
        checked(&Container::unverified(all, KIND, SCHEMA)?, &blocks)
    };
    opened().map_err(named)
}

/// What a file holds, read while another thread compares its checksums, each of which takes half of the time. Whatever
/// is read from it is held to its range, so that a corrupted file does no harm before it is found out.
fn checked(file: &Container<Pages>, blocks: Blocks) -> Result<Stored> {
    std::thread::scope(|scope| {
        let verifying = std::thread::Builder::new().spawn_scoped(scope, || file.verify());
        let read = stored(file, blocks);
        match verifying.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(verified)) => verified?,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // The system has no thread left.
            Err(_) => file.verify()?,
        }
        read
    })
}

/// [`open`] of bytes at hand.
pub fn parse(bytes: &[u8]) -> Result<Stored> {
    let blocks = |range: Range<usize>| {
        let mut pages = Pages::zeroed(range.len()).map_err(|fault| fault_of("does not fit into memory", fault))?;
        pages.copy_from_slice(&bytes[range]);
        Ok(pages)
    };
    stored(&Container::parse(bytes, KIND, SCHEMA)?, &blocks)
}

type Blocks<'a> = &'a dyn Fn(Range<usize>) -> Result<Pages>;

fn stored<B: Deref<Target = [u8]>>(file: &Container<B>, blocks: Blocks) -> Result<Stored> {
    let dim: [u8; 8] = file.section("dim")?.try_into().map_err(|_| broken("has a dim of another size"))?;
    let dim = usize::try_from(u64::from_le_bytes(dim)).ok().filter(|dim| (1..=MAX_DIM).contains(dim));
    let dim = dim.ok_or_else(|| broken(&format!("has a dim outside 1 to {MAX_DIM}")))?;
    let &[kind] = file.section("kind")? else { return Err(broken("has a kind of another size")) };
    let kind = [Kind::Auto, Kind::Flat, Kind::Graph].into_iter().find(|&known| known as u8 == kind);
    let kind = kind.ok_or_else(|| broken("is of a kind that there is not"))?;
    let mut slots = slots(file, dim, blocks)?;
    let graph = if file.has("links") { Some(graph(file, &slots, blocks)?) } else { None };
    if graph.is_some() {
        slots.reserve_free();
    }
    if graph.is_some() && kind == Kind::Flat || graph.is_none() && kind == Kind::Graph {
        return Err(broken("has links where it is flat, or none where it is a graph"));
    }
    if graph.is_none() && slots.live() != slots.count() {
        return Err(broken("is flat and has slots without an entry"));
    }
    Ok(Stored { dim, kind, state: State { slots, graph } })
}

fn slots<B: Deref<Target = [u8]>>(file: &Container<B>, dim: usize, blocks: Blocks) -> Result<Slots> {
    let ids = file.section("ids")?.as_chunks::<8>();
    let count = ids.0.len();
    let (scales, stretches) = (file.section("scales")?.as_chunks::<4>(), file.section("stretch")?);
    let lens = [scales.0.len(), stretches.len()];
    if !ids.1.is_empty() || !scales.1.is_empty() || lens != [count; 2] || count > MAX_ENTRIES {
        return Err(broken(&format!("has {} scales and {} stretches for {count} ids", lens[0], lens[1])));
    }
    let ids: Vec<u64> = ids.0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
    let scales: Vec<f32> = scales.0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let (&[distance, along], []) = file.section("loss")?.as_chunks::<4>() else {
        return Err(broken("has a loss of another size"));
    };
    let loss = Loss { distance: f32::from_le_bytes(distance), along: f32::from_le_bytes(along) };
    let is_loss = |part: f32| (0.0..=2.0).contains(&part);
    // No row is longer than its values allow, and none further from its code than two unit vectors from each other.
    let is_scale = |scale: &f32| *scale > 0.0 && *scale <= 1.0;
    let is_stretch = |stretch: &u8| (1..=MAX_STRETCH).contains(stretch);
    if !is_loss(loss.distance)
        || !is_loss(loss.along)
        || !scales.iter().all(is_scale)
        || !stretches.iter().all(is_stretch)
    {
        return Err(broken("holds a row that is no unit vector"));
    }
    let len = dim.next_multiple_of(BLOCK);
    let (codes, rests) = (rows(file, "codes", len / 2, count, blocks)?, rows(file, "rests", len, count, blocks)?);
    Slots::of_parts(codes, rests, ids, stretches.to_vec(), scales, loss).ok_or_else(|| broken("holds one id twice"))
}

fn graph<B: Deref<Target = [u8]>>(file: &Container<B>, slots: &Slots, blocks: Blocks) -> Result<Graph> {
    let count = slots.count();
    let links = file.section("links")?.as_chunks::<4>().0;
    // Without a branch: this reads 192 bytes an entry. In place of a link stands the largest number.
    let furthest = links.iter().map(|&link| u32::from_le_bytes(link).wrapping_add(1)).max().unwrap_or(0);
    if furthest as usize > count {
        return Err(broken("has a link to a slot that there is not"));
    }
    let links = rows(file, "links", DEGREE * size_of::<u32>(), count, blocks)?;
    let (indegrees, standings) = (file.section("indegree")?.as_chunks::<4>(), file.section("standing")?);
    if !indegrees.1.is_empty() || indegrees.0.len() != count || standings.len() != count {
        let (counts, standings) = (indegrees.0.len(), standings.len());
        return Err(broken(&format!("has {counts} counts of links and {standings} standings for {count} ids")));
    }
    let all = [Standing::Gone, Standing::Waiting, Standing::Linked, Standing::Copy];
    let standings: Option<Vec<Standing>> = standings.iter().map(|&byte| all.get(usize::from(byte)).copied()).collect();
    let standings = standings.ok_or_else(|| broken("has a standing that there is not"))?;
    let fits = |(&id, &standing): (&u64, &Standing)| (id == NO_ID) == (standing == Standing::Gone);
    if !slots.ids.iter().zip(&standings).all(fits) {
        return Err(broken("has an entry without a standing"));
    }
    let indegrees = indegrees.0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    let mut graph = Graph::of_parts(links, indegrees, standings)
        .ok_or_else(|| broken("has a copy of an entry that is not linked"))?;
    if !file.has("entries") {
        graph.draw_entries(slots);
        return Ok(graph);
    }
    let Some((&drawn_at, entries)) = file.section("entries")?.split_first_chunk::<8>() else {
        return Err(broken("has no count of entries to start from"));
    };
    let (entries, few) = entries.as_chunks::<4>();
    let entries: Vec<u32> = entries.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    if !few.is_empty() || entries.len() > count || entries.iter().any(|&slot| slot as usize >= count) {
        return Err(broken("starts from a slot that there is not"));
    }
    let drawn_at = usize::try_from(u64::from_le_bytes(drawn_at)).ok().filter(|&drawn_at| drawn_at <= count);
    let drawn_at = drawn_at.ok_or_else(|| broken("drew where to start from among more entries than there are"))?;
    // Entries that go stay among these until the next draw; of none that is linked walks would lead nowhere.
    if entries.iter().any(|&slot| graph.standing(slot) == Standing::Linked) {
        graph.start_from(entries, drawn_at, slots);
    } else {
        graph.draw_entries(slots);
    }
    Ok(graph)
}

/// The rows of a section, each block of them a piece of the file.
fn rows<B: Deref<Target = [u8]>>(
    file: &Container<B>,
    name: &str,
    stride: usize,
    count: usize,
    blocks: Blocks,
) -> Result<Rows> {
    let place = file.place(name)?;
    if Some(place.len()) != count.checked_mul(stride) {
        return Err(broken(&format!("holds {} bytes of {name}, which do not go with {count} ids", place.len())));
    }
    let starts = place.clone().step_by(BLOCK_SLOTS * stride);
    let pages = starts.map(|start| blocks(start..place.end.min(start + BLOCK_SLOTS * stride)));
    Ok(Rows::of_blocks(stride, pages.collect::<Result<_>>()?))
}

fn broken(problem: &str) -> Error {
    Error::new(ErrorKind::IndexFile, format!("the index file {problem}"))
}

const _: () = assert!(NONE.wrapping_add(1) == 0, "the check of the links adds one");
