//! An index as a file: its ids and its rows. Codes and tables are made anew on opening, so no file can contradict them.

use std::path::Path;

use super::kernels::BLOCK;
use super::vector_index::MAX_DIM;
use crate::container::{self, Container};
use crate::error::{Error, ErrorKind, Result};

const KIND: &str = "index";
const SCHEMA: u32 = 1;

/// What a file holds, with lengths that fit together.
#[derive(Debug)]
pub struct Stored {
    /// How many values a vector has.
    pub dim: usize,
    /// The ids.
    pub ids: Vec<u64>,
    /// As many rows of halves.
    pub halves: Vec<u16>,
}

/// Writes ids and rows.
pub fn save(path: &Path, dim: usize, ids: &[u64], halves: &[u16]) -> Result<()> {
    let ids: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let rows: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    let dim = (dim as u64).to_le_bytes();
    container::write(path, KIND, SCHEMA, "", &[("dim", &dim), ("ids", &ids), ("f16", &rows)])
}

/// Reads what [`save`] wrote.
pub fn open(path: &Path) -> Result<Stored> {
    stored(&Container::read(path, KIND, SCHEMA)?)
}

/// [`open`] of bytes at hand.
pub fn parse(bytes: Vec<u8>) -> Result<Stored> {
    stored(&Container::parse(bytes, KIND, SCHEMA)?)
}

fn stored(file: &Container) -> Result<Stored> {
    let broken = |problem: String| Error::new(ErrorKind::IndexFile, format!("the index file {problem}"));
    let dim = file.section("dim")?;
    let dim = dim.try_into().map(u64::from_le_bytes).map_err(|_| broken("has a dim of another size".to_owned()))?;
    let dim = usize::try_from(dim).ok().filter(|dim| (1..=MAX_DIM).contains(dim));
    let dim = dim.ok_or_else(|| broken(format!("has a dim outside 1 to {MAX_DIM}")))?;
    let (ids, rows) = (file.section("ids")?, file.section("f16")?);
    let count = ids.len() / size_of::<u64>();
    let row_bytes = dim.next_multiple_of(BLOCK) * size_of::<u16>();
    if ids.len() % size_of::<u64>() != 0 || Some(rows.len()) != count.checked_mul(row_bytes) {
        let context = format!("holds {} bytes of ids, which do not go with {} bytes of rows", ids.len(), rows.len());
        return Err(broken(context));
    }
    let ids = ids.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
    let halves = rows.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect();
    Ok(Stored { dim, ids, halves })
}
