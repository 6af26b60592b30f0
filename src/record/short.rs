//! Loads up to sixteen bytes into one zero-padded integer, without a branch on the length.

/// The longest key that fits into such an integer.
pub const SHORT_BYTES: usize = 16;

/// Loads the first 16 bytes as a little-endian integer, padded with zeros.
#[inline(always)]
pub fn load(bytes: &[u8]) -> u128 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if within_page(bytes) {
        return masked::load(bytes);
    }
    load_plain(bytes)
}

/// Returns whether sixteen bytes from the slice's start are on one page. Reading them is then safe if reading the first
/// byte is.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
fn within_page(bytes: &[u8]) -> bool {
    const PAGE_BYTES: usize = 4096;
    !bytes.is_empty() && bytes.as_ptr() as usize % PAGE_BYTES <= PAGE_BYTES - SHORT_BYTES
}

/// Does the same as [`load`] in plain code, for other processors, for page borders, and for the test that compares
/// both.
pub fn load_plain(bytes: &[u8]) -> u128 {
    let mut padded = [0u8; SHORT_BYTES];
    let len = bytes.len().min(SHORT_BYTES);
    padded[..len].copy_from_slice(&bytes[..len]);
    u128::from_le_bytes(padded)
}

/// Prefetches the memory at this reference. Has no visible effect.
#[inline(always)]
pub fn prefetch<T: ?Sized>(target: &T) {
    #[cfg(target_arch = "x86_64")]
    #[expect(
        unsafe_code,
        reason = "there is no safe prefetch; word count is a third slower without prefetching"
    )]
    // SAFETY: prefetching is a hint that faults on no address, and this one is a live reference.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(target).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod masked {
    use std::arch::asm;

    #[repr(align(16))]
    struct Masks([[u8; 16]; 17]);

    /// `MASKS[n]` keeps the first n of sixteen bytes.
    static MASKS: Masks = {
        let mut masks = [[0; 16]; 17];
        let mut n = 0;
        while n <= 16 {
            let mut i = 0;
            while i < n {
                masks[n][i] = 0xFF;
                i += 1;
            }
            n += 1;
        }
        Masks(masks)
    };

    /// Loads the bytes with one masked load. The caller has checked that the slice is not empty and that its first 16
    /// bytes lie on one page.
    #[inline(always)]
    #[expect(
        unsafe_code,
        reason = "a masked sixteen-byte load; a branch on the length costs one misprediction per word"
    )]
    pub(super) fn load(bytes: &[u8]) -> u128 {
        let mask = &MASKS.0[bytes.len().min(16)];
        let (low, high): (u64, u64);
        // SAFETY: the load may go past the slice's end, but never past the page of its first byte, so it cannot
        // fault; what lies past the end is masked away inside the block, so its result depends on the slice alone
        // and the block does what a load of exactly the slice's bytes would. It writes no memory.
        unsafe {
            asm!(
                "movdqu {both}, [{from}]",
                "pand {both}, [{mask}]",
                "movq {low}, {both}",
                "punpckhqdq {both}, {both}",
                "movq {high}, {both}",
                both = out(xmm_reg) _,
                low = lateout(reg) low,
                high = lateout(reg) high,
                from = in(reg) bytes.as_ptr(),
                mask = in(reg) mask.as_ptr(),
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_at_every_place_loads_as_the_plain_code_does() {
        let bytes: Vec<u8> = (0..3 * 4096u32).map(|i| (i % 251) as u8 + 1).collect();
        for start in 0..bytes.len() - 40 {
            for len in 0..=17 {
                let key = &bytes[start..start + len];
                assert_eq!(load(key), load_plain(key), "{len} bytes at {start}");
            }
        }
    }
}
