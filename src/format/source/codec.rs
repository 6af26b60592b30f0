//! Recognises compressed input by its first bytes, and decodes it as one stream.

use std::fmt;
use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;

use super::gzip::Members;
use super::stored::Stored;
use super::zstd::Frames;

/// Bytes of compressed data that are read at a time.
const COMPRESSED_READ_BYTES: usize = 128 << 10;

/// How an input file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// gzip (RFC 1952); all members are read, one after the other, and zeros behind the last are padding.
    Gzip,
    /// Zstandard (RFC 8878); all frames are read, checksums are verified, skippable frames are skipped.
    Zstd,
    /// bzip2; all streams are read.
    Bzip2,
}

impl Codec {
    /// What a file that begins with these bytes (16, or all if it has fewer) is compressed with, if it is.
    ///
    /// Names play no part: gzip in `a.txt` is decoded, text in `a.gz` is read as it is.
    pub fn detect(head: &[u8]) -> Option<Self> {
        const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
        // pzstd begins every file with a skippable frame of four bytes.
        const PZSTD: &[u8] = &[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0];
        let zstd_at = if head.starts_with(PZSTD) { 12 } else { 0 };
        if head.get(zstd_at..).is_some_and(|rest| rest.starts_with(ZSTD)) {
            return Some(Self::Zstd);
        }
        // The three upper flag bits are reserved as zero; to ask for it keeps binary data from being mistaken.
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
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// An input without its compression.
pub(super) enum Decoded {
    Plain(Stored),
    Gzip(Box<Members<BufReader<Stored>>>),
    Zstd(Box<Frames<BufReader<Stored>>>),
    Bzip2(Box<MultiBzDecoder<BufReader<Stored>>>),
}

impl Decoded {
    pub(super) fn new(stored: Stored, codec: Option<Codec>) -> Self {
        let buffered = |stored| BufReader::with_capacity(COMPRESSED_READ_BYTES, stored);
        match codec {
            None => Self::Plain(stored),
            Some(Codec::Gzip) => Self::Gzip(Box::new(Members::new(buffered(stored)))),
            Some(Codec::Zstd) => Self::Zstd(Box::new(Frames::new(buffered(stored)))),
            Some(Codec::Bzip2) => Self::Bzip2(Box::new(MultiBzDecoder::new(buffered(stored)))),
        }
    }

    /// The input itself, if it is not compressed.
    pub(super) fn plain(&mut self) -> Option<&mut Stored> {
        match self {
            Self::Plain(stored) => Some(stored),
            _ => None,
        }
    }

    /// How far decoding has come, in bytes of the file as it is stored.
    pub(super) fn reached(&self) -> u64 {
        match self {
            Self::Plain(stored) => stored.position(),
            Self::Gzip(decoder) => consumed(decoder.get_ref()),
            Self::Zstd(decoder) => consumed(decoder.get_ref()),
            Self::Bzip2(decoder) => consumed(decoder.get_ref()),
        }
    }

    /// The input as it is stored.
    pub(super) fn stored(&self) -> &Stored {
        match self {
            Self::Plain(stored) => stored,
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref().get_ref(),
        }
    }
}

impl Read for Decoded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stored) => stored.read(into),
            Self::Gzip(decoder) => decoder.read(into),
            Self::Zstd(decoder) => decoder.read(into),
            Self::Bzip2(decoder) => decoder.read(into),
        }
    }
}

fn consumed(reader: &BufReader<Stored>) -> u64 {
    reader.get_ref().position() - reader.buffer().len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_recognised_by_the_first_bytes() {
        let table: [(&[u8], Option<Codec>); 12] = [
            (b"", None),
            (b"plain text, and more", None),
            (b"\x1f\x8b\x08\x00\0\0\0\0", Some(Codec::Gzip)),
            (b"\x1f\x8b\x08", Some(Codec::Gzip)),
            (b"\x1f\x8b\x08\xe0\0\0\0\0", None),
            (b"\x1f\x8b\x07\x00\0\0\0\0", None),
            (b"\x28\xb5\x2f\xfd\x04", Some(Codec::Zstd)),
            (b"\x50\x2a\x4d\x18\x04\0\0\0\x01\x02\x03\x04\x28\xb5\x2f\xfd", Some(Codec::Zstd)),
            (b"\x50\x2a\x4d\x18\x04\0\0\0", None),
            (b"BZh91AY&SY\x01", Some(Codec::Bzip2)),
            (b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0", Some(Codec::Bzip2)),
            (b"BZh9 is how bzip2 begins", None),
        ];
        for (head, expected) in table {
            assert_eq!(Codec::detect(head), expected, "{head:?}");
        }
    }
}
