//! Decodes all streams of an xz file, with a bound on memory.

use std::io::{self, BufRead, ErrorKind, Read};

use xz4rust::{XzDecoder, XzError, XzNextBlockResult};

/// Maximum dictionary size in bytes, which bounds the memory that a file can require. `xz -9` uses half of it.
const DICTIONARY_BYTES_MAX: usize = 128 << 20;

/// Padding between streams, and after the last one, is a multiple of this many zeros.
const PADDING_BYTES: u64 = 4;

/// The streams of a file, decoded one after the other.
pub(super) struct Streams<R> {
    reader: R,
    decoder: Box<XzDecoder<'static>>,
    within_stream: bool,
}

impl<R: BufRead> Streams<R> {
    pub(super) fn new(reader: R) -> Self {
        let decoder = XzDecoder::in_heap_with_alloc_dict_size(0, DICTIONARY_BYTES_MAX);
        Self { reader, decoder, within_stream: true }
    }

    pub(super) fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Moves to the next stream; false at the end of the file, or if only padding is left.
    fn begin_stream(&mut self) -> io::Result<bool> {
        let mut zeros = 0;
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let here = bytes.iter().take_while(|byte| **byte == 0).count();
            let is_all = here == bytes.len();
            self.reader.consume(here);
            zeros += here as u64;
            if !is_all {
                break;
            }
        }
        if !zeros.is_multiple_of(PADDING_BYTES) {
            return Err(invalid("the padding after a stream is not a multiple of four bytes"));
        }
        if self.reader.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.decoder.reset();
        Ok(true)
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.within_stream {
                self.within_stream = self.begin_stream()?;
                if !self.within_stream {
                    return Ok(0);
                }
            }
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let decoded = self.decoder.decode(bytes, into).map_err(|error| said(&error))?;
            self.reader.consume(decoded.input_consumed());
            self.within_stream = !matches!(decoded, XzNextBlockResult::EndOfStream(..));
            if decoded.output_produced() > 0 {
                return Ok(decoded.output_produced());
            }
        }
    }
}

fn said(error: &XzError) -> io::Error {
    match error {
        XzError::DictionaryTooLarge(bytes) => invalid(format!(
            "the dictionary of {bytes} bytes exceeds the limit of {DICTIONARY_BYTES_MAX} bytes"
        )),
        XzError::Sha256NotSupported => invalid(
            "SHA-256 checksums are not supported\nhint: compress the file without --check=sha256",
        ),
        XzError::StreamHeaderMagicNumberMismatch => {
            invalid("the data after a stream is neither a stream nor zero padding")
        }
        XzError::ContentCrc32Mismatch(..) | XzError::ContentCrc64Mismatch(..) => {
            invalid("the checksum of a block is wrong")
        }
        other => invalid(format!("the xz decoder reports {other}")),
    }
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}
