//! Walks a sorted source group by group: all records with one key, or with one key prefix.

use super::{Cursor, Error};

/// The records of one group, lent one at a time to the reduce.
pub trait Group {
    /// Moves to the group's next record. Returns false at its end, and on every later call.
    ///
    /// # Errors
    ///
    /// When the source can't be read.
    fn advance(&mut self) -> Result<bool, Error>;

    /// The current record's value.
    fn value(&self) -> &[u8];

    /// The rest of the current record's key, after the bytes that the group shares.
    fn order(&self) -> &[u8];
}

/// Returns how many bytes of a key belong to its group.
pub type GroupLen = fn(&[u8]) -> usize;

/// A sorted source, group by group.
pub struct Groups<C> {
    source: C,
    group_len: GroupLen,
    /// The bytes of the current group.
    key: Vec<u8>,
    prefix: u64,
    whole: bool,
    state: State,
    records: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The source's current record has not been returned yet.
    Ahead,
    /// The source's current record is the group's current one.
    Given,
    /// The source's current record belongs to a later group.
    Over,
    /// The source has no more records.
    End,
}

impl<C: Cursor> Groups<C> {
    /// Groups a source by whole keys. The source must be before its first record.
    ///
    /// # Errors
    ///
    /// When the source can't be read.
    pub fn by_key(source: C) -> Result<Self, Error> {
        Self::new(source, <[u8]>::len, true)
    }

    /// Groups a source by prefixes of its keys.
    ///
    /// # Errors
    ///
    /// When the source can't be read.
    pub fn by_beginning(source: C, group_len: GroupLen) -> Result<Self, Error> {
        Self::new(source, group_len, false)
    }

    fn new(source: C, group_len: GroupLen, whole: bool) -> Result<Self, Error> {
        let state = State::Over;
        let mut groups =
            Groups { source, group_len, key: Vec::new(), prefix: 0, whole, state, records: 0 };
        groups.read_ahead()?;
        Ok(groups)
    }

    #[inline]
    fn read_ahead(&mut self) -> Result<(), Error> {
        self.state = if self.source.advance()? { State::Over } else { State::End };
        Ok(())
    }

    /// Moves to the next group, and skips the rest of the current one. Returns false after the last group.
    ///
    /// # Errors
    ///
    /// When the source can't be read.
    pub fn next_group(&mut self) -> Result<bool, Error> {
        self.skip_rest()?;
        if self.state == State::End {
            return Ok(false);
        }
        let key = self.source.key();
        self.key.clear();
        self.key.extend_from_slice(&key[..(self.group_len)(key).min(key.len())]);
        self.prefix = self.source.prefix();
        self.state = State::Ahead;
        Ok(true)
    }

    /// Skips the rest of the current group. Its key stays available.
    ///
    /// # Errors
    ///
    /// When the source can't be read.
    #[inline]
    pub fn skip_rest(&mut self) -> Result<(), Error> {
        while matches!(self.state, State::Ahead | State::Given) {
            self.advance()?;
        }
        Ok(())
    }

    /// The current group's bytes.
    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Number of records read so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The group's key, and the group for reading its records.
    #[inline]
    pub fn split(&mut self) -> (&[u8], InGroup<'_, C>) {
        let Groups { source, key, prefix, whole, state, records, .. } = self;
        let key: &[u8] = key;
        (key, InGroup { source, key, prefix: *prefix, whole: *whole, state, records })
    }

    fn advance(&mut self) -> Result<bool, Error> {
        self.split().1.advance()
    }
}

/// The current group of [`Groups`].
pub struct InGroup<'g, C> {
    source: &'g mut C,
    key: &'g [u8],
    prefix: u64,
    whole: bool,
    state: &'g mut State,
    records: &'g mut u64,
}

impl<C: Cursor> Group for InGroup<'_, C> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        match *self.state {
            State::Ahead => {
                *self.state = State::Given;
                *self.records += 1;
                return Ok(true);
            }
            State::Over | State::End => return Ok(false),
            State::Given => {}
        }
        if !self.source.advance()? {
            *self.state = State::End;
            return Ok(false);
        }
        let same = if self.whole {
            self.source.prefix() == self.prefix && self.source.key() == self.key
        } else {
            self.source.key().starts_with(self.key)
        };
        *self.state = if same { State::Given } else { State::Over };
        *self.records += u64::from(same);
        Ok(same)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.source.value()
    }

    #[inline]
    fn order(&self) -> &[u8] {
        &self.source.key()[self.key.len()..]
    }
}
