//! The memory of the combining table: a zeroed array of slots on huge pages, each empty or in use.

#![expect(
    unsafe_code,
    reason = "slots need aligned, zeroed huge pages, and look-ups skip bounds checks; benches show the gain"
)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::record::short::SHORT_BYTES;

/// Memory of at least this size is aligned for huge pages, and the kernel is advised to use them.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Alignment of less memory: slots of 32 bytes still never straddle a cache line.
const CACHE_LINE_BYTES: usize = 64;

/// One place of the table. A slot of zero bytes is empty.
#[repr(C)]
pub(super) struct Slot<A> {
    /// The key, zero-padded, if it has at most 16 bytes; otherwise the place of its bytes, and 64 bits to compare
    /// first.
    pub(super) key: [u8; SHORT_BYTES],
    /// The upper half of the key's hash, which is needed when the table grows.
    pub(super) hash: u32,
    /// The key's length plus one; zero marks an empty slot.
    len_plus_one: u32,
    acc: MaybeUninit<A>,
}

impl<A> Slot<A> {
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len_plus_one == 0
    }

    /// Whether the slot holds a key of this length with these sixteen bytes.
    #[inline(always)]
    pub(super) fn holds(&self, key: u128, len: u32) -> bool {
        self.len_plus_one == len + 1 && u128::from_ne_bytes(self.key) == key
    }

    /// Length of the key. The slot must be filled.
    #[inline(always)]
    pub(super) fn key_len(&self) -> usize {
        debug_assert!(!self.is_empty());
        self.len_plus_one.wrapping_sub(1) as usize
    }

    /// The accumulator, if the slot is filled.
    #[inline(always)]
    pub(super) fn acc(&self) -> Option<&A> {
        // SAFETY: only `fill` makes the length non-zero, and it writes the accumulator with it.
        (!self.is_empty()).then(|| unsafe { self.acc.assume_init_ref() })
    }

    /// The accumulator, if the slot is filled.
    #[inline(always)]
    pub(super) fn acc_mut(&mut self) -> Option<&mut A> {
        // SAFETY: as in `acc`.
        (!self.is_empty()).then(|| unsafe { self.acc.assume_init_mut() })
    }

    /// Fills an empty slot. `len` is below `u32::MAX`.
    #[inline(always)]
    pub(super) fn fill(&mut self, key: u128, len: u32, hash: u32, acc: A) {
        debug_assert!(self.is_empty() && len < u32::MAX);
        *self = Slot {
            key: key.to_ne_bytes(),
            hash,
            len_plus_one: len + 1,
            acc: MaybeUninit::new(acc),
        };
    }
}

/// An array of slots, as many as a power of two, indexed modulo their number.
pub(super) struct Slots<A> {
    first: NonNull<Slot<A>>,
    mask: usize,
}

// SAFETY: `Slots` owns its slots as a boxed slice would; nothing else points to them.
unsafe impl<A: Send> Send for Slots<A> {}
// SAFETY: shared access only reads, as with a boxed slice.
unsafe impl<A: Sync> Sync for Slots<A> {}

impl<A> Slots<A> {
    /// Bytes that `1 << bits` slots take.
    pub(super) const fn bytes(bits: u32) -> usize {
        size_of::<Slot<A>>() << bits
    }

    /// Creates `1 << bits` empty slots.
    pub(super) fn new(bits: u32) -> Self {
        let layout = Self::layout(1 << bits);
        // SAFETY: a slot is not zero-sized, so the layout is not empty.
        let memory = unsafe { alloc(layout) };
        let Some(first) = NonNull::new(memory.cast::<Slot<A>>()) else {
            handle_alloc_error(layout)
        };
        if layout.align() == HUGE_PAGE_BYTES {
            // SAFETY: this only gives advice about memory that was just allocated. It changes no contents, and the
            // kernel may refuse.
            unsafe { libc::madvise(memory.cast(), layout.size(), libc::MADV_HUGEPAGE) };
        }
        // SAFETY: the allocation is `layout.size()` bytes long, and zero bytes are an empty slot.
        unsafe { memory.write_bytes(0, layout.size()) };
        Slots { first, mask: (1 << bits) - 1 }
    }

    fn layout(slots: usize) -> Layout {
        let plain =
            Layout::array::<Slot<A>>(slots).expect("the memory limit bounds the size of a table");
        let align =
            if plain.size() >= HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { CACHE_LINE_BYTES };
        plain.align_to(align.max(plain.align())).expect("alignments are powers of two")
    }

    pub(super) fn len(&self) -> usize {
        self.mask + 1
    }

    /// The slot at this index, modulo the number of slots.
    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> &Slot<A> {
        // SAFETY: the mask keeps the index inside the allocation, whose slots are all initialised.
        unsafe { &*self.first.as_ptr().add(index & self.mask) }
    }

    /// The slot at this index, modulo the number of slots.
    #[inline(always)]
    pub(super) fn get_mut(&mut self, index: usize) -> &mut Slot<A> {
        // SAFETY: as in `get`, and `self` is borrowed exclusively.
        unsafe { &mut *self.first.as_ptr().add(index & self.mask) }
    }

    /// Passes on every filled slot, in order, and leaves all slots empty.
    pub(super) fn take_all(&mut self, mut each: impl FnMut(u128, u32, u32, A)) {
        for i in 0..self.len() {
            let slot = self.get_mut(i);
            if !slot.is_empty() {
                let (key, len) = (u128::from_ne_bytes(slot.key), slot.len_plus_one - 1);
                slot.len_plus_one = 0;
                // SAFETY: the slot was filled and is now marked empty, so the accumulator is read only once.
                each(key, len, slot.hash, unsafe { slot.acc.assume_init_read() });
            }
        }
    }
}

impl<A> Drop for Slots<A> {
    fn drop(&mut self) {
        if std::mem::needs_drop::<A>() {
            self.take_all(|_, _, _, acc| drop(acc));
        }
        // SAFETY: `new` allocated this memory with the same layout.
        unsafe { dealloc(self.first.as_ptr().cast(), Self::layout(self.len())) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn a_slot_of_a_count_is_half_a_cache_line() {
        assert_eq!(size_of::<Slot<u64>>(), 32);
    }

    #[test]
    fn accumulators_are_dropped_once() {
        let acc = Rc::new(());
        let mut slots = Slots::new(16);
        for i in 0..100 {
            slots.get_mut(i * 7).fill(i as u128, 3, 0, acc.clone());
        }
        let mut taken = Vec::new();
        slots.take_all(|_, _, _, acc| taken.push(acc));
        assert_eq!(Rc::strong_count(&acc), 101);
        taken.clear();
        slots.get_mut(5).fill(1, 1, 0, acc.clone());
        drop(slots);
        assert_eq!(Rc::strong_count(&acc), 1);
    }

    #[test]
    fn large_and_small_arrays_begin_empty() {
        for bits in [0, 4, 17] {
            let slots = Slots::<u64>::new(bits);
            assert!(
                (0..slots.len()).all(|i| slots.get(i).is_empty() && slots.get(i).acc().is_none())
            );
        }
    }
}
