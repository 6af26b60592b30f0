//! The hash of a key's bytes. It must be the same in every process and version, because it decides the partition.
//!
//! Folded 64-by-64-bit multiplication, as in wyhash (Wang Yi, public domain), with our own constants. There is no
//! random seed: if a job runs again, each key must go to the same partition.

const SEED_A: u64 = 0x9E37_79B9_7F4A_7C15;
const SEED_B: u64 = 0xE703_7ED1_A0B4_28DB;

/// Hashes the bytes of a key.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    if bytes.len() <= super::short::SHORT_BYTES {
        hash_short(super::short::load(bytes), bytes.len())
    } else {
        hash_long(bytes)
    }
}

/// Hashes a key of at most 16 bytes that has been loaded by [`super::short::load`]; agrees with [`hash`].
#[inline(always)]
pub fn hash_short(padded: u128, len: usize) -> u64 {
    fold(padded as u64, (padded >> 64) as u64 ^ len as u64)
}

/// Hashes a key of more than 16 bytes; agrees with [`hash`].
#[inline]
pub fn hash_long(bytes: &[u8]) -> u64 {
    let mut state = bytes.len() as u64;
    let mut rest = bytes;
    while let Some((block, more)) = rest.split_first_chunk::<16>() {
        state = fold_block(state, block);
        rest = more;
    }
    match bytes.last_chunk::<16>() {
        Some(last) => fold_block(state, last),
        None => state,
    }
}

#[inline(always)]
fn fold_block(state: u64, block: &[u8; 16]) -> u64 {
    let both = u128::from_le_bytes(*block);
    fold(state ^ both as u64, (both >> 64) as u64)
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ SEED_A) * u128::from(b ^ SEED_B);
    product as u64 ^ (product >> 64) as u64
}

/// Returns the partition, below `parts`, of a key with this hash. It is computed from the top bits, so that tables
/// ordered by hash are ordered by partition too.
#[inline(always)]
pub fn partition(hash: u64, parts: u32) -> u32 {
    (((hash >> 32) * u64::from(parts)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        for (key, expected) in GOLDEN {
            assert_eq!(hash(key), *expected, "{:?}", String::from_utf8_lossy(key));
        }
    }

    const GOLDEN: &[(&[u8], u64)] = &[
        (b"", 0x0850_F979_4D51_08B4),
        (b"a", 0x2C6D_536B_A1FE_7F50),
        (b"word", 0xB03C_04D1_0888_595C),
        (b"sixteen bytes ..", 0xB283_28D1_502B_8AEF),
        (b"seventeen bytes..", 0x8E6C_6CFB_E496_51AC),
        (b"a key that is longer than two blocks of sixteen bytes", 0x3DA2_B103_51B3_0F83),
    ];

    #[test]
    fn short_and_long_keys_spread_over_all_partitions() {
        for width in [1usize, 3, 8, 16, 40] {
            let mut counts = [0u32; 16];
            for i in 0..16_000u32 {
                let key = format!("{i:0width$}");
                counts[partition(hash(key.as_bytes()), 16) as usize] += 1;
            }
            assert!(counts.iter().all(|n| (800..1200).contains(n)), "{width}: {counts:?}");
        }
    }
}
