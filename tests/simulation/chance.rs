//! Random numbers from a seed, with a separate stream for each name.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A generator (SplitMix64, by Sebastiano Vigna, public domain).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Returns the stream of this name. Draws from one stream do not affect the others.
    pub(crate) fn of(seed: u64, name: &str) -> Self {
        Self(xxh3_64_with_seed(name.as_bytes(), seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from `least` to `most`.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// Returns true this many times in a thousand.
    pub(crate) fn permille(&mut self, times: u64) -> bool {
        self.between(0, 999) < times
    }

    /// Shuffles a slice.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.between(0, last as u64) as usize);
        }
    }
}
