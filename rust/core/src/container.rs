//! The file format that index, snapshot and model share: sections with checksums behind one checked header.
//!
//! ```text
//! magic 8 · kind 8 · schema u32 · sections u32 · embedder length u32 · embedder · per section: name 8, length u64,
//! crc32 u32 · crc32 u32 of all that · the sections, each from the next multiple of 64 on, to the end of the file
//! ```
//! Numbers are little-endian; kind and names are ASCII, padded with zeros, and so are the gaps: a section that is mapped
//! into memory begins at a cache line. The checksums find accidents, not intent: whoever reads a section checks what
//! stands in it.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;

use crate::disk::{self, File};
use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"cfast\r\n\x02";
/// More sections or a longer embedder id than any file of ours has.
const MAX_SECTIONS: u32 = 64;
const MAX_EMBEDDER_BYTES: u32 = 1024;
/// Where sections begin: at a multiple of this.
const ALIGNMENT: usize = 64;

/// The bytes of a file, in memory or mapped.
#[derive(Debug)]
pub struct Container<B> {
    bytes: B,
    schema: u32,
    embedder: String,
    /// Each with its checksum.
    sections: Vec<(Name, Range<usize>, u32)>,
}

type Name = [u8; 8];

impl<B: Deref<Target = [u8]>> Container<B> {
    /// The sections of a file of `kind`, of a schema up to `schema`, whose checksums hold.
    ///
    /// # Errors
    /// `IndexFile` where it is truncated or corrupted, is of another kind, or has a newer schema.
    pub fn parse(bytes: B, kind: &str, schema: u32) -> Result<Self> {
        let file = Self::unverified(bytes, kind, schema)?;
        file.verify()?;
        Ok(file)
    }

    /// [`Container::parse`] of a file whose sections are not compared with their checksums yet: a large one can be read
    /// meanwhile, but nothing of it used before [`Container::verify`] has found it whole.
    ///
    /// # Errors
    /// `IndexFile`, as for [`Container::parse`].
    pub fn unverified(bytes: B, kind: &str, schema: u32) -> Result<Self> {
        let mut reader = Reader { bytes: &bytes, at: 0 };
        if reader.take(8)? != MAGIC {
            return Err(broken("is no file of compound_fast"));
        }
        let found_kind: Name = reader.array()?;
        let found_schema = reader.u32()?;
        let count = reader.u32()?;
        let embedder_len = reader.u32()?;
        if count > MAX_SECTIONS || embedder_len > MAX_EMBEDDER_BYTES {
            return Err(broken("is corrupted: its header is larger than any of ours"));
        }
        let embedder = reader.take(embedder_len as usize)?.to_vec();
        let mut listed = Vec::with_capacity(count as usize);
        for _ in 0..count {
            listed.push((reader.array::<8>()?, reader.u64()?, reader.u32()?));
        }
        let header = &bytes[..reader.at];
        if crc32fast::hash(header) != reader.u32()? {
            return Err(broken("is corrupted: the checksum of its header does not match"));
        }
        if found_kind != name(kind) {
            let found = String::from_utf8_lossy(&found_kind);
            return Err(broken(&format!("is a file of kind {:?}, not {kind:?}", found.trim_end_matches('\0'))));
        }
        if found_schema > schema {
            let context =
                format!("has schema {found_schema}; this version reads up to {schema}: upgrade compound-fast");
            return Err(broken(&context));
        }
        let mut sections = Vec::with_capacity(listed.len());
        for (name, len, checksum) in listed {
            let gap = reader.at.next_multiple_of(ALIGNMENT) - reader.at;
            if reader.take(gap)?.iter().any(|&byte| byte != 0) {
                return Err(broken("is corrupted: a gap between its sections is not empty"));
            }
            let start = reader.at;
            let len = usize::try_from(len).map_err(|_| broken("is truncated"))?;
            reader.take(len)?;
            sections.push((name, start..start + len, checksum));
        }
        if reader.at != bytes.len() {
            return Err(broken("is corrupted: bytes follow its last section"));
        }
        let embedder = String::from_utf8(embedder).map_err(|_| broken("is corrupted: its embedder is not UTF-8"))?;
        Ok(Self { schema: found_schema, embedder, sections, bytes })
    }

    /// Compares every section with its checksum.
    ///
    /// # Errors
    /// `IndexFile` where one does not match.
    pub fn verify(&self) -> Result<()> {
        for (name, range, checksum) in &self.sections {
            if crc32fast::hash(&self.bytes[range.clone()]) != *checksum {
                let name = String::from_utf8_lossy(name);
                let context = format!("is corrupted: the checksum of {:?} does not match", name.trim_end_matches('\0'));
                return Err(broken(&context));
            }
        }
        Ok(())
    }

    /// The bytes of a section.
    ///
    /// # Errors
    /// `IndexFile` where the file has none of that name.
    pub fn section(&self, wanted: &str) -> Result<&[u8]> {
        Ok(&self.bytes[self.place(wanted)?])
    }

    /// Where in the file a section stands.
    ///
    /// # Errors
    /// `IndexFile` where the file has none of that name.
    pub fn place(&self, wanted: &str) -> Result<Range<usize>> {
        let found = self.sections.iter().find(|(found, ..)| *found == name(wanted));
        found
            .map(|(_, range, _)| range.clone())
            .ok_or_else(|| broken(&format!("is corrupted: its section {wanted:?} is missing")))
    }

    /// Whether the file has a section of that name.
    pub fn has(&self, wanted: &str) -> bool {
        self.sections.iter().any(|(found, ..)| *found == name(wanted))
    }

    /// The schema that it was written with.
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// The id of the embedder whose vectors it holds; empty where it was not told.
    pub fn embedder(&self) -> &str {
        &self.embedder
    }
}

/// The name of a section, and its bytes in as many pieces as they lie in.
pub type Section<'a> = (&'a str, Vec<&'a [u8]>);

/// Writes a file under a temporary name, syncs it and renames it, so that it appears whole or not at all.
///
/// # Errors
/// `IndexFile` where that fails; the temporary file is removed then.
pub fn write(path: &Path, kind: &str, schema: u32, embedder: &str, sections: &[Section<'_>]) -> Result<()> {
    write_unnamed(path, Readers::Usual, (kind, schema, embedder), sections)?.appear()
}

/// The first half of [`write()`]: hands all to the system, and leaves the wait for the disk to [`Unnamed::appear`].
///
/// # Errors
/// As for [`write()`].
pub fn write_unnamed(
    path: &Path,
    readers: Readers,
    (kind, schema, embedder): (&str, u32, &str),
    sections: &[Section<'_>],
) -> Result<Unnamed> {
    let listed: Vec<Listed<'_>> = sections.iter().map(|(name, pieces)| listed(name, pieces)).collect();
    let header = header(kind, schema, embedder, &listed);
    let written = Unnamed::create(path, readers).and_then(|unnamed| {
        let file = &unnamed.file;
        file.write_all(&header)?;
        let mut at = header.len();
        for (_, pieces) in sections {
            at = align(file, at)?;
            for piece in pieces {
                file.write_all(piece)?;
                at += piece.len();
            }
        }
        Ok(unnamed)
    });
    written.map_err(|fault| cannot_write(path, fault))
}

/// [`write()`] of a file with one small section, and one that `fill` writes piece by piece, so that it never stands in memory
/// as a whole.
///
/// # Errors
/// `IndexFile`, as for [`write()`].
pub fn write_stream(
    path: &Path,
    (kind, schema, embedder): (&str, u32, &str),
    (small, small_bytes): (&str, &[u8]),
    large: &str,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let first = listed(small, &[small_bytes]);
    let header_of = |len: u64, checksum: u32| header(kind, schema, embedder, &[first, (large, len, checksum)]);
    let written = appear(path, Readers::Owner, |file| {
        // The header is as long whatever stands in it; it comes last, for only then are length and checksum known.
        let blank = header_of(0, 0);
        file.write_all(&blank)?;
        let at = align(file, blank.len())?;
        file.write_all(small_bytes)?;
        align(file, at + small_bytes.len())?;
        let (len, checksum) = {
            let mut sink = Sink { file: BufWriter::with_capacity(1 << 18, file), len: 0, hasher: Hasher::new() };
            fill(&mut sink)?;
            sink.flush()?;
            (sink.len, sink.hasher.finalize())
        };
        let mut start = file;
        start.seek(SeekFrom::Start(0))?;
        file.write_all(&header_of(len, checksum))
    });
    written.map_err(|fault| cannot_write(path, fault))
}

/// Writes the bytes of a whole file, so that it appears whole or not at all.
///
/// # Errors
/// The system's.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    appear(path, Readers::Owner, |file| file.write_all(bytes))
}

/// Counts what goes through it.
struct Sink<'a> {
    file: BufWriter<&'a File>,
    len: u64,
    hasher: Hasher,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Whom the umask lets: a file that a caller asked for.
    Usual,
    /// Its owner: what belongs to a cache. A text can be guessed from its vector.
    Owner,
}

/// A file that stands under a temporary name. Where it does not get its own, it goes.
#[derive(Debug)]
#[must_use]
pub struct Unnamed {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    is_named: bool,
}

impl Unnamed {
    fn create(path: &Path, readers: Readers) -> io::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.tmp", std::process::id()));
        let file = File::create(Path::new(&temporary), readers == Readers::Owner)?;
        Ok(Self { file, temporary: temporary.into(), path: path.to_owned(), is_named: false })
    }

    /// Syncs the file, and gives it its name.
    ///
    /// # Errors
    /// `IndexFile` where that fails.
    pub fn appear(self) -> Result<()> {
        let path = self.path.clone();
        self.named().map_err(|fault| cannot_write(&path, fault))
    }

    fn named(mut self) -> io::Result<()> {
        self.file.sync()?;
        disk::rename(&self.temporary, &self.path)?;
        self.is_named = true;
        // A rename lasts once the folder is on the disk.
        disk::sync_folder(self.path.parent().unwrap_or(Path::new("")))
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.is_named {
            let _ = disk::remove(&self.temporary); // the fault before is what matters
        }
    }
}

/// Writes a file under a temporary name, syncs it, and gives it its own.
fn appear(path: &Path, readers: Readers, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let unnamed = Unnamed::create(path, readers)?;
    write(&unnamed.file)?;
    unnamed.named()
}

fn cannot_write(path: &Path, fault: io::Error) -> Error {
    let error = fault_of("cannot be written", fault);
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A section in the header: name, length, checksum.
type Listed<'a> = (&'a str, u64, u32);

fn listed<'a>(name: &'a str, pieces: &[&[u8]]) -> Listed<'a> {
    let mut checksum = Hasher::new();
    for piece in pieces {
        checksum.update(piece);
    }
    (name, pieces.iter().map(|piece| piece.len() as u64).sum(), checksum.finalize())
}

/// Fills a file with zeros from `at` to where a section may begin, and gives that place.
fn align(file: &File, at: usize) -> io::Result<usize> {
    let start = at.next_multiple_of(ALIGNMENT);
    file.write_all(&[0; ALIGNMENT][..start - at])?;
    Ok(start)
}

fn header(kind: &str, schema: u32, embedder: &str, sections: &[Listed<'_>]) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "a handful of sections; the reader holds both to its limits")]
    let (count, embedder_len) = (sections.len() as u32, embedder.len() as u32);
    let mut header = MAGIC.to_vec();
    header.extend(name(kind));
    header.extend(schema.to_le_bytes());
    header.extend(count.to_le_bytes());
    header.extend(embedder_len.to_le_bytes());
    header.extend(embedder.as_bytes());
    for (section, len, checksum) in sections {
        header.extend(name(section));
        header.extend(len.to_le_bytes());
        header.extend(checksum.to_le_bytes());
    }
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header
}

/// A name, padded with zeros and cut at eight bytes.
fn name(text: &str) -> Name {
    let mut name = [0; 8];
    for (byte, &given) in name.iter_mut().zip(text.as_bytes()) {
        *byte = given;
    }
    name
}

fn broken(problem: &str) -> Error {
    Error::new(ErrorKind::IndexFile, format!("the file {problem}"))
}

/// A fault of the system as an error about the file.
pub fn fault_of(problem: &str, fault: io::Error) -> Error {
    Error::new(ErrorKind::IndexFile, format!("the file {problem} ({fault})")).caused_by(fault)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len).ok_or_else(|| broken("is truncated"))?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| broken("is truncated"))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}
