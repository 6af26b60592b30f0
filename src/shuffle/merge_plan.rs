//! Chooses which adjacent files to merge next, so that as few bytes as possible are rewritten.

use std::ops::Range;

/// Returns which files to merge into one next, given the sizes of all files in order; `None` if `fan_in` can read them
/// all.
///
/// Only adjacent files are merged, because equal keys must stay in the order of the files. The first merge takes just
/// enough files that all later merges, including the final one, have exactly the allowed width. A narrower merge would
/// only do work that a later one does again. Each merge takes the smallest adjacent files, and the first of these if
/// several are equal.
///
/// # Panics
///
/// If `fan_in` is below 2, because then nothing can be merged.
pub fn next_group(bytes: &[u64], fan_in: usize) -> Option<Range<usize>> {
    assert!(fan_in >= 2, "a merge must read at least 2 files, got {fan_in}");
    if bytes.len() <= fan_in {
        return None;
    }
    let surplus = (bytes.len() - fan_in) % (fan_in - 1);
    let width = if surplus == 0 { fan_in } else { surplus + 1 };
    let mut sum: u64 = bytes[..width].iter().sum();
    let mut least = (sum, 0);
    for start in 1..=bytes.len() - width {
        sum = sum - bytes[start - 1] + bytes[start + width - 1];
        least = least.min((sum, start));
    }
    Some(least.1..least.1 + width)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merges as planned. Returns the number of merges, the bytes that were rewritten, and the number of files left.
    fn carry_out(mut bytes: Vec<u64>, fan_in: usize) -> (usize, u64, usize) {
        let (mut merges, mut rewritten) = (0, 0);
        while let Some(group) = next_group(&bytes, fan_in) {
            let sum: u64 = bytes[group.clone()].iter().sum();
            bytes.splice(group, [sum]);
            merges += 1;
            rewritten += sum;
        }
        (merges, rewritten, bytes.len())
    }

    #[test]
    fn groups_are_as_small_as_the_last_reading_allows() {
        let table = [
            (vec![1; 64], 64, (0, 0, 64)),
            (vec![1; 65], 64, (1, 2, 64)),
            (vec![1; 127], 64, (1, 64, 64)),
            (vec![1; 1000], 64, (15, 55 + 14 * 64, 64)),
            (vec![9, 1, 1, 9], 3, (1, 2, 3)),
            (vec![5, 4, 3, 2, 1], 2, (3, 3 + 6 + 9, 2)),
            (vec![], 2, (0, 0, 0)),
        ];
        for (bytes, fan_in, expected) in table {
            assert_eq!(carry_out(bytes.clone(), fan_in), expected, "{bytes:?} by {fan_in}");
        }
    }

    #[test]
    fn the_smallest_neighbours_come_first() {
        assert_eq!(next_group(&[7, 2, 9, 1, 3, 8], 5), Some(3..5));
        assert_eq!(next_group(&[1, 1, 1, 1], 3), Some(0..2));
        assert_eq!(next_group(&[9, 1, 9, 1, 1], 3), Some(1..4));
    }
}
