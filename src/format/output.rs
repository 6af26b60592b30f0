//! How records become the bytes of a part: the traits behind every output format.

use super::Error;

/// How the parts of an output are written. One value writes one part, from [`begin`](Self::begin) to
/// [`end`](Self::end), and may hold state in between.
///
/// Bytes are appended to a buffer that the caller empties into the file whenever it likes. Equal records give equal
/// bytes, on any machine.
pub trait Output: Default + 'static {
    /// What the names of parts end in, without the dot: `tsv`, `jsonl.gz`.
    const EXTENSION: &'static str;

    /// Appends what stands before the first record.
    fn begin(&mut self, _into: &mut Vec<u8>) {}

    /// Appends what is held back and what stands after the last record.
    ///
    /// # Errors
    /// If what is held back cannot be written.
    fn end(&mut self, _into: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
}

/// That an output format can write records of type `T`.
#[diagnostic::on_unimplemented(
    message = "the output format `{Self}` cannot write `{T}`",
    note = "Tsv writes fields and tuples of them, TextLines and Raw write bytes, Json and Seq write what implements \
            `serde::Serialize`"
)]
pub trait Writes<T: ?Sized>: Output {
    /// Appends one record, or holds it back for later.
    ///
    /// # Errors
    /// If the record has no form in this format; `into` is then as it was, and the next record may follow.
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error>;
}
