//! One sorted source of a reduce: a segment of a spill file, or a run in memory.

use super::run::RunCursor;
use super::sorted::SortedCursor;
use super::table::Table;
use super::{Cursor, Error, Fold, Segment};

/// A sorted source of any kind, selected by a branch rather than by a call through a pointer.
pub enum Source<'r, F: Fold> {
    /// From a spill file.
    Segment(Box<Segment>),
    /// From a sort buffer.
    Sorted(SortedCursor),
    /// From a combining table.
    Table(RunCursor<'r, Table<F::Acc>, F>),
}

impl<F: Fold> Cursor for Source<'_, F> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        match self {
            Source::Segment(cursor) => cursor.advance(),
            Source::Sorted(cursor) => cursor.advance(),
            Source::Table(cursor) => cursor.advance(),
        }
    }

    #[inline]
    fn prefix(&self) -> u64 {
        match self {
            Source::Segment(cursor) => cursor.prefix(),
            Source::Sorted(cursor) => cursor.prefix(),
            Source::Table(cursor) => cursor.prefix(),
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match self {
            Source::Segment(cursor) => cursor.key(),
            Source::Sorted(cursor) => cursor.key(),
            Source::Table(cursor) => cursor.key(),
        }
    }

    #[inline]
    fn value(&self) -> &[u8] {
        match self {
            Source::Segment(cursor) => cursor.value(),
            Source::Sorted(cursor) => cursor.value(),
            Source::Table(cursor) => cursor.value(),
        }
    }
}
