//! A cache that survives its process: what is written down, and how it is read back.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::reload::Loading;
use super::state::State;
use super::{Cache, CacheConfig};
use crate::clock::Clock;
use crate::embed::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{Analysis, lexicon};
use crate::request::{FingerprintKey, Request};
use crate::store::directory::Directory;
use crate::store::journal::{self, Head, Journal};
use crate::store::snapshot::Snapshot;

/// Where a cache is kept.
#[derive(Debug, Clone)]
pub struct DiskConfig {
    /// A folder of its own.
    pub path: PathBuf,
    /// Whether what is acknowledged survives a power cut as well, and not only the end of the process.
    pub is_sync: bool,
    /// Whether a fault of the disk is an error of the call, and not only counted.
    pub is_strict: bool,
}

/// What a cache holds of its folder.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) directory: Directory,
    pub(super) head: Head,
    pub(super) is_sync: bool,
    /// Journals beside the one that is written to.
    pub(super) older: u64,
    /// How many calls of [`Cache::tend`] leave out the snapshot that failed, and how many the next failure makes it.
    pub(super) rest: u32,
    pub(super) next_rest: u32,
}

/// A record in line, to be committed once the lock is let go.
pub(super) struct Ticket {
    journal: Arc<Journal>,
    number: u64,
}

impl Cache {
    /// A cache with what its folder holds; an empty one where the folder is empty or not there.
    ///
    /// # Errors
    /// As [`Cache::new`]; `CacheLocked` where the folder is open already, `Snapshot` where a file in it is damaged or
    /// newer than this version, `Cache` where it cannot be read or written.
    pub fn open(
        config: CacheConfig,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        disk: &DiskConfig,
    ) -> Result<Self> {
        let mut cache = Self::new(config, embedder, clock)?;
        let directory = Directory::lock(&disk.path)?;
        let (base, journals) = directory.contents()?;
        let snapshot = base.map(|generation| Snapshot::read(&directory.snapshot(generation))).transpose()?;
        let meaning = meaning(&*cache.embedder)?;
        let mut loading = Loading { is_current: true, ..Loading::default() };
        let mut key = None;
        if let Some(snapshot) = &snapshot {
            key = Some(snapshot.head.key);
            cache.key = FingerprintKey::new(snapshot.head.key);
            loading.is_current = snapshot.head.meaning == meaning;
            if loading.is_current && cache.config.is_semantic {
                cache.open_partitions(&directory, snapshot.head.generation, &mut loading)?;
            }
            cache.state.get_mut().store.reserve(snapshot.records()?.count());
            for payload in snapshot.records()? {
                cache.replay(payload, &mut loading);
            }
        }
        cache.forget_orphans(&mut loading);
        for &generation in &journals {
            let path = directory.journal(generation);
            let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", path.display()));
            let bytes = fs::read(&path).map_err(|fault| named(fault_of(&fault)))?;
            let replay = journal::read(&bytes).map_err(named)?;
            // Its process may have been killed before it had the disk write it, and nobody else will.
            journal::sync(&path).map_err(|fault| named(fault_of(&fault)))?;
            if *key.get_or_insert(replay.head.key) != replay.head.key {
                let context = "the journal belongs to another cache; move it out of the folder";
                return Err(named(Error::new(ErrorKind::Snapshot, context)));
            }
            cache.key = FingerprintKey::new(replay.head.key);
            loading.is_current = replay.head.meaning == meaning;
            loading.skipped += replay.skipped as u64;
            for payload in replay.records {
                cache.replay(payload, &mut loading);
            }
        }
        let key = key.map_or_else(super::random_key, Ok)?;
        cache.key = FingerprintKey::new(key);
        let generation = journals.last().copied().max(base).unwrap_or(0) + 1;
        let head = Head { generation, key, meaning };
        let journal = Journal::create(&directory.journal(generation), &head, disk.is_sync)?;
        cache.is_strict = disk.is_strict;
        cache.is_behind.store(loading.was_rebuilt, Ordering::Relaxed);
        cache.is_durable.store(true, Ordering::Relaxed);
        let older = journals.len() as u64;
        cache.disk.get_mut().replace(Disk { directory, head, is_sync: disk.is_sync, older, rest: 0, next_rest: 1 });
        cache.ids_from = u128::from(generation) << 64;
        let state = cache.state.get_mut();
        state.stats.loaded = state.store.len() as u64;
        state.stats.journal_bytes_skipped = loading.skipped;
        state.journal = Some(Arc::new(journal));
        Ok(cache)
    }

    /// Lets go of the folder and of every entry in memory. What was acknowledged is on the disk then.
    ///
    /// # Errors
    /// `Cache` where the disk refused.
    pub fn close(&self) -> Result<()> {
        self.is_durable.store(false, Ordering::Relaxed);
        let mut disk = self.disk.lock();
        let journal = {
            let mut state = self.state.lock();
            let journal = state.journal.take();
            let old = state.emptied(self.config.eviction);
            drop(state);
            drop(old);
            journal
        };
        // Before the folder is another's: what stands in line was changed before, and whoever opens it reads it.
        let done = journal.map_or(Ok(()), |journal| journal.finish());
        disk.take();
        done.map_err(|fault| self.faulty(&fault))
    }

    /// Goes on in memory alone, as a forked child has to: the folder is its parent's. False where it did already.
    pub fn leave_disk(&self) -> bool {
        self.is_durable.store(false, Ordering::Relaxed);
        let disk = self.disk.lock().take();
        let journal = self.state.lock().journal.take();
        drop(disk);
        journal.is_some()
    }

    /// Whether changes are written down.
    pub fn is_durable(&self) -> bool {
        self.is_durable.load(Ordering::Relaxed)
    }

    /// Waits until a change is written down. Whether a fault of the disk is an error is the cache's setting.
    pub(super) fn commit(&self, ticket: Option<Ticket>) -> Result<()> {
        let Some(ticket) = ticket else { return Ok(()) };
        match ticket.journal.commit(ticket.number) {
            Ok(()) => Ok(()),
            Err(fault) => {
                let error = self.faulty(&fault);
                if self.is_strict { Err(error) } else { Ok(()) }
            }
        }
    }

    /// Waits until a removal is on the disk, whatever the mode: what was said to be gone does not come back after a power
    /// cut. A fault is always an error, for the caller has to know that it may.
    pub(super) fn commit_removal(&self, ticket: Option<Ticket>) -> Result<()> {
        let Some(ticket) = ticket else { return Ok(()) };
        ticket.journal.commit_synced(ticket.number).map_err(|fault| self.faulty(&fault))
    }

    /// The last fault of the disk since this was asked last.
    pub fn take_fault(&self) -> Option<String> {
        self.fault.lock().take()
    }

    pub(super) fn faulty(&self, fault: &io::Error) -> Error {
        self.is_behind.store(true, Ordering::Relaxed);
        self.state.lock().stats.io_faults += 1;
        let error = fault_of(fault);
        *self.fault.lock() = Some(error.to_string());
        error
    }
}

impl Drop for Cache {
    /// Has the disk write what the journal was handed, as [`Cache::close`] does.
    fn drop(&mut self) {
        if let Some(journal) = &self.state.get_mut().journal {
            let _ = journal.finish(); // nobody is left to be told
        }
    }
}

impl State {
    /// Puts a change in line. Under the lock, so that the order of the records is that of the changes.
    pub(super) fn log(&self, payload: &[u8]) -> Option<Ticket> {
        let journal = Arc::clone(self.journal.as_ref()?);
        let number = journal.append(payload);
        Some(Ticket { journal, number })
    }
}

/// Requests on whose reading [`meaning`] rests: slots, signs, negations, directions, persons, small words, another
/// language, code.
const PROBES: [&str; 5] = [
    "I'm not waiting for a refund of $5 from Oslo to Bergen, order #1042 of 3 May 2024 isn't mine but yours",
    "Was it on the desk or under it, above or behind it? Look and send it, for it is there",
    "Schalte den Dunkelmodus nicht ein, 2 - 1 < 5",
    "enable `x == y` in\n    main.rs",
    "\u{1f44d}",
];

/// Names what fingerprints, partitions, signatures and vectors of this version mean: the embedder's id, and a hash of the
/// word lists and of what comes out for a few requests before they are embedded. Entries of another meaning are made anew
/// from their requests and never mixed with ours; that it is computed, and no number that somebody has to remember, is what
/// makes a change of a word list safe.
fn meaning(embedder: &dyn Embedder) -> Result<String> {
    meaning_of(embedder, &lexicon::words())
}

/// The meaning under word lists that say `words`.
fn meaning_of(embedder: &dyn Embedder, words: &str) -> Result<String> {
    let key = FingerprintKey::new([0; 16]);
    let mut seen = words.as_bytes().to_vec();
    for text in PROBES {
        let body =
            serde_json::json!({"messages": [{"role": "system", "content": " s "}, {"role": "user", "content": text}]});
        let analysis = Analysis::new(Request::parse(body.to_string().into_bytes(), "t", "n")?);
        let scope = key.scope(analysis.request());
        let features = analysis.features();
        seen.extend(key.exact(scope, analysis.request()).to_le_bytes());
        seen.extend(key.partition(scope, &features.literals()).to_le_bytes());
        seen.extend(format!("{:?}", features.signature).bytes());
        seen.extend(features.slots.frame.bytes());
    }
    Ok(format!("{}+{:032x}", embedder.id(), key.partition(0, &seen)))
}

fn fault_of(fault: &io::Error) -> Error {
    Error::new(ErrorKind::Cache, format!("the disk refused the cache's journal ({fault}); it goes on in memory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::StaticEmbedder;

    #[test]
    fn a_word_more_or_elsewhere_in_a_list_is_another_meaning() {
        let embedder = StaticEmbedder::shipped().unwrap();
        let meaning_of = |words: &str| meaning_of(&*embedder, words).unwrap();
        let words = lexicon::words();
        let (negation, rest) = words.split_once('\n').unwrap();

        assert_eq!(meaning_of(&words), meaning(&*embedder).unwrap());
        for other in [format!("noway\n{words}"), rest.to_owned(), format!("{rest}{negation}\n")] {
            assert_ne!(meaning_of(&other), meaning_of(&words));
        }
    }
}
