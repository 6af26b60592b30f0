//! Recognises compressed input by its first bytes or its name.

use std::fmt;

/// First bytes of every LZ4 frame.
pub(super) const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Returns whether this is the magic number of a skippable frame. Zstandard and LZ4 share sixteen of them.
pub(super) fn is_skippable(magic: [u8; 4]) -> bool {
    matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// Returns whether a file's name has this ending, in upper or lower case.
pub(super) fn has_ending(name: &[u8], ending: &str) -> bool {
    let tail = name.len().checked_sub(ending.len()).map(|at| &name[at..]);
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(ending.as_bytes()))
}

/// Compression of an input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// gzip (RFC 1952); all members are read, one after another, and zeros after the last one are skipped.
    Gzip,
    /// Zstandard (RFC 8878); all frames are read, checksums are verified, skippable frames are skipped.
    Zstd,
    /// bzip2; all streams are read.
    Bzip2,
    /// xz; all streams are read, checksums other than SHA-256 are verified, padding is skipped.
    Xz,
    /// LZ4 frames; all are read, checksums are verified, skippable frames are skipped.
    Lz4,
}

impl Codec {
    /// Detects the compression of a file from its first 16 bytes, or from all of them if there are fewer.
    ///
    /// A file that begins with a skippable frame is Zstandard or LZ4. Only the bytes after such frames show which one
    /// it is, so call this function with those.
    pub fn detect(head: &[u8]) -> Option<Self> {
        if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Some(Self::Zstd);
        }
        // The upper bits are the version. Checking them keeps binary data from being mistaken for LZ4.
        if head.starts_with(&LZ4_MAGIC) && head.get(4).is_none_or(|flags| flags >> 6 == 1) {
            return Some(Self::Lz4);
        }
        if head.starts_with(b"\xfd7zXZ\0") {
            return Some(Self::Xz);
        }
        // The three upper flag bits are reserved and must be zero. Checking them keeps binary data from being mistaken
        // for gzip.
        let flags_fit = head.get(3).is_none_or(|flags| flags & 0xe0 == 0);
        if head.starts_with(&[0x1f, 0x8b, 0x08]) && flags_fit {
            return Some(Self::Gzip);
        }
        let block = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
        let end_of_stream = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
        match head {
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if rest.starts_with(&block) || rest.starts_with(&end_of_stream) =>
            {
                Some(Self::Bzip2)
            }
            _ => None,
        }
    }

    /// Returns the compression that the ending of a file's name implies.
    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
        const ENDINGS: [(&str, Codec); 14] = [
            (".gz", Codec::Gzip),
            (".gzip", Codec::Gzip),
            (".tgz", Codec::Gzip),
            (".bz2", Codec::Bzip2),
            (".bzip2", Codec::Bzip2),
            (".tbz", Codec::Bzip2),
            (".tbz2", Codec::Bzip2),
            (".zst", Codec::Zstd),
            (".zstd", Codec::Zstd),
            (".tzst", Codec::Zstd),
            (".xz", Codec::Xz),
            (".txz", Codec::Xz),
            (".lz4", Codec::Lz4),
            (".tlz4", Codec::Lz4),
        ];
        ENDINGS.iter().find(|(ending, _)| has_ending(name, ending)).map(|(_, codec)| *codec)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_recognised_by_the_first_bytes() {
        let table: [(&[u8], Option<Codec>); 15] = [
            (b"", None),
            (b"plain text, and more", None),
            (b"\x1f\x8b\x08\x00\0\0\0\0", Some(Codec::Gzip)),
            (b"\x1f\x8b\x08", Some(Codec::Gzip)),
            (b"\x1f\x8b\x08\xe0\0\0\0\0", None),
            (b"\x1f\x8b\x07\x00\0\0\0\0", None),
            (b"\x28\xb5\x2f\xfd\x04", Some(Codec::Zstd)),
            (b"\xfd7zXZ\0\0\x04", Some(Codec::Xz)),
            (b"\xfd7zXY\0\0\x04", None),
            (b"\x04\x22\x4d\x18\x64\x40", Some(Codec::Lz4)),
            (b"\x04\x22\x4d\x18", Some(Codec::Lz4)),
            (b"\x04\x22\x4d\x18\x24\x40", None),
            (b"BZh91AY&SY\x01", Some(Codec::Bzip2)),
            (b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0", Some(Codec::Bzip2)),
            (b"BZh9 is how bzip2 begins", None),
        ];
        for (head, expected) in table {
            assert_eq!(Codec::detect(head), expected, "{head:?}");
        }
    }

    #[test]
    fn names_say_how_a_file_is_compressed() {
        for (name, expected) in [
            ("/logs/a.log.gz", Some(Codec::Gzip)),
            ("A.GZ", Some(Codec::Gzip)),
            ("a.tgz", Some(Codec::Gzip)),
            ("a.tar.bz2", Some(Codec::Bzip2)),
            ("a.zst", Some(Codec::Zstd)),
            ("a.xz", Some(Codec::Xz)),
            ("a.lz4", Some(Codec::Lz4)),
            ("a.gz.txt", None),
            ("gz", None),
            ("", None),
        ] {
            assert_eq!(Codec::of_name(name.as_bytes()), expected, "{name}");
        }
    }
}
