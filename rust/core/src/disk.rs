//! The one place where bytes reach the disk: what is handed to the system, and what waits until it is on the disk.
//!
//! A power cut takes any part of what was not synced: of a file what was written since its last [`File::sync`], of a folder
//! what was made, renamed or removed in it since the last [`sync_folder`]. Tests write all calls down (`power_cut`) and
//! rebuild what may be left.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

#[cfg(test)]
pub(crate) mod power_cut;

/// A file that is written to.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    #[cfg(test)]
    record: power_cut::FileRecord,
}

impl File {
    /// A new file, in place of any other of that name; with `is_private` only its owner may read it.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path, is_private: bool) -> io::Result<Self> {
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        if is_private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = is_private;
        let file = options.open(path)?;
        #[cfg(test)]
        return Ok(Self { file, record: power_cut::made(path) });
        #[cfg(not(test))]
        Ok(Self { file })
    }

    /// A file that is there, to be written to at its end.
    ///
    /// # Errors
    /// The system's.
    pub fn append(path: &Path) -> io::Result<Self> {
        let file = fs::File::options().append(true).open(path)?;
        #[cfg(test)]
        return Ok(Self { record: power_cut::opened(path, file.metadata()?.len()), file });
        #[cfg(not(test))]
        Ok(Self { file })
    }

    /// Writes all of the bytes; on an error any part of them may have been written.
    ///
    /// # Errors
    /// The system's.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let done = (&self.file).write_all(bytes);
        #[cfg(test)]
        self.record.wrote(bytes);
        done
    }

    /// Cuts the file off.
    ///
    /// # Errors
    /// The system's.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// Length of the file.
    ///
    /// # Errors
    /// The system's.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Returns when all that was written is on the disk.
    ///
    /// # Errors
    /// The system's; what was written may be lost then, and a later sync does not tell.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        let _sync = self.record.sync()?;
        self.file.sync_data()
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        File::write_all(self, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = (&self.file).seek(to)?;
        #[cfg(test)]
        self.record.sought(at);
        Ok(at)
    }
}

/// Gives a file another name, in place of any other file of that name. It lasts once the folder is synced.
///
/// # Errors
/// The system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    #[cfg(test)]
    power_cut::renamed(from, to);
    Ok(())
}

/// Removes a file. It lasts once the folder is synced.
///
/// # Errors
/// The system's.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    #[cfg(test)]
    power_cut::removed(path);
    Ok(())
}

/// Returns when what was made, renamed and removed in a folder is on the disk. Windows opens no folders, and needs none of
/// this.
///
/// # Errors
/// The system's.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    #[cfg(test)]
    let _sync = power_cut::sync_folder(folder);
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Makes a folder that only its owner may look into, and those above it that are missing; they are on the disk then.
///
/// # Errors
/// The system's.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<PathBuf> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    // A folder whose name a power cut took is as good as empty.
    for made in missing.iter().rev() {
        #[cfg(test)]
        power_cut::made_folder(made);
        sync_folder(made.parent().unwrap_or(Path::new(".")))?;
    }
    Ok(())
}
