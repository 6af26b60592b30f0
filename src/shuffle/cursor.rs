//! The interface of every sorted source of records: a run in memory, a segment of a file, or a
//! merge of others.

use super::Error;

/// A sorted source of records, lent one at a time.
///
/// A cursor starts before its first record. The key and the value are available only after [`Cursor::advance`] has
/// returned true, and are valid until it is called again.
pub trait Cursor {
    /// Moves to the next record. Returns false at the end, and on every later call.
    ///
    /// # Errors
    ///
    /// If the source cannot be read or folded. The cursor must not be used afterwards.
    fn advance(&mut self) -> Result<bool, Error>;

    /// [`crate::record::key::prefix`] of the current key.
    fn prefix(&self) -> u64;

    /// The current record's key.
    fn key(&self) -> &[u8];

    /// The current record's value.
    fn value(&self) -> &[u8];
}
