//! What has happened since the snapshot, record by record, at the end of one file.
//!
//! ```text
//! magic 8 · schema u32 · generation u64 · key 16 · meaning: length u32, text · crc32 u32
//! per record: mark u32 · length u32 · tag u64 · payload, padded with zeros to a multiple of 8
//! ```
//! The tag is a SipHash of the payload under the cache's secret key, the generation and the record's place in the file:
//! an answer that holds bytes like those of a record is not taken for one, wherever reading starts. A stretch that is no
//! record (a write that a crash cut short, a damaged page) is skipped up to the next one that is.

use std::hash::Hasher;
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use siphasher::sip::SipHasher13;

use super::codec::{Reader, Writer};
use crate::container;
use crate::disk::File;
use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"cfjrn\r\n\x01";
const SCHEMA: u32 = 1;
const MARK: u32 = 0x5ca1_ab1e;
const FRAME: usize = 16;

/// What stands at the head of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which journal it is; a later one has a greater number.
    pub generation: u64,
    /// The secret key of the cache's fingerprints.
    pub key: [u8; 16],
    /// Names what fingerprints, signatures and vectors mean; see the cache.
    pub meaning: String,
}

/// A journal that is written to.
#[derive(Debug)]
pub struct Journal {
    file: File,
    tags: Tags,
    /// What waits to be written. Locked for a copy; the order of records is that of this lock.
    pending: Mutex<Pending>,
    written: Mutex<Written>,
    /// How many syncs failed. Locked while one runs: the system tells of a fault once, to any of two who sync together.
    failed: Mutex<u64>,
    is_sync: bool,
}

#[derive(Debug, Default)]
struct Pending {
    /// Payloads, each after its length.
    bytes: Vec<u8>,
    /// How many records were ever put in.
    count: u64,
}

#[derive(Debug)]
struct Written {
    /// Length of the file.
    len: u64,
    /// How many records are in it, or were lost.
    count: u64,
    /// The first record after this number is in the file; those before it, back to the failure before, are not.
    lost_to: u64,
    /// How many records are on the disk, or were lost.
    synced: u64,
    /// How many failed syncs have been reckoned with.
    failed: u64,
}

impl Journal {
    /// A new file with nothing but its head; it appears whole or not at all.
    ///
    /// # Errors
    /// `Cache` where it cannot be written.
    pub fn create(path: &Path, head: &Head, is_sync: bool) -> Result<Self> {
        let bytes = head.encode();
        container::write_whole(path, &bytes).map_err(|fault| io_fault(path, &fault))?;
        let file = File::append(path).map_err(|fault| io_fault(path, &fault))?;
        Ok(Self {
            file,
            tags: Tags::new(head),
            pending: Mutex::default(),
            written: Mutex::new(Written { len: bytes.len() as u64, count: 0, lost_to: 0, synced: 0, failed: 0 }),
            failed: Mutex::default(),
            is_sync,
        })
    }

    /// Puts a record in line, and gives its number for [`Journal::commit`]. Cheap: no file is touched.
    pub fn append(&self, payload: &[u8]) -> u64 {
        let mut pending = self.pending.lock();
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        pending.bytes.extend(len.to_le_bytes());
        pending.bytes.extend(payload);
        pending.count += 1;
        pending.count
    }

    /// Returns when the record of that number has been handed to the system, so that it survives the process; under
    /// `sync` when it is on the disk. Whoever comes first writes for all who wait.
    ///
    /// # Errors
    /// The fault of the write that the record was part of.
    pub fn commit(&self, number: u64) -> io::Result<()> {
        self.commit_as(number, self.is_sync)
    }

    /// [`Journal::commit`], on the disk whatever the mode.
    ///
    /// # Errors
    /// As for [`Journal::commit`].
    pub fn commit_synced(&self, number: u64) -> io::Result<()> {
        self.commit_as(number, true)
    }

    fn commit_as(&self, number: u64, is_sync: bool) -> io::Result<()> {
        let mut written = self.written.lock();
        if written.count < number {
            self.write(&mut written)?;
        } else if number <= written.lost_to {
            return Err(lost());
        }
        if is_sync && written.synced < number {
            let (done, count) = (self.sync_file(), written.count);
            Self::reckon(&mut written, done, count)?;
        }
        Ok(())
    }

    /// Syncs the file, after any other that syncs it; gives how many syncs have failed by then.
    fn sync_file(&self) -> (u64, io::Result<()>) {
        let mut failed = self.failed.lock();
        let done = self.file.sync();
        *failed += u64::from(done.is_err());
        (*failed, done)
    }

    /// Writes down what came of a sync of the first `count` records. After one that failed nobody can say what of all that
    /// was handed to the system before is on the disk, and the next one does not tell: it counts as lost.
    fn reckon(written: &mut Written, (failed, done): (u64, io::Result<()>), count: u64) -> io::Result<()> {
        if failed > written.failed {
            written.failed = failed;
            written.lost_to = written.count;
            written.synced = written.count;
            return done.and_then(|()| Err(lost()));
        }
        written.synced = written.synced.max(count);
        done
    }

    /// Writes all that waits.
    fn write(&self, written: &mut Written) -> io::Result<()> {
        let (bytes, count) = {
            let mut pending = self.pending.lock();
            (std::mem::take(&mut pending.bytes), pending.count)
        };
        let mut framed = Vec::with_capacity(bytes.len() + bytes.len() / 8 + FRAME);
        // Where a part of a write could not be cut off, the next record stands after it, at a place where one may.
        framed.resize(usize::try_from(written.len.next_multiple_of(8) - written.len).unwrap_or(0), 0);
        let mut reader = Reader(&bytes);
        while let Some(payload) = reader.bytes() {
            self.tags.frame(&mut framed, written.len, payload);
        }
        let done = self.file.write_all(&framed);
        written.count = count;
        if done.is_ok() {
            written.len += framed.len() as u64;
        } else {
            written.lost_to = count;
            // What was written of it is cut off. Where that fails too, the length is what the system says: places count.
            if self.file.set_len(written.len).is_err() {
                written.len = self.file.size().unwrap_or(written.len);
            }
        }
        done
    }

    /// Has the system write to the disk what it was handed; nobody waits for it.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        let count = {
            let written = self.written.lock();
            if written.synced == written.count {
                return Ok(());
            }
            written.count
        };
        // Others write meanwhile; what they wait for, they sync themselves.
        let done = self.sync_file();
        Self::reckon(&mut self.written.lock(), done, count)
    }

    /// Writes and syncs all that is in line: whoever waits for a record of it, at once or later, finds it done.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(&self) -> io::Result<()> {
        let mut written = self.written.lock();
        let is_all = self.pending.lock().count == written.count;
        let done = if is_all { Ok(()) } else { self.write(&mut written) };
        if written.synced < written.count {
            let (synced, count) = (self.sync_file(), written.count);
            Self::reckon(&mut written, synced, count)?;
        }
        done
    }

    /// Whether no record was ever put in.
    pub fn is_empty(&self) -> bool {
        self.pending.lock().count == 0
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.written.lock().len
    }
}

/// What reading a journal gave.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The head.
    pub head: Head,
    /// The payloads, in order.
    pub records: Vec<&'a [u8]>,
    /// Bytes that are no record: a write cut short, or damage.
    pub skipped: usize,
}

/// Has the disk keep a journal that another process may have left to the system.
///
/// # Errors
/// The system's.
pub fn sync(path: &Path) -> io::Result<()> {
    File::append(path)?.sync()
}

/// Reads the bytes of a journal.
///
/// # Errors
/// `Snapshot` where the head is damaged, or newer than this version; nothing after it makes an error.
pub fn read(bytes: &[u8]) -> Result<Replay<'_>> {
    let (head, start) = Head::decode(bytes)?;
    let tags = Tags::new(&head);
    let (mut records, mut skipped, mut at) = (Vec::new(), 0, start);
    while at < bytes.len() {
        if let Some((payload, next)) = tags.unframe(bytes, at) {
            records.push(payload);
            at = next;
        } else {
            // Records start at multiples of eight.
            let next = (at + 8).min(bytes.len());
            skipped += next - at;
            at = next;
        }
    }
    Ok(Replay { head, records, skipped })
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.0.extend(MAGIC);
        writer.u32(SCHEMA);
        writer.u64(self.generation);
        writer.0.extend(self.key);
        writer.bytes(self.meaning.as_bytes());
        writer.u32(crc32fast::hash(&writer.0));
        writer.0.resize(writer.0.len().next_multiple_of(8), 0);
        writer.0
    }

    fn decode(bytes: &[u8]) -> Result<(Self, usize)> {
        let damaged = |what: &str| Error::new(ErrorKind::Snapshot, format!("the journal {what}"));
        let mut reader = Reader(bytes);
        if reader.take(8) != Some(MAGIC) {
            return Err(damaged("is no journal of compound_fast"));
        }
        let schema = reader.u32().ok_or_else(|| damaged("is truncated in its head"))?;
        if schema > SCHEMA {
            let context = format!("has schema {schema}; this version reads up to {SCHEMA}: upgrade compound-fast");
            return Err(damaged(&context));
        }
        let head = (|| {
            let generation = reader.u64()?;
            let key = reader.take(16)?.try_into().ok()?;
            let meaning = String::from(reader.text()?);
            Some(Self { generation, key, meaning })
        })();
        let len = bytes.len() - reader.0.len();
        match (head, reader.u32()) {
            (Some(head), Some(checksum)) if checksum == crc32fast::hash(&bytes[..len]) => {
                Ok((head, (len + 4).next_multiple_of(8)))
            }
            _ => Err(damaged("is damaged in its head")),
        }
    }
}

/// Tags of records: keyed, and bound to their place.
#[derive(Debug)]
struct Tags(SipHasher13);

impl Tags {
    fn new(head: &Head) -> Self {
        let mut hasher = SipHasher13::new_with_key(&head.key);
        hasher.write_u64(head.generation);
        Self(hasher)
    }

    fn tag(&self, place: u64, payload: &[u8]) -> u64 {
        let mut hasher = self.0;
        hasher.write_u64(place);
        hasher.write(payload);
        hasher.finish()
    }

    /// Puts a record behind `framed`, which itself is to stand at `start` of the file.
    fn frame(&self, framed: &mut Vec<u8>, start: u64, payload: &[u8]) {
        let place = start + framed.len() as u64;
        framed.extend(MARK.to_le_bytes());
        framed.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        framed.extend(self.tag(place, payload).to_le_bytes());
        framed.extend(payload);
        framed.resize(framed.len().next_multiple_of(8), 0);
    }

    /// The record at a place, and where the next one stands.
    fn unframe<'a>(&self, bytes: &'a [u8], at: usize) -> Option<(&'a [u8], usize)> {
        let mut reader = Reader(bytes.get(at..)?);
        if reader.u32()? != MARK {
            return None;
        }
        let len = reader.u32()? as usize;
        let tag = reader.u64()?;
        let payload = reader.take(len)?;
        (self.tag(at as u64, payload) == tag).then(|| (payload, (at + FRAME + len).next_multiple_of(8)))
    }
}

fn lost() -> io::Error {
    io::Error::other("the write or the sync that this record was part of failed")
}

fn io_fault(path: &Path, fault: &io::Error) -> Error {
    Error::new(ErrorKind::Cache, format!("{}: the journal cannot be written ({fault})", path.display()))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
