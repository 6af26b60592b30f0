//! Cuts the files of a job into splits. The cuts depend on the files and the flags alone.

use super::source::is_compressed;
use super::{Error, Input};
use crate::model::{FileRange, Split};

/// Number of splits that an input of medium size is cut into: enough to balance many workers.
const SPLITS_AIMED_AT: u64 = 64;

/// Default minimum size of a split in bytes: a smaller task would cost more to start than to run.
const SPLIT_BYTES_MIN: u64 = 1 << 20;

/// Default maximum size of a split in bytes: losing a larger task would cost too much.
const SPLIT_BYTES_MAX: u64 = 128 << 20;

/// Maximum number of files in one split. With many small files, most of the work is opening them, and tasks must share
/// that work too.
pub const SPLIT_FILES_MAX: usize = 1_000;

/// Default bytes of input per reduce task.
const REDUCE_BYTES: u64 = 64 << 20;

/// Default maximum number of reduce tasks.
const REDUCERS_MAX: u64 = 1_000;

/// Cuts `files`, each given as one range of all its bytes, into splits for input format `F`.
///
/// # Errors
/// If the first bytes of a file larger than a split cannot be read to check whether it is compressed.
pub fn plan<F: Input>(files: &[FileRange], split_bytes: Option<u64>) -> Result<Vec<Split>, Error> {
    plan_splits(files, split_bytes, is_splittable::<F>)
}

/// Returns whether a file may be cut: its format must be splittable, and it must not be compressed.
///
/// # Errors
/// If its first bytes cannot be read.
pub fn is_splittable<F: Input>(file: &FileRange) -> Result<bool, Error> {
    let index = usize::try_from(file.source).unwrap_or(usize::MAX);
    Ok(F::is_splittable(index) && !is_compressed(file)?)
}

/// Cuts `files`, each given as one range of all its bytes, into splits.
///
/// A splittable file that is larger than a split is cut into even ranges, each a split of its own. Other files are
/// packed in order, up to the split's size and [`SPLIT_FILES_MAX`]. A stream is a split of its own. The ranges of all
/// splits, in order, are the files in order, including empty ones. `splittable` is called only for files larger than a
/// split.
///
/// # Errors
/// Those of `splittable`.
pub fn plan_splits<E>(
    files: &[FileRange],
    split_bytes: Option<u64>,
    mut splittable: impl FnMut(&FileRange) -> Result<bool, E>,
) -> Result<Vec<Split>, E> {
    let total = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes()));
    let split_bytes = split_bytes.unwrap_or_else(|| default_split_bytes(total)).max(1);
    let mut splits = Vec::new();
    let mut pack = Split::default();
    let mut pack_bytes: u64 = 0;
    for file in files {
        let bytes = file.bytes();
        let large = bytes > split_bytes;
        let cut = large && splittable(file)?;
        let full =
            pack_bytes.saturating_add(bytes) > split_bytes || pack.ranges.len() == SPLIT_FILES_MAX;
        if !pack.ranges.is_empty() && (full || is_stream(file)) {
            splits.push(std::mem::take(&mut pack));
            pack_bytes = 0;
        }
        if cut {
            splits.extend(even_ranges(file, bytes.div_ceil(split_bytes)));
        } else if large || is_stream(file) {
            splits.push(Split { ranges: vec![file.clone()] });
        } else {
            pack.ranges.push(file.clone());
            pack_bytes += bytes;
        }
    }
    if !pack.ranges.is_empty() {
        splits.push(pack);
    }
    Ok(splits)
}

/// Returns the default bytes of a split for an input of `total` bytes.
pub fn default_split_bytes(total: u64) -> u64 {
    let mebibytes = (total / SPLITS_AIMED_AT).div_ceil(1 << 20);
    mebibytes.saturating_mul(1 << 20).clamp(SPLIT_BYTES_MIN, SPLIT_BYTES_MAX)
}

/// Returns the default number of reduce tasks for an input of `total` bytes.
pub fn default_reducers(total: u64) -> u32 {
    u32::try_from(total.div_ceil(REDUCE_BYTES).clamp(1, REDUCERS_MAX)).unwrap_or(1)
}

fn is_stream(file: &FileRange) -> bool {
    file.end == u64::MAX
}

/// Cuts the file into `count` splits whose lengths differ by at most a byte.
fn even_ranges(file: &FileRange, count: u64) -> impl Iterator<Item = Split> + use<'_> {
    let bytes = u128::from(file.bytes());
    let at = move |part: u64| {
        let offset = bytes * u128::from(part) / u128::from(count);
        file.start + u64::try_from(offset).unwrap_or(u64::MAX)
    };
    (0..count).map(move |part| Split {
        ranges: vec![FileRange { start: at(part), end: at(part + 1), ..file.clone() }],
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{FileIdentity, Location};

    const MIB: u64 = 1 << 20;

    /// Returns a file that is named after its size; `u64::MAX` is a stream.
    fn file(size: u64) -> FileRange {
        let location = Location::from(&size.to_string());
        let identity = FileIdentity::default();
        FileRange { location, source: 0, start: 0, end: size, size, modified_ns: 0, identity }
    }

    fn planned(sizes: &[u64], split_bytes: Option<u64>, splittable: bool) -> Vec<Split> {
        let files: Vec<FileRange> = sizes.iter().map(|&size| file(size)).collect();
        plan_splits(&files, split_bytes, |_| Ok::<_, Infallible>(splittable)).unwrap()
    }

    /// Formats splits as `file:start-end`, joined by `+`.
    fn shown(splits: &[Split]) -> String {
        let range = |range: &FileRange| match range.end {
            u64::MAX => "stream".to_string(),
            end => format!("{}:{}-{end}", range.location, range.start),
        };
        let split = |split: &Split| split.ranges.iter().map(range).collect::<Vec<_>>().join("+");
        splits.iter().map(split).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn files_are_cut_and_packed() {
        let table: [(&[u64], bool, &str); 11] = [
            (&[], true, ""),
            (&[0], true, "0:0-0"),
            (&[0, 0], true, "0:0-0+0:0-0"),
            (&[10], true, "10:0-10"),
            (&[11], true, "11:0-5 11:5-11"),
            (&[25], true, "25:0-8 25:8-16 25:16-25"),
            (&[25], false, "25:0-25"),
            (&[4, 6, 1], true, "4:0-4+6:0-6 1:0-1"),
            (&[4, 11, 6], true, "4:0-4 11:0-5 11:5-11 6:0-6"),
            (&[4, u64::MAX, 6], true, "4:0-4 stream 6:0-6"),
            (&[4, 0, 25, 0, 6], false, "4:0-4+0:0-0 25:0-25 0:0-0+6:0-6"),
        ];
        for (sizes, splittable, expected) in table {
            assert_eq!(shown(&planned(sizes, Some(10), splittable)), expected, "{sizes:?}");
        }
    }

    #[test]
    fn no_split_has_too_many_files() {
        let lengths: Vec<usize> =
            planned(&[1; 2_500], None, true).iter().map(|split| split.ranges.len()).collect();
        assert_eq!(lengths, [1_000, 1_000, 500]);
    }

    #[test]
    fn sizes_follow_from_the_input_alone() {
        let table = [
            (0, MIB, 1),
            (1, MIB, 1),
            (64 * MIB, MIB, 1),
            (64 * MIB + 1, MIB, 2),
            (64 * MIB + 64, 2 * MIB, 2),
            (1_000_000_000, 15 * MIB, 15),
            (8 << 30, 128 * MIB, 128),
            (100 << 30, 128 * MIB, 1_000),
            (u64::MAX, 128 * MIB, 1_000),
        ];
        for (total, split_bytes, reducers) in table {
            assert_eq!(
                (default_split_bytes(total), default_reducers(total)),
                (split_bytes, reducers),
                "{total}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_ranges_are_the_files_in_order_each_byte_once(
            sizes in prop::collection::vec(prop_oneof![Just(0), 1u64..50, 50u64..5_000], 0..40),
            split_bytes in 1u64..200,
            splittable: bool,
        ) {
            let splits = planned(&sizes, Some(split_bytes), splittable);
            prop_assert!(splits.iter().all(|split| !split.ranges.is_empty()));
            prop_assert!(splits.iter().all(|split| split.ranges.len() == 1 || split.bytes() <= split_bytes));
            prop_assert!(!splittable || splits.iter().all(|split| split.bytes() <= split_bytes));
            let mut ranges = splits.iter().flat_map(|split| &split.ranges);
            for size in sizes {
                let mut at = 0;
                loop {
                    let range = ranges.next().unwrap();
                    prop_assert_eq!((range.start, range.size), (at, size));
                    prop_assert!(range.end > at || size == 0);
                    at = range.end;
                    if at == size {
                        break;
                    }
                }
            }
            prop_assert!(ranges.next().is_none());
        }
    }
}
