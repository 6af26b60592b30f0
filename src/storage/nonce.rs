//! Draws the random numbers that identify runs, processes and submissions.

use crate::model::Nonce;

/// Draws 128 bits that nothing else has drawn.
///
/// No two runs may share a staging folder, and a restarted process must not be taken for the one before it. The bits
/// therefore come from the system's random source.
pub(crate) fn draw_nonce() -> Nonce {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the system has random numbers");
    Nonce(u128::from_le_bytes(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ() {
        let drawn: std::collections::BTreeSet<Nonce> = (0..1000).map(|_| draw_nonce()).collect();
        assert_eq!(drawn.len(), 1000);
    }
}
