//! All that a cache held, in one file of the container format.
//!
//! Section `head`: the key of the fingerprints, and the generation of the journal that goes on from here. Section
//! `entries`: records as they stand in a journal, each after its length.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::Path;

use super::codec::Reader;
use super::journal::Head;
use super::map::Pages;
use crate::container::{self, Container};
use crate::error::{Error, ErrorKind, Result};

const KIND: &str = "cache";
const SCHEMA: u32 = 1;

/// Where records go.
pub struct Records<'a>(&'a mut dyn Write);

impl Records<'_> {
    /// Writes one record.
    ///
    /// # Errors
    /// The system's.
    pub fn push(&mut self, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| io::Error::other("a record of more than 4 GiB"))?;
        self.0.write_all(&len.to_le_bytes())?;
        self.0.write_all(payload)
    }
}

/// Writes a snapshot; it appears whole or not at all. Records are written as they come, and never stand in memory together.
///
/// # Errors
/// `Cache` where it cannot be written.
pub fn write(path: &Path, head: &Head, fill: impl FnOnce(&mut Records<'_>) -> io::Result<()>) -> Result<()> {
    let mut bytes = head.key.to_vec();
    bytes.extend(head.generation.to_le_bytes());
    container::write_stream(path, (KIND, SCHEMA, &head.meaning), ("head", &bytes), "entries", |sink| {
        fill(&mut Records(sink))
    })
    .map_err(|error| Error::new(ErrorKind::Cache, error.to_string()))
}

/// A snapshot whose checksums hold.
#[derive(Debug)]
pub struct Snapshot<B> {
    /// Whose it is, and which journal goes on from here.
    pub head: Head,
    container: Container<B>,
}

impl Snapshot<Pages> {
    /// Maps a snapshot: it is read once, and may be longer than memory has room for twice.
    ///
    /// # Errors
    /// `Snapshot` where it cannot be read, is truncated or corrupted, or has a newer schema.
    pub fn read(path: &Path) -> Result<Self> {
        let fault = |fault| as_snapshot(container::fault_of("cannot be read", fault));
        let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mapped = || {
            let file = File::open(path).map_err(fault)?;
            let len = file.metadata().map_err(fault)?.len();
            let len = usize::try_from(len).map_err(|_| fault(io::Error::other("it is too long")))?;
            // The system maps no empty file.
            if len == 0 { Pages::zeroed(1).map_err(fault) } else { Pages::of_file(&file, 0, len).map_err(fault) }
        };
        mapped().and_then(Self::parse).map_err(named)
    }
}

impl<B: Deref<Target = [u8]>> Snapshot<B> {
    /// [`Snapshot::read`] of bytes at hand.
    ///
    /// # Errors
    /// As for [`Snapshot::read`].
    pub fn parse(bytes: B) -> Result<Self> {
        Self::of(Container::parse(bytes, KIND, SCHEMA).map_err(as_snapshot)?)
    }

    fn of(container: Container<B>) -> Result<Self> {
        let head = {
            let mut reader = Reader(container.section("head").map_err(as_snapshot)?);
            let key = reader.take(16).and_then(|key| key.try_into().ok());
            key.zip(reader.u64())
        };
        let Some((key, generation)) = head else {
            return Err(Error::new(ErrorKind::Snapshot, "the file is corrupted: its head is too short"));
        };
        let head = Head { generation, key, meaning: container.embedder().to_owned() };
        Ok(Self { head, container })
    }

    /// The records, in order; up to the first that ends too early, which no writer of ours has left.
    ///
    /// # Errors
    /// `Snapshot` where they are missing.
    pub fn records(&self) -> Result<impl Iterator<Item = &[u8]>> {
        let mut reader = Reader(self.container.section("entries").map_err(as_snapshot)?);
        Ok(std::iter::from_fn(move || reader.bytes()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn as_snapshot(error: Error) -> Error {
    Error::new(ErrorKind::Snapshot, error.to_string())
}
