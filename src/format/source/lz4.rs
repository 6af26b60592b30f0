//! Decodes all frames of an LZ4 file.
//!
//! A crate decodes the blocks. We decode the frames ourselves, because the crate's frame decoder accepts a truncated
//! file as complete if it ends between two blocks.

use std::io::{self, BufRead, ErrorKind, Read};

use xxhash_rust::xxh32::{Xxh32, xxh32};

use super::codec::{LZ4_MAGIC, is_skippable};

/// How far back a block may refer to preceding blocks, in bytes.
const WINDOW_BYTES: usize = 64 << 10;

/// The frames of a file, decoded one after the other.
pub(super) struct Frames<R> {
    reader: R,
    frame: Option<Frame>,
    /// The current block as stored.
    stored: Vec<u8>,
    /// The current block, decoded, and how much of it has been read.
    block: Vec<u8>,
    read: usize,
    /// The last bytes of the preceding blocks, if blocks may refer to them.
    window: Vec<u8>,
}

/// Contents of a frame's header, and the state of decoding the frame.
struct Frame {
    block_bytes_max: usize,
    is_linked: bool,
    has_block_checksums: bool,
    has_checksum: bool,
    content_bytes: Option<u64>,
    decoded_bytes: u64,
    hash: Xxh32,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(reader: R) -> Self {
        let (stored, block, window) = (Vec::new(), Vec::new(), Vec::new());
        Self { reader, frame: None, stored, block, read: 0, window }
    }

    pub(super) fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Reads the next frame's header after any skippable frames; `None` at the end of the file.
    fn begin_frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if self.reader.fill_buf()?.is_empty() {
                return Ok(None);
            }
            let magic: [u8; 4] = self.bytes()?;
            if magic == LZ4_MAGIC {
                return self.header().map(Some);
            }
            if !is_skippable(magic) {
                return Err(invalid("expected a frame or the end of the file, got other data"));
            }
            let length = u64::from(self.number()?);
            if io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())? < length {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn header(&mut self) -> io::Result<Frame> {
        let mut header = self.bytes::<2>()?.to_vec();
        let [flags, sizes] = [header[0], header[1]];
        let has = |bit: u8| flags & (1 << bit) != 0;
        if flags >> 6 != 1 || has(1) || sizes & 0x8f != 0 || sizes >> 4 < 4 {
            return Err(invalid("a frame has a damaged header or an unsupported version"));
        }
        let mut content_bytes = None;
        if has(3) {
            let bytes: [u8; 8] = self.bytes()?;
            header.extend(bytes);
            content_bytes = Some(u64::from_le_bytes(bytes));
        }
        if has(0) {
            return Err(invalid("a frame needs a dictionary, which is not supported"));
        }
        let [check] = self.bytes()?;
        if check != xxh32(&header, 0).to_le_bytes()[1] {
            return Err(invalid("the checksum of a frame's header is wrong"));
        }
        self.window.clear();
        Ok(Frame {
            block_bytes_max: 256 << (2 * (sizes >> 4)),
            is_linked: !has(5),
            has_block_checksums: has(4),
            has_checksum: has(2),
            content_bytes,
            decoded_bytes: 0,
            hash: Xxh32::new(0),
        })
    }

    /// Decodes the next block of the frame; false at the frame's end.
    fn read_block(&mut self, frame: &mut Frame) -> io::Result<bool> {
        const STORED_AS_IT_IS: u32 = 1 << 31;
        let size = self.number()?;
        if size == 0 {
            self.check_end(frame)?;
            return Ok(false);
        }
        let bytes = (size & !STORED_AS_IT_IS) as usize;
        if bytes > frame.block_bytes_max {
            return Err(invalid("a block is longer than its frame allows"));
        }
        if frame.is_linked {
            self.keep_window();
        }
        self.stored.resize(bytes, 0);
        self.reader.read_exact(&mut self.stored)?;
        if frame.has_block_checksums && self.number()? != xxh32(&self.stored, 0) {
            return Err(invalid("the checksum of a block is wrong"));
        }
        self.read = 0;
        if size & STORED_AS_IT_IS != 0 {
            self.block.clone_from(&self.stored);
        } else {
            self.block.resize(frame.block_bytes_max, 0);
            let decoded = lz4_flex::block::decompress_into_with_dict(
                &self.stored,
                &mut self.block,
                &self.window,
            );
            let decoded = decoded.map_err(|error| invalid(format!("block: {error}")))?;
            self.block.truncate(decoded);
        }
        frame.decoded_bytes += self.block.len() as u64;
        if frame.has_checksum {
            frame.hash.update(&self.block);
        }
        Ok(true)
    }

    fn check_end(&mut self, frame: &Frame) -> io::Result<()> {
        if frame.has_checksum && self.number()? != frame.hash.digest() {
            return Err(invalid("the checksum of a frame is wrong"));
        }
        if frame.content_bytes.is_some_and(|bytes| bytes != frame.decoded_bytes) {
            return Err(invalid("a frame is not as long as its header says"));
        }
        Ok(())
    }

    /// Keeps the end of the decoded data, to which the next block may refer.
    fn keep_window(&mut self) {
        self.window.extend_from_slice(&self.block[self.block.len().saturating_sub(WINDOW_BYTES)..]);
        let surplus = self.window.len().saturating_sub(WINDOW_BYTES);
        self.window.drain(..surplus);
    }

    fn number(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.read == self.block.len() {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => {
                    self.block.clear();
                    self.read = 0;
                    let Some(frame) = self.begin_frame()? else { return Ok(0) };
                    frame
                }
            };
            if self.read_block(&mut frame)? {
                self.frame = Some(frame);
            }
        }
        let rest = &self.block[self.read..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}
