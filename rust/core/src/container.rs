//! The file format that index, snapshot and model share: sections with checksums behind one checked header.
//!
//! ```text
//! magic 8 · kind 8 · schema u32 · sections u32 · embedder length u32 · embedder · per section: name 8, length u64,
//! crc32 u32 · crc32 u32 of all that · the sections, each from the next multiple of 64 on, to the end of the file
//! ```
//! Numbers are little-endian; kind and names are ASCII, padded with zeros, and so are the gaps: a section that is mapped
//! into memory begins at a cache line. The checksums find accidents, not intent: whoever reads a section checks what
//! stands in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::{Deref, Range};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"cfast\r\n\x02";
/// More sections or a longer embedder id than any file of ours has.
const MAX_SECTIONS: u32 = 64;
const MAX_EMBEDDER_BYTES: u32 = 1024;
/// Where sections begin: at a multiple of this.
const ALIGNMENT: usize = 64;

/// The bytes of a file, in memory or mapped, whose checksums hold.
#[derive(Debug)]
pub struct Container<B> {
    bytes: B,
    schema: u32,
    embedder: String,
    sections: Vec<(Name, Range<usize>)>,
}

type Name = [u8; 8];

impl<B: Deref<Target = [u8]>> Container<B> {
    /// The sections of a file of `kind`, of a schema up to `schema`.
    ///
    /// # Errors
    /// `IndexFile` where it is truncated or corrupted, is of another kind, or has a newer schema.
    pub fn parse(bytes: B, kind: &str, schema: u32) -> Result<Self> {
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
            if crc32fast::hash(reader.take(len)?) != checksum {
                let name = String::from_utf8_lossy(&name);
                let context = format!("is corrupted: the checksum of {:?} does not match", name.trim_end_matches('\0'));
                return Err(broken(&context));
            }
            sections.push((name, start..start + len));
        }
        if reader.at != bytes.len() {
            return Err(broken("is corrupted: bytes follow its last section"));
        }
        let embedder = String::from_utf8(embedder).map_err(|_| broken("is corrupted: its embedder is not UTF-8"))?;
        Ok(Self { schema: found_schema, embedder, sections, bytes })
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
        let found = self.sections.iter().find(|(found, _)| *found == name(wanted));
        found
            .map(|(_, range)| range.clone())
            .ok_or_else(|| broken(&format!("is corrupted: its section {wanted:?} is missing")))
    }

    /// Whether the file has a section of that name.
    pub fn has(&self, wanted: &str) -> bool {
        self.sections.iter().any(|(found, _)| *found == name(wanted))
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
pub fn write(path: &Path, kind: &str, schema: u32, embedder: &str, sections: &[Section]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = Path::new(&temporary);
    let written = write_synced(temporary, &header(kind, schema, embedder, sections), sections)
        .and_then(|()| fs::rename(temporary, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|fault| {
        // The fault is what matters; that a file of ours stays behind as well is not worth a second error.
        let _ = fs::remove_file(temporary);
        let error = fault_of("cannot be written", fault);
        Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}

fn header(kind: &str, schema: u32, embedder: &str, sections: &[Section]) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "a handful of sections; the reader holds both to its limits")]
    let (count, embedder_len) = (sections.len() as u32, embedder.len() as u32);
    let mut header = MAGIC.to_vec();
    header.extend(name(kind));
    header.extend(schema.to_le_bytes());
    header.extend(count.to_le_bytes());
    header.extend(embedder_len.to_le_bytes());
    header.extend(embedder.as_bytes());
    for (section, pieces) in sections {
        let mut checksum = crc32fast::Hasher::new();
        let mut len = 0u64;
        for piece in pieces {
            checksum.update(piece);
            len += piece.len() as u64;
        }
        header.extend(name(section));
        header.extend(len.to_le_bytes());
        header.extend(checksum.finalize().to_le_bytes());
    }
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header
}

fn write_synced(path: &Path, header: &[u8], sections: &[Section]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(header)?;
    let mut at = header.len();
    for (_, pieces) in sections {
        let gap = at.next_multiple_of(ALIGNMENT) - at;
        file.write_all(&[0; ALIGNMENT][..gap])?;
        at += gap;
        for piece in pieces {
            file.write_all(piece)?;
            at += piece.len();
        }
    }
    file.sync_all()
}

/// A rename lasts once the folder is on the disk. Windows opens no folders, and needs none of this.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
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
