//! Decodes compressed input as one stream.

use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;

use super::codec::Codec;
use super::stored::Stored;
use super::{gzip, lz4, xz, zstd};

/// Bytes of compressed data per read.
const COMPRESSED_READ_BYTES: usize = 128 << 10;

/// An input, with the decoder for its compression.
pub(super) enum Decoded {
    Plain(Stored),
    Gzip(Box<gzip::Members<BufReader<Stored>>>),
    Zstd(Box<zstd::Frames<BufReader<Stored>>>),
    Bzip2(Box<MultiBzDecoder<BufReader<Stored>>>),
    Xz(Box<xz::Streams<BufReader<Stored>>>),
    Lz4(Box<lz4::Frames<BufReader<Stored>>>),
}

impl Decoded {
    pub(super) fn new(stored: Stored, codec: Option<Codec>) -> Self {
        let buffered = |stored| BufReader::with_capacity(COMPRESSED_READ_BYTES, stored);
        match codec {
            None => Self::Plain(stored),
            Some(Codec::Gzip) => Self::Gzip(Box::new(gzip::Members::new(buffered(stored)))),
            Some(Codec::Zstd) => Self::Zstd(Box::new(zstd::Frames::new(buffered(stored)))),
            Some(Codec::Bzip2) => Self::Bzip2(Box::new(MultiBzDecoder::new(buffered(stored)))),
            Some(Codec::Xz) => Self::Xz(Box::new(xz::Streams::new(buffered(stored)))),
            Some(Codec::Lz4) => Self::Lz4(Box::new(lz4::Frames::new(buffered(stored)))),
        }
    }

    /// Returns the input itself, if it is not compressed.
    pub(super) fn plain(&mut self) -> Option<&mut Stored> {
        match self {
            Self::Plain(stored) => Some(stored),
            _ => None,
        }
    }

    /// Returns how far decoding has come, in bytes of the file as stored.
    pub(super) fn reached(&self) -> u64 {
        match self {
            Self::Plain(stored) => stored.position(),
            Self::Gzip(decoder) => consumed(decoder.get_ref()),
            Self::Zstd(decoder) => consumed(decoder.get_ref()),
            Self::Bzip2(decoder) => consumed(decoder.get_ref()),
            Self::Xz(decoder) => consumed(decoder.get_ref()),
            Self::Lz4(decoder) => consumed(decoder.get_ref()),
        }
    }

    /// Returns the input as stored.
    pub(super) fn stored(&self) -> &Stored {
        match self {
            Self::Plain(stored) => stored,
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref().get_ref(),
            Self::Xz(decoder) => decoder.get_ref().get_ref(),
            Self::Lz4(decoder) => decoder.get_ref().get_ref(),
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
            Self::Xz(decoder) => decoder.read(into),
            Self::Lz4(decoder) => decoder.read(into),
        }
    }
}

fn consumed(reader: &BufReader<Stored>) -> u64 {
    reader.get_ref().position() - reader.buffer().len() as u64
}
