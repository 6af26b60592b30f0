//! Draws the random number that identifies a run.

use std::hash::{BuildHasher, RandomState};

use crate::spec::Nonce;

/// Draws 128 bits that no other run has drawn.
///
/// The standard library keys its hashers from the system's random source (`getrandom`). A keyed hash of distinct
/// inputs looks random, and needs neither a crate nor a file.
pub(crate) fn draw(wall_ms: u64) -> Nonce {
    let keys = RandomState::new();
    let half = |which: u8| u128::from(keys.hash_one((which, std::process::id(), wall_ms)));
    Nonce(half(0) << 64 | half(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ() {
        let drawn: std::collections::BTreeSet<Nonce> = (0..1000).map(|_| draw(0)).collect();
        assert_eq!(drawn.len(), 1000);
    }
}
