//! Locations of files, ranges of files, and splits, which are lists of such ranges.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::escape::{TEXT_CHARS_MAX, escape};

/// A place that input is read from or output is written to; `-` is a standard stream.
///
/// Holds the path's bytes as the operating system uses them, so a path that is not UTF-8 survives serialization.
/// Locations are ordered by these bytes. `Display` escapes them, and cuts the text at 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Location(Vec<u8>);

impl Location {
    /// Standard input, or standard output.
    pub fn standard_stream() -> Self {
        Self(b"-".to_vec())
    }

    /// Whether this is `-`.
    pub fn is_standard_stream(&self) -> bool {
        self.0 == b"-"
    }

    /// The path in the file system; meaningless for a standard stream.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The path's bytes as the operating system uses them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Location {
    fn from(path: &P) -> Self {
        Self(path.as_ref().as_os_str().as_bytes().to_vec())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0, TEXT_CHARS_MAX))
    }
}

/// Tells a file apart from any other file that takes its place at the same path.
///
/// All zeros for a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileIdentity {
    /// The device that holds the file.
    pub device: u64,
    /// The inode's number on that device.
    pub inode: u64,
    /// When the inode last changed (its content, owner, mode or links), in nanoseconds since 1970.
    pub changed_ns: u64,
}

/// The bytes `start..end` of one input file, with the metadata that identifies the file's content.
///
/// `size`, `modified_ns` and `identity` are the values at the time when the input was listed. An attempt that finds
/// different values must fail rather than read a file that has changed during the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRange {
    /// The file.
    pub location: Location,
    /// Which of the job's kinds of input it was listed for, from 0.
    pub source: u32,
    /// First byte.
    pub start: u64,
    /// One past the last byte; `u64::MAX` for a stream whose length is not known.
    pub end: u64,
    /// Length of the whole file in bytes when it was listed.
    pub size: u64,
    /// Time of the last modification when it was listed, in nanoseconds since 1970.
    pub modified_ns: u64,
    /// Identity of the file when it was listed.
    pub identity: FileIdentity,
}

impl FileRange {
    /// Length in bytes; 0 when the length is not known.
    pub fn bytes(&self) -> u64 {
        if self.end == u64::MAX { 0 } else { self.end.saturating_sub(self.start) }
    }
}

/// The input of one map task: ranges in the order in which they are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The ranges, in reading order.
    pub ranges: Vec<FileRange>,
}

impl Split {
    /// Total length of all ranges in bytes.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().fold(0, |sum, range| sum.saturating_add(range.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_utf8_survives() {
        let location = Location::from(OsStr::from_bytes(b"/in/\xff\n.txt"));
        let bytes = bincode::serialize(&location).unwrap();
        assert_eq!(bincode::deserialize::<Location>(&bytes).unwrap(), location);
        assert_eq!(location.path().as_os_str().as_bytes(), b"/in/\xff\n.txt");
        assert_eq!(location.to_string(), r"/in/\xff\n.txt");
    }

    #[test]
    fn a_split_is_as_long_as_its_ranges() {
        let range = |start, end| FileRange {
            location: Location::from("a"),
            source: 0,
            start,
            end,
            size: 100,
            modified_ns: 0,
            identity: FileIdentity::default(),
        };
        let split = Split { ranges: vec![range(0, 10), range(90, 100), range(0, u64::MAX)] };
        assert_eq!(split.bytes(), 20);
    }
}
