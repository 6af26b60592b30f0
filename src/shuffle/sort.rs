//! Sorts records by partition, key and place. It compares integers, and reads a key's bytes only if
//! two keys begin with the same eight bytes.
//!
//! An entry packs the sort key into one integer, the most significant part first:
//!
//! ```text
//!  127        112 111                          48 47                    0
//! ┌──────────────┬───────────────────────────────┬───────────────────────┐
//! │ partition 16 │ the key's first 8 bytes, 64   │ place of the record 48│
//! └──────────────┴───────────────────────────────┴───────────────────────┘
//! ```
//!
//! Comparing integers needs no memory accesses to the records. Entries with the same partition and
//! prefix are sorted again by the next eight bytes of their keys, and so on. Each such level reads
//! each key once. Comparing whole keys would read two keys per comparison, so only keys that are
//! still equal after many levels are compared as a whole. Equal keys stay in the order of their
//! places.

/// Bits of an entry that hold the place of its record.
const PLACE_BITS: u32 = 48;
const PLACE_MASK: u128 = (1 << PLACE_BITS) - 1;
/// Bytes of a key that one level compares.
const LEVEL_BYTES: usize = 8;
/// From this byte on, keys are compared as a whole: each level is one more nested call, and a key may have many
/// megabytes.
const LEVELS_END_BYTES: usize = 512;

/// Most partitions that an entry can distinguish.
pub const PARTITIONS_MAX: u32 = 1 << 16;
/// The largest place that an entry can hold, plus one.
pub const PLACES_MAX: u64 = 1 << PLACE_BITS;

/// Packs an entry. `place` must be below [`PLACES_MAX`], and `partition` below [`PARTITIONS_MAX`].
#[inline(always)]
pub fn entry(partition: u32, prefix: u64, place: u64) -> u128 {
    debug_assert!(partition < PARTITIONS_MAX && place < PLACES_MAX);
    u128::from(partition) << 112 | u128::from(prefix) << PLACE_BITS | u128::from(place)
}

/// The place of the entry's record.
#[inline(always)]
pub fn place(entry: u128) -> u64 {
    (entry & PLACE_MASK) as u64
}

/// The first eight bytes of the entry's key, big-endian, zero-padded.
#[inline(always)]
pub fn prefix(entry: u128) -> u64 {
    (entry >> PLACE_BITS) as u64
}

/// The entry's partition.
#[inline(always)]
pub fn partition(entry: u128) -> u32 {
    (entry >> 112) as u32
}

/// Finds keys by the places of their records.
pub trait Keys {
    /// The whole key of the record at this place.
    fn key(&self, place: u64) -> &[u8];
}

/// Sorts entries by partition, key bytes and place.
pub fn sort(entries: &mut [u128], keys: &impl Keys) {
    entries.sort_unstable();
    sort_ties(entries, keys, LEVEL_BYTES);
}

/// Returns where each of `partitions` partitions begins in sorted entries, followed by where the last one ends.
pub fn partition_starts(entries: &[u128], partitions: u32) -> Vec<usize> {
    let mut starts = Vec::with_capacity(partitions as usize + 1);
    let mut from = 0;
    for p in 0..partitions {
        starts.push(from);
        from += entries[from..].partition_point(|&e| partition(e) == p);
    }
    starts.push(from);
    starts
}

/// Sorts each run of entries that differ only in their place, by the bytes of their keys from `depth` on.
fn sort_ties(entries: &mut [u128], keys: &impl Keys, depth: usize) {
    for run in entries.chunk_by_mut(|a, b| a >> PLACE_BITS == b >> PLACE_BITS) {
        if run.len() > 1 {
            sort_run(run, keys, depth);
        }
    }
}

/// Sorts entries whose zero-padded keys agree up to byte `depth`, and whose upper bits are therefore the same.
fn sort_run(run: &mut [u128], keys: &impl Keys, depth: usize) {
    if depth >= LEVELS_END_BYTES {
        run.sort_unstable_by(|&a, &b| {
            keys.key(place(a)).cmp(keys.key(place(b))).then(place(a).cmp(&place(b)))
        });
        return;
    }
    let upper = run[0] & !PLACE_MASK;
    // A key that ends before `depth` is a prefix of the longer keys, since with its padding it agrees with them. It
    // comes first.
    let ended = move_ended_first(run, keys, depth);
    let (short, long) = run.split_at_mut(ended);
    short.sort_unstable_by_key(|&e| (keys.key(place(e)).len(), place(e)));
    if long.len() > 1 {
        for e in long.iter_mut() {
            let next = crate::record::key::prefix(&keys.key(place(*e))[depth..]);
            *e = entry(0, next, place(*e));
        }
        long.sort_unstable();
        sort_ties(long, keys, depth + LEVEL_BYTES);
        for e in long.iter_mut() {
            *e = upper | u128::from(place(*e));
        }
    }
}

/// Moves the entries whose keys end at or before `depth` to the front, and returns their number.
fn move_ended_first(run: &mut [u128], keys: &impl Keys, depth: usize) -> usize {
    let mut ended = 0;
    for i in 0..run.len() {
        if keys.key(place(run[i])).len() <= depth {
            run.swap(i, ended);
            ended += 1;
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Keys for Vec<(u32, Vec<u8>)> {
        fn key(&self, place: u64) -> &[u8] {
            &self[place as usize].1
        }
    }

    fn check(records: Vec<(u32, Vec<u8>)>) {
        let mut entries: Vec<u128> = records
            .iter()
            .enumerate()
            .map(|(i, (partition, key))| {
                entry(*partition, crate::record::key::prefix(key), i as u64)
            })
            .collect();
        let packed = entries.clone();
        sort(&mut entries, &records);
        let mut expected: Vec<(u32, &[u8], u64)> = records
            .iter()
            .enumerate()
            .map(|(i, (p, key))| (*p, key.as_slice(), i as u64))
            .collect();
        expected.sort();
        let sorted: Vec<_> =
            entries.iter().map(|&e| (partition(e), records.key(place(e)), place(e))).collect();
        assert_eq!(sorted, expected);
        assert!(
            entries.iter().all(|e| packed[place(*e) as usize] == *e),
            "an entry was not put back as it was"
        );
        let starts = partition_starts(&entries, 4);
        for p in 0..4 {
            let count = records.iter().filter(|(q, _)| *q == p).count();
            assert_eq!(starts[p as usize + 1] - starts[p as usize], count);
        }
    }

    proptest! {
        #[test]
        fn entries_sort_as_partition_key_and_place_do(
            records in proptest::collection::vec((0u32..4, key()), 0..200)
        ) {
            check(records);
        }
    }

    /// Keys that are often equal for long: few letters, some of them zero bytes, and common prefixes longer than a
    /// level.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let letters = proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(b'a')], 0..20);
        (prop_oneof![Just(0usize), Just(8), Just(16), Just(17)], letters)
            .prop_map(|(common, rest)| [vec![b'p'; common], rest].concat())
    }

    #[test]
    fn many_equal_keys_keep_their_order() {
        check((0..1000).map(|i| (i % 3, b"pool/main/the-same-key".to_vec())).collect());
    }

    #[test]
    fn long_keys_that_agree_for_long_take_little_of_the_stack() {
        let common = vec![b'k'; 1 << 20];
        let other = [&common[..], b"!"].concat();
        check(vec![(1, other.clone()), (1, common.clone()), (1, other), (0, common)]);
    }
}
