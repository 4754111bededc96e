//! The folder of a cache: a lock, at most a few journals, and the snapshot that they go on from.
//!
//! `journal-N` holds what happened after everything in `journal-(N-1)`; `snapshot-N` holds all that had happened when
//! `journal-N` began, and perhaps some of what that journal holds as well; `vectors-N-P` holds the vectors of those of its
//! entries that are in the large partition P. So the newest snapshot with every journal from its number on is the state,
//! whatever was cut short: a new journal comes first, then vectors and snapshot under its number, and only then do the
//! older files go.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, ErrorKind, Result};

const JOURNAL: &str = "journal-";
const SNAPSHOT: &str = "snapshot-";
const VECTORS: &str = "vectors-";

/// A folder that this process holds.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Held as long as this lives. A lock of the system, so a process that is killed leaves none behind.
    _lock: File,
}

impl Directory {
    /// Makes the folder where there is none, and locks it.
    ///
    /// # Errors
    /// `CacheLocked` where it is open already, `Cache` where it cannot be made or written.
    pub fn lock(path: &Path) -> Result<Self> {
        let fault = |fault: io::Error| {
            Error::new(ErrorKind::Cache, format!("{}: no folder for a cache ({fault})", path.display()))
        };
        disk::make_folder(path).map_err(fault)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock")).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let context =
                    "this cache is open already, here or in another process; close the other, or give each a folder";
                Err(Error::new(ErrorKind::CacheLocked, format!("{}: {context}", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(fault(error)),
        }
    }

    /// The path of a journal.
    pub fn journal(&self, generation: u64) -> PathBuf {
        self.path.join(format!("{JOURNAL}{generation:012}"))
    }

    /// The path of a snapshot.
    pub fn snapshot(&self, generation: u64) -> PathBuf {
        self.path.join(format!("{SNAPSHOT}{generation:012}"))
    }

    /// The path of the vectors of a partition that go with a snapshot.
    pub fn vectors(&self, generation: u64, partition: u128) -> PathBuf {
        self.path.join(format!("{VECTORS}{generation:012}-{partition:032x}"))
    }

    /// The partitions whose vectors go with a snapshot.
    ///
    /// # Errors
    /// `Cache` where the folder cannot be read.
    pub fn partitions(&self, generation: u64) -> Result<Vec<u128>> {
        let partition = |Found { kind, generation: of, name }: Found| {
            let (_, partition) = name.rsplit_once('-').filter(|_| kind == VECTORS && of == generation)?;
            u128::from_str_radix(partition, 16).ok()
        };
        Ok(self.files()?.into_iter().filter_map(partition).collect())
    }

    /// What there is to read: the newest snapshot, if any, and the journals from it on, oldest first.
    ///
    /// # Errors
    /// `Cache` where the folder cannot be read.
    pub fn contents(&self) -> Result<(Option<u64>, Vec<u64>)> {
        let (mut snapshot, mut journals) = (None, Vec::new());
        for Found { kind, generation, .. } in self.files()? {
            match kind {
                SNAPSHOT => snapshot = snapshot.max(Some(generation)),
                JOURNAL => journals.push(generation),
                _ => {}
            }
        }
        journals.retain(|&generation| snapshot.is_none_or(|snapshot| generation >= snapshot));
        journals.sort_unstable();
        Ok((snapshot, journals))
    }

    /// Removes the vectors of other partitions that a snapshot which then was not written has left.
    pub fn forget_vectors(&self, generation: u64, is_meant: impl Fn(u128) -> bool) {
        for partition in self.partitions(generation).unwrap_or_default() {
            if !is_meant(partition) {
                let _ = disk::remove(&self.vectors(generation, partition));
            }
        }
    }

    /// Removes what came before a generation. What cannot be removed is tried again with the next one.
    pub fn forget_before(&self, generation: u64) {
        for found in self.files().unwrap_or_default() {
            if found.generation < generation {
                let _ = disk::remove(&self.path.join(found.name));
            }
        }
    }

    fn files(&self) -> Result<Vec<Found>> {
        let fault = |fault| Error::new(ErrorKind::Cache, format!("{}: cannot be read ({fault})", self.path.display()));
        let mut found = Vec::new();
        for file in fs::read_dir(&self.path).map_err(fault)? {
            let name = file.map_err(fault)?.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".tmp") && [JOURNAL, SNAPSHOT, VECTORS].iter().any(|kind| name.starts_with(kind)) {
                let _ = disk::remove(&self.path.join(&*name)); // of a writer that was cut short; this process holds the lock
            }
            for kind in [JOURNAL, SNAPSHOT, VECTORS] {
                let generation = name.strip_prefix(kind).and_then(|rest| rest.split('-').next()?.parse().ok());
                found.extend(generation.map(|generation| Found { kind, generation, name: name.clone().into_owned() }));
            }
        }
        Ok(found)
    }
}

/// A file of ours.
struct Found {
    kind: &'static str,
    generation: u64,
    name: String,
}
