//! Decodes all frames of a Zstandard file, with a bound on memory.

use std::io::{self, BufRead, ErrorKind, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Maximum window size in bytes, which bounds the memory that a frame can require. It is the default limit of the
/// `zstd` command.
const WINDOW_BYTES_MAX: u64 = 128 << 20;

/// The frames of a file, decoded one after the other.
pub(super) struct Frames<R> {
    reader: R,
    decoder: FrameDecoder,
    within_frame: bool,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(reader: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        Self { reader, decoder, within_frame: false }
    }

    pub(super) fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Reads the next frame's header; false at the end of the file.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.reader.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.reader) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())? < length {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(FrameDecoderError::WindowSizeTooBig { requested, max }) => {
                    let what = format!(
                        "a frame's window of {requested} bytes exceeds the limit of {max} bytes"
                    );
                    return Err(io::Error::new(ErrorKind::InvalidData, what));
                }
                Err(FrameDecoderError::ReadFrameHeaderError(
                    ReadFrameHeaderError::BadMagicNumber(_),
                )) => {
                    let what = "expected a frame or the end of the file, got other data";
                    return Err(io::Error::new(ErrorKind::InvalidData, what));
                }
                Err(other) => return Err(invalid(other)),
            }
        }
    }

    fn check_sum(&self) -> io::Result<()> {
        let stored = self.decoder.get_checksum_from_data();
        if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the checksum of a frame is wrong"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.within_frame {
                self.within_frame = self.begin_frame()?;
                if !self.within_frame {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.reader, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(invalid)?;
            }
            let read = self.decoder.read(into)?;
            if read > 0 {
                return Ok(read);
            }
            self.check_sum()?;
            self.within_frame = false;
        }
    }
}

fn invalid(cause: FrameDecoderError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, cause)
}
