//! For property tests: checks that a splittable format gives the same records wherever a file is cut.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::source::Options;
use super::{Error, Input, Source};
use crate::model::{FileIdentity, FileRange, Location};

/// Returns the range of a whole file, as listed for the named input `source`.
pub(super) fn listed(path: &Path, source: u32) -> FileRange {
    let facts = fs::metadata(path).expect("the test created the file");
    let ns = |seconds: i64, rest: i64| {
        u64::try_from(seconds * 1_000_000_000 + rest).expect("the file's times are after 1970")
    };
    FileRange {
        location: Location::from(path),
        source,
        start: 0,
        end: facts.len(),
        size: facts.len(),
        modified_ns: ns(facts.mtime(), facts.mtime_nsec()),
        identity: FileIdentity {
            device: facts.dev(),
            inode: facts.ino(),
            changed_ns: ns(facts.ctime(), facts.ctime_nsec()),
        },
    }
}

/// Reads all records of one range.
pub(super) fn read<F: Input, R>(
    source: Source,
    mut own: impl FnMut(F::Record<'_>) -> R,
) -> Result<Vec<R>, Error> {
    let mut input = F::open(source)?;
    let mut records = Vec::new();
    while let Some(record) = input.next()? {
        records.push(own(record));
    }
    assert!(input.next()?.is_none(), "a reader returned a record after its end");
    Ok(records)
}

/// Reads all ranges between `cuts` (taken modulo the length) in order; they share their buffer.
pub(super) fn try_check<F: Input, R>(
    bytes: &[u8],
    cuts: &[u64],
    read_bytes: usize,
    mut own: impl FnMut(F::Record<'_>) -> R,
) -> Result<Vec<R>, Error> {
    let size = bytes.len() as u64;
    let mut bounds: Vec<u64> = cuts.iter().map(|cut| cut % (size + 1)).collect();
    bounds.extend([0, size]);
    bounds.sort_unstable();
    let options = Options { read_bytes, ..Options::default() };
    let mut records = Vec::new();
    for pair in bounds.windows(2) {
        let source = Source::of_bytes(bytes, pair[0]..pair[1], &options);
        records.extend(read::<F, _>(source, &mut own)?);
    }
    Ok(records)
}

/// As [`try_check`], for bytes that are known to be well formed.
pub(super) fn check<F: Input, R>(
    bytes: &[u8],
    cuts: &[u64],
    read_bytes: usize,
    own: impl FnMut(F::Record<'_>) -> R,
) -> Vec<R> {
    try_check::<F, R>(bytes, cuts, read_bytes, own).expect("well-formed input can be read")
}
