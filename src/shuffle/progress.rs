//! Counts the bytes that merges of map output have read, and how many they must read in total, to
//! show progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::merge_plan::next_group;

/// How much map output was read, and how much there is to read: bytes of records before compression. Files are counted
/// as they are read; memory is counted a chunk, or some thousand records, at a time.
///
/// The share that was read never falls while merges run, because their total never rises.
#[derive(Debug, Default)]
pub struct ReadProgress {
    /// Bytes read so far.
    pub bytes: Arc<AtomicU64>,
    /// Bytes to read in all. What is merged in several passes counts once for each pass.
    pub total: AtomicU64,
}

impl ReadProgress {
    /// Adds bytes to the total that will be read once.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the counter for a reader.
    pub fn counter(&self) -> Counter {
        Some(Arc::clone(&self.bytes))
    }
}

/// Adjusts the total during a merge in several passes.
pub(super) struct Passes<'p> {
    progress: &'p ReadProgress,
    /// The part of the total that belongs to these passes.
    expected: u64,
    read: u64,
}

impl<'p> Passes<'p> {
    /// Announces files of these sizes, which will be read as often as their merges require.
    pub(super) fn expect(progress: &'p ReadProgress, sizes: &[u64], fan_in: usize) -> Self {
        let expected = bytes_to_read(sizes.to_vec(), fan_in);
        progress.expect(expected);
        Self { progress, expected, read: 0 }
    }

    /// Records that `from` bytes were merged into `into` bytes, which are fewer if there is a combiner.
    pub(super) fn merged(&mut self, from: u64, into: u64) {
        self.read += from;
        self.lower(self.expected - from.saturating_sub(into).min(self.expected));
    }

    /// Records that only files of these sizes are left, which will be read at once.
    pub(super) fn end(mut self, sizes: &[u64]) {
        self.lower(self.read + sizes.iter().sum::<u64>());
    }

    fn lower(&mut self, expected: u64) {
        let less = self.expected.saturating_sub(expected);
        self.progress.total.fetch_sub(less, Ordering::Relaxed);
        self.expected -= less;
    }
}

/// Bytes that all merges of files of these sizes will read, including the final one, if nothing is combined.
fn bytes_to_read(mut sizes: Vec<u64>, fan_in: usize) -> u64 {
    let mut read = 0;
    while let Some(group) = next_group(&sizes, fan_in) {
        let sum = sizes[group.clone()].iter().sum();
        sizes.splice(group, [sum]);
        read += sum;
    }
    read + sizes.iter().sum::<u64>()
}

/// The counter for bytes that are read, if there is one.
pub type Counter = Option<Arc<AtomicU64>>;

/// Adds to a counter.
pub(super) fn count(counter: &Counter, bytes: u64) {
    if let Some(counter) = counter {
        counter.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_merged_twice_count_twice() {
        let table = [
            (vec![], 2, 0),
            (vec![7; 3], 3, 21),
            (vec![1; 65], 64, 65 + 2),
            (vec![5, 4, 3, 2, 1], 2, 15 + 3 + 6 + 9),
        ];
        for (sizes, fan_in, expected) in table {
            assert_eq!(bytes_to_read(sizes.clone(), fan_in), expected, "{sizes:?} by {fan_in}");
        }
    }

    #[test]
    fn the_total_falls_as_merges_combine_and_never_rises() {
        let progress = ReadProgress::default();
        let total = || progress.total.load(Ordering::Relaxed);
        let mut passes = Passes::expect(&progress, &[5, 4, 3, 2, 1], 2);
        assert_eq!(total(), 33);
        passes.merged(3, 2);
        assert_eq!(total(), 32);
        passes.merged(5, 6);
        assert_eq!(total(), 32, "larger than what it was made of");
        passes.merged(9, 4);
        assert_eq!(total(), 27);
        passes.end(&[6, 4]);
        assert_eq!(total(), 27, "all of it was read");
        let passes = Passes::expect(&progress, &[1, 1], 2);
        passes.end(&[1]);
        assert_eq!(total(), 28);
    }
}
