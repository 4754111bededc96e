//! A cache that survives its process: what is written down, and how it is read back.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::partition::{Large, Vector};
use super::records;
use super::reload::Loading;
use super::state::{Entry, State};
use super::{Cache, CacheConfig};
use crate::clock::Clock;
use crate::embed::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Analysis;
use crate::request::{FingerprintKey, Request};
use crate::store::Slot;
use crate::store::directory::Directory;
use crate::store::journal::{self, Head, Journal};
use crate::store::snapshot::{self, Snapshot};

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
    directory: Directory,
    head: Head,
    is_sync: bool,
    /// Journals beside the one that is written to.
    older: u64,
}

/// A record in line, to be committed once the lock is let go.
pub(super) struct Ticket {
    journal: Arc<Journal>,
    number: u64,
}

/// An entry and its vector, or where it is, taken from under the lock.
type Copied = (Arc<Entry>, Vector);

/// A journal shorter than this is never worth a snapshot.
const SMALL_JOURNAL: u64 = 1 << 20;

/// Journals that may stand beside the newest snapshot; each start of a process leaves one.
const MOST_JOURNALS: u64 = 8;

/// How long [`Cache::tend`] links vectors that were added when the cache was opened; a fork may have to wait for it.
const MOST_LINKING: Duration = Duration::from_millis(300);

/// Entries that a snapshot takes from under the lock at a time.
const SNAPSHOT_PAGE: usize = 64;

/// Ids are numbered within the generation of the journal, so that a number that a power cut took back is not used again.
const IDS_PER_GENERATION: u32 = 40;

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
        cache.disk.get_mut().replace(Disk { directory, head, is_sync: disk.is_sync, older });
        cache.entries_made.store(generation << IDS_PER_GENERATION, Ordering::Relaxed);
        let state = cache.state.get_mut();
        state.stats.loaded = state.store.len() as u64;
        state.stats.journal_bytes_skipped = loading.skipped;
        state.journal = Some(Arc::new(journal));
        Ok(cache)
    }

    /// Does what is due: has the disk write what it was handed, and replaces a long journal by a snapshot. To be called now
    /// and then, by one thread; what it is late for is never wrong, only longer.
    ///
    /// # Errors
    /// `Cache` where the disk refused; it is tried again the next time.
    pub fn tend(&self) -> Result<()> {
        let (journal, held, large) = {
            let state = self.state.lock();
            (state.journal.clone(), state.bytes() as u64, state.large())
        };
        let Some(journal) = journal else { return Ok(()) };
        journal.sync().map_err(|fault| self.faulty(&fault))?;
        let since = Instant::now();
        for large in large.values() {
            while since.elapsed() < MOST_LINKING && large.tend() {}
        }
        let older = self.disk.lock().as_ref().map_or(0, |disk| disk.older);
        let is_long = journal.bytes() > SMALL_JOURNAL.max(held);
        if is_long || older >= MOST_JOURNALS || self.is_behind.load(Ordering::Relaxed) {
            self.compact()?;
        }
        Ok(())
    }

    /// Writes all that is held as a snapshot, and begins a new journal. Others go on meanwhile.
    ///
    /// # Errors
    /// `Cache` where the disk refused; the older files then still hold everything.
    pub fn compact(&self) -> Result<()> {
        let mut held = self.disk.lock();
        let Some(disk) = held.as_mut() else { return Ok(()) };
        let generation = disk.head.generation + 1;
        let head = Head { generation, ..disk.head.clone() };
        let journal = Journal::create(&disk.directory.journal(generation), &head, disk.is_sync)
            .inspect_err(|_| self.state.lock().stats.io_faults += 1)?;
        // What a failed write has lost is in memory, so it will be in the snapshot: from here on new faults count.
        self.is_behind.store(false, Ordering::Relaxed);
        let (last, anchors, large) = {
            let mut state = self.state.lock();
            let anchors: Vec<_> = state.anchors.iter().collect();
            (state.journal.replace(Arc::new(journal)), anchors, state.large())
        };
        disk.head = head;
        disk.older += 1;
        // Vectors of entries that came before the new journal are in their indexes then.
        drop(self.adding.write());
        let save =
            |(partition, large): (&u128, &Arc<Large>)| large.save(&disk.directory.vectors(generation, *partition));
        let written = large.iter().try_for_each(save).and_then(|()| {
            snapshot::write(&disk.directory.snapshot(generation), &disk.head, |records| {
                for (one, other) in anchors {
                    records.push(&records::wrong(one, other, 0))?;
                }
                let mut from = 0;
                while let Some((page, next)) = self.snapshot_page(from) {
                    for (entry, vector) in page {
                        let vector = if large.contains_key(&entry.partition) { None } else { self.copied(vector) };
                        records.push(&records::put(&entry, vector.as_deref()))?;
                    }
                    from = next;
                }
                Ok(())
            })
        });
        if let Err(error) = written {
            self.is_behind.store(true, Ordering::Relaxed);
            self.state.lock().stats.io_faults += 1;
            return Err(error);
        }
        disk.directory.forget_before(generation);
        disk.older = 0;
        drop(held);
        drop(last);
        self.state.lock().stats.snapshots += 1;
        Ok(())
    }

    /// Lets go of the folder and of every entry in memory. What was acknowledged is on the disk then.
    ///
    /// # Errors
    /// `Cache` where the disk refused.
    pub fn close(&self) -> Result<()> {
        let journal = self.let_go();
        drop(self.state.lock().emptied(self.config.eviction));
        journal.map_or(Ok(()), |journal| journal.sync().map_err(|fault| self.faulty(&fault)))
    }

    /// Goes on in memory alone, as a forked child has to: the folder is its parent's. False where it did already.
    pub fn leave_disk(&self) -> bool {
        self.let_go().is_some()
    }

    /// Whether changes are written down.
    pub fn is_durable(&self) -> bool {
        self.is_durable.load(Ordering::Relaxed)
    }

    fn let_go(&self) -> Option<Arc<Journal>> {
        self.is_durable.store(false, Ordering::Relaxed);
        let disk = self.disk.lock().take();
        let journal = self.state.lock().journal.take();
        drop(disk);
        journal
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

    fn faulty(&self, fault: &io::Error) -> Error {
        self.is_behind.store(true, Ordering::Relaxed);
        self.state.lock().stats.io_faults += 1;
        let error = fault_of(fault);
        *self.fault.lock() = Some(error.to_string());
        error
    }

    fn snapshot_page(&self, from: usize) -> Option<(Vec<Copied>, usize)> {
        let state = self.state.lock();
        let to = (from + SNAPSHOT_PAGE).min(state.store.slots());
        let slots = (from..to).filter_map(|slot| Slot::try_from(slot).ok());
        let taken = |slot: Slot| {
            let entry = state.store.get(slot)?;
            Some((Arc::clone(entry), state.vector(entry)))
        };
        let page: Vec<_> = slots.filter_map(taken).collect();
        drop(state);
        (from < to).then_some((page, to))
    }

    fn copied(&self, vector: Vector) -> Option<Vec<f32>> {
        match vector {
            Vector::In(large, key) => large.vector(key).or_else(|| {
                drop(self.adding.write()); // it may be on its way
                large.vector(key)
            }),
            here => here.read(),
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

/// Requests on whose reading [`meaning`] rests: slots, signs, negations, directions, persons, small words, another language, code.
const PROBES: [&str; 5] = [
    "I'm not waiting for a refund of $5 from Oslo to Bergen, order #1042 of 3 May 2024 isn't mine but yours",
    "Was it on the desk or under it, above or behind it? Look and send it, for it is there",
    "Schalte den Dunkelmodus nicht ein, 2 - 1 < 5",
    "enable `x == y` in\n    main.rs",
    "\u{1f44d}",
];

/// Names what fingerprints, partitions, signatures and vectors of this version mean: the embedder's id, and a hash of what
/// comes out for a few requests before they are embedded. Entries of another meaning are made anew from their requests and never mixed with ours; that it
/// is computed, and no number that somebody has to remember, is what makes a change of a word list safe.
fn meaning(embedder: &dyn Embedder) -> Result<String> {
    let key = FingerprintKey::new([0; 16]);
    let mut seen = Vec::new();
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
