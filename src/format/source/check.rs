//! Refuses files whose bytes do not match their format or their name.

use super::foreign::{self, Foreign, HEAD_BYTES};
use super::stored::head_of_standard_input;
use super::{Codec, Options, Source};
use crate::format::Error;
use crate::model::{FileRange, Location};

/// Refuses a file that is not compressed as its name implies, or that must be text and is not. Called before the job
/// starts. The content of a compressed file is checked only if `decodes` is true, because a block must be decoded for
/// that. Returns the file's compression.
///
/// # Errors
/// As [`Source::open`] and [`Source::check_text`].
pub(crate) fn check(
    range: &FileRange,
    is_text: bool,
    decodes: bool,
) -> Result<Option<Codec>, Error> {
    if range.location.is_standard_stream() {
        let location = range.location.clone();
        let head = head_of_standard_input();
        let (head, tells) =
            head.map_err(|cause| Error::Read { location: location.clone(), offset: 0, cause })?;
        let codec = Codec::detect(&head);
        if is_text && tells && codec.is_none() {
            text(&head, b"", &location)?;
        }
        return Ok(codec);
    }
    // The buffer need not hold more than is checked.
    let options = Options { read_bytes: HEAD_BYTES, ..Options::default() };
    let mut source = Source::open(range, &options)?;
    let codec = source.codec;
    if is_text && (decodes || codec.is_none()) {
        match source.check_text() {
            // Damage anywhere in the file is found when it is read.
            Err(Error::Compressed { .. }) => {}
            checked => checked?,
        }
    }
    Ok(codec)
}

/// Refuses a file whose name implies a compression that its bytes do not have.
pub(super) fn name(head: &[u8], codec: Option<Codec>, location: &Location) -> Result<(), Error> {
    match foreign::misnamed(head, codec, location.as_bytes()) {
        None => Ok(()),
        Some(named) => Err(Error::Misnamed { location: location.clone(), named, codec }),
    }
}

/// Refuses first bytes that a file of text cannot have.
fn text(head: &[u8], name: &[u8], location: &Location) -> Result<(), Error> {
    match foreign::recognise(head, name) {
        None => Ok(()),
        Some(Foreign { what, hint }) => {
            Err(Error::NotText { location: location.clone(), what, hint })
        }
    }
}

impl Source {
    /// Refuses a file whose first decoded bytes show that it is not text. Must be called before anything is consumed.
    ///
    /// # Errors
    /// [`Error::NotText`], or if the file cannot be read or decoded.
    pub fn check_text(&mut self) -> Result<(), Error> {
        if self.range.start != 0 || self.range.is_empty() {
            // Only the range at the start of the file is checked.
            return Ok(());
        }
        let Some(codec) = self.codec else {
            return text(&self.head, self.location.as_bytes(), &self.location);
        };
        while self.window().len() < HEAD_BYTES && self.fill()? {}
        let window = self.window();
        let head = &window[..window.len().min(HEAD_BYTES)];
        if Codec::detect(head).is_some() {
            let location = self.location.clone();
            return Err(Error::CompressedTwice { location, codec });
        }
        // The name belongs to the compressed file.
        text(head, b"", &self.location)
    }
}
