//! What the allocator takes for what is asked of it, so that a budget in bytes is one in memory.

/// Bytes that an allocation of `len` takes: its length, eight bytes of the allocator's own, a multiple of 16, 32 at least.
///
/// That is glibc's rule below its threshold for maps of pages; other allocators of today round to classes that lie at
/// most an eighth apart.
pub fn allocated(len: usize) -> usize {
    if len == 0 { 0 } else { (len + 8).next_multiple_of(16).max(32) }
}

/// Bytes that the buffer of a vector takes.
pub fn vector<T>(vector: &Vec<T>) -> usize {
    allocated(vector.capacity() * size_of::<T>())
}
