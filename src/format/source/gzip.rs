//! Decodes all members of a gzip file, and skips the zero padding that tapes and block devices append.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// First byte of every member.
const MAGIC_FIRST: u8 = 0x1f;

const ALWAYS: &str = "a gzip decoder is replaced as soon as it is taken";

/// The members of a file, decoded one after the other.
pub(super) struct Members<R> {
    /// The member that is being read; taken out only to pass its reader to the next one.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { member: Some(GzDecoder::new(reader)) }
    }

    pub(super) fn get_ref(&self) -> &R {
        self.member.as_ref().expect(ALWAYS).get_ref()
    }

    /// Moves to the next member; false at the end of the file, or if only zeros are left.
    ///
    /// GNU gzip skips such zeros too. If anything else follows a member, GNU gzip drops it with a warning. Here that is
    /// an error, since the data may be records.
    fn begin_member(&mut self) -> io::Result<bool> {
        let reader = self.member_mut().get_mut();
        let padded = pass_zeros(reader)?;
        match reader.fill_buf()?.first() {
            None => return Ok(false),
            Some(_) if padded => {
                return Err(invalid("data follows the zero padding after a member"));
            }
            Some(&MAGIC_FIRST) => {}
            Some(_) => {
                return Err(invalid(
                    "the data after a member is neither a member nor zero padding",
                ));
            }
        }
        let reader = self.member.take().map(GzDecoder::into_inner);
        self.member = reader.map(GzDecoder::new);
        Ok(true)
    }

    fn member_mut(&mut self) -> &mut GzDecoder<R> {
        self.member.as_mut().expect(ALWAYS)
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.member_mut().read(into)?;
            if read > 0 || into.is_empty() || !self.begin_member()? {
                return Ok(read);
            }
        }
    }
}

/// Consumes zeros, and returns whether there were any.
fn pass_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut any = false;
    loop {
        let bytes = reader.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let is_all = zeros == bytes.len();
        reader.consume(zeros);
        any |= zeros > 0;
        if zeros == 0 || !is_all {
            return Ok(any);
        }
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
