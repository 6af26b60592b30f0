//! Memory for records, in chunks on huge pages. A chunk is filled once from front to back, is never
//! moved, and is reused later.

#![expect(
    unsafe_code,
    reason = "chunks need aligned memory that is not touched before it is filled, to avoid page faults"
)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;

/// Size of a chunk and of a huge page. The first touch of a huge page costs one page fault instead of five hundred.
pub(super) const CHUNK_BYTES: usize = 2 << 20;
/// The smallest possible page.
const PAGE_BYTES: usize = 4 << 10;

/// Memory whose first `len` bytes have been written.
pub(super) struct Chunk {
    memory: NonNull<u8>,
    len: usize,
    capacity: usize,
}

// SAFETY: a chunk owns its memory as a `Vec<u8>` does.
unsafe impl Send for Chunk {}
// SAFETY: shared access only reads, as with a `Vec<u8>`.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// Creates an empty chunk of [`CHUNK_BYTES`], or of exactly `least` bytes if that is more.
    pub(super) fn new(least: usize) -> Self {
        let capacity = least.max(CHUNK_BYTES);
        let layout = Self::layout(capacity);
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        // SAFETY: this only gives advice about memory that was just allocated. It changes no contents, and the kernel
        // may refuse.
        unsafe { libc::madvise(memory.as_ptr().cast(), capacity, libc::MADV_HUGEPAGE) };
        Chunk { memory, len: 0, capacity }
    }

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, CHUNK_BYTES)
            .expect("the length of a record is bounded, see `record::value`")
    }

    /// Bytes written.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that can still be written.
    #[inline(always)]
    pub(super) fn room(&self) -> usize {
        self.capacity - self.len
    }

    /// Bytes of memory.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Appends bytes. There must be room for them.
    #[inline(always)]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "the caller must check that the bytes fit");
        // SAFETY: the bytes fit after those already written, and cannot overlap memory that `self` owns exclusively.
        unsafe {
            self.memory.as_ptr().add(self.len).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        self.len += bytes.len();
    }

    /// The bytes that were written.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the first `len` bytes have been written.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }

    /// Removes the contents, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // The allocator would keep memory of this size for later, but the system can use it now, for the pages of the
        // output. SAFETY: advice about whole pages that only this chunk owns and that are no longer read.
        unsafe {
            libc::madvise(
                self.memory.as_ptr().cast(),
                self.capacity & !(PAGE_BYTES - 1),
                libc::MADV_DONTNEED,
            )
        };
        // SAFETY: `new` allocated this memory with the same layout.
        unsafe { dealloc(self.memory.as_ptr(), Self::layout(self.capacity)) };
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} of {} bytes)", self.len, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_holds_what_was_pushed_until_it_is_cleared() {
        let mut chunk = Chunk::new(3);
        assert_eq!((chunk.room(), chunk.bytes()), (CHUNK_BYTES, &b""[..]));
        chunk.push(b"abc");
        chunk.push(b"");
        chunk.push(&[7; CHUNK_BYTES - 3]);
        assert_eq!((chunk.room(), &chunk.bytes()[..4]), (0, &b"abc\x07"[..]));
        chunk.clear();
        chunk.push(b"x");
        assert_eq!(chunk.bytes(), b"x");
        assert_eq!(Chunk::new(CHUNK_BYTES + 1).capacity(), CHUNK_BYTES + 1);
    }

    #[test]
    fn pushing_too_much_is_caught() {
        let caught = std::panic::catch_unwind(|| Chunk::new(1).push(&[0; CHUNK_BYTES + 1]));
        assert!(caught.is_err());
    }
}
