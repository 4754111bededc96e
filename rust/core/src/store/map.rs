//! Pages of memory: anonymous, or a private view of a part of a file. The one place for the `unsafe` of memory maps.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::{MmapMut, MmapOptions};

/// From this size on the system is asked for huge pages: a search of a large index jumps about, and each jump would
/// miss the translation buffer otherwise (1.2 times the speed at a million entries).
const HUGE: usize = 2 << 20;

/// Bytes that start at a page. They can be changed; a change of a file's pages stays in this process.
#[derive(Debug)]
pub struct Pages(MmapMut);

impl Pages {
    /// So many bytes of zeros, resident once they are touched.
    ///
    /// # Errors
    /// Where the system has no memory left to promise.
    pub fn zeroed(len: usize) -> io::Result<Self> {
        let map = MmapMut::map_anon(len.max(1))?;
        #[cfg(target_os = "linux")]
        if len >= HUGE {
            // A system without huge pages refuses; the pages work all the same.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self(map))
    }

    /// A part of a file, read as it is touched and copied as it is changed.
    ///
    /// Whoever keeps the file must replace it, never change or cut it in place: pages not yet touched would change with
    /// it, and touching one that is gone ends the process (`SIGBUS`).
    ///
    /// # Errors
    /// Where the file cannot be mapped.
    #[expect(unsafe_code, reason = "a file can be changed under its map")]
    pub fn of_file(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        // SAFETY: the map is private, so nobody else writes to it through us. Another process that changes the file
        // in place changes pages that are not touched yet: every reader of ours takes them for bytes of any value, and
        // checks whatever it uses as a place.
        Ok(Self(unsafe { MmapOptions::new().offset(offset).len(len).map_copy(file)? }))
    }
}

impl Deref for Pages {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Pages {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
