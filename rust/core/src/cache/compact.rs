//! What is done for a cache's folder now and then: a snapshot in place of a long journal, and the journal kept on the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Cache;
use super::durable::Disk;
use super::partition::{Large, Vector};
use super::records;
use super::state::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Slot;
use crate::store::journal::{Head, Journal};
use crate::store::snapshot;

/// An entry and its vector, or where it is, taken from under the lock.
type Copied = (Arc<Entry>, Vector);

/// A journal shorter than this is never worth a snapshot.
const SMALL_JOURNAL: u64 = 1 << 20;

/// Journals that may stand beside the newest snapshot; each start of a process leaves one.
const MOST_JOURNALS: u64 = 8;

/// A snapshot that failed is tried again after so many calls of [`Cache::tend`] at most; it may write gigabytes to a disk that
/// has no room for them.
const MOST_REST: u32 = 256;

/// How long [`Cache::tend`] links vectors that were added when the cache was opened; a fork may have to wait for it.
const MOST_LINKING: Duration = Duration::from_millis(300);

/// How long what was acknowledged may wait for the disk while a snapshot is written.
const DUE: Duration = if cfg!(test) { Duration::from_millis(5) } else { Duration::from_secs(1) };

/// Entries that a snapshot takes from under the lock at a time.
const SNAPSHOT_PAGE: usize = 64;

impl Cache {
    /// Does what is due: has the disk write what it was handed, and replaces a long journal by a snapshot. To be called once
    /// a second, by one thread; what it is late for is never wrong, only longer.
    ///
    /// # Errors
    /// `Cache` where the disk refused. A snapshot is tried again the next time, and after each failure half as often.
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
        let older = {
            let mut held = self.disk.lock();
            let Some(disk) = held.as_mut() else { return Ok(()) };
            if disk.rest > 0 {
                disk.rest -= 1;
                return Ok(());
            }
            disk.older
        };
        let is_long = journal.bytes() > SMALL_JOURNAL.max(held);
        if is_long || older >= MOST_JOURNALS || self.is_behind.load(Ordering::Relaxed) {
            self.compact()?;
        }
        Ok(())
    }

    /// Writes all that is held as a snapshot, and begins a new journal. Others go on meanwhile; changes of a large partition
    /// wait until its vectors are handed to the system.
    ///
    /// # Errors
    /// `Cache` where the disk refused; the older files then still hold everything.
    pub fn compact(&self) -> Result<()> {
        let mut held = self.disk.lock();
        let Some(disk) = held.as_mut() else { return Ok(()) };
        let written = self.write_snapshot(disk);
        if written.is_ok() {
            (disk.older, disk.rest, disk.next_rest) = (0, 0, 1);
        } else {
            self.is_behind.store(true, Ordering::Relaxed);
            (disk.rest, disk.next_rest) = (disk.next_rest, (2 * disk.next_rest).min(MOST_REST));
        }
        drop(held);
        let mut state = self.state.lock();
        let counted = if written.is_ok() { &mut state.stats.snapshots } else { &mut state.stats.io_faults };
        *counted += 1;
        written
    }

    fn write_snapshot(&self, disk: &mut Disk) -> Result<()> {
        // An empty journal without a snapshot, as one that failed leaves behind, is as good as a new one.
        let current = self.state.lock().journal.clone();
        if disk.older == 0 || !current.is_some_and(|journal| journal.is_empty()) {
            self.begin_journal(disk)?;
        }
        let generation = disk.head.generation;
        // What a failed write has lost is in memory, so it will be in the snapshot: from here on new faults count.
        self.is_behind.store(false, Ordering::Relaxed);
        let (anchors, large) = {
            let state = self.state.lock();
            (state.anchors.iter().collect::<Vec<_>>(), state.large())
        };
        // Vectors of entries that came before the new journal are in their indexes then.
        drop(self.adding.write());
        let save =
            |(partition, large): (&u128, &Arc<Large>)| large.save(&disk.directory.vectors(generation, *partition));
        let write = || {
            large.iter().try_for_each(save).and_then(|()| {
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
            })
        };
        disk.directory.forget_vectors(generation, |partition| large.contains_key(&partition));
        self.synced_beside(write)?;
        disk.directory.forget_before(generation);
        Ok(())
    }

    fn begin_journal(&self, disk: &mut Disk) -> Result<()> {
        let generation = disk.head.generation + 1;
        let head = Head { generation, ..disk.head.clone() };
        let journal = Journal::create(&disk.directory.journal(generation), &head, disk.is_sync)?;
        let last = self.state.lock().journal.replace(Arc::new(journal));
        disk.head = head;
        disk.older += 1;
        // Until the snapshot is there, and for good where that fails, what it held is in the journal before.
        let _ = last.map(|last| last.finish().map_err(|fault| self.faulty(&fault)));
        Ok(())
    }

    /// Runs work that takes long, and has the disk write what the journal was handed meanwhile: the thread that calls
    /// [`Cache::tend`] may be the one that works, or wait for it.
    fn synced_beside(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let (done, is_done) = mpsc::channel::<()>();
        let sync = move || {
            while is_done.recv_timeout(DUE) == Err(RecvTimeoutError::Timeout) {
                let journal = self.state.lock().journal.clone();
                let _ = journal.map(|journal| journal.sync().map_err(|fault| self.faulty(&fault)));
            }
        };
        std::thread::scope(|scope| {
            let started = std::thread::Builder::new().name("compound-fast-sync".into()).spawn_scoped(scope, sync);
            started.map_err(|fault| Error::new(ErrorKind::Cache, format!("no thread could be started: {fault}")))?;
            let _done = done; // when this goes, by a panic as well, the thread ends
            work()
        })
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
