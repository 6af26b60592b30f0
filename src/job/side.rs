//! Side outputs: records written beside a job's result.

use std::any::Any;
use std::marker::PhantomData;

use super::part::{PartBuffer, Written};
use super::{Ended, Error, Fault, Result};
use crate::format::{Output, Writes};
use crate::storage::AttemptFolder;

/// A side output, identified by its name and format. Declare it as a constant and pass it to `side`.
///
/// Its name begins the names of its parts: in the example, map task 3 writes `rejected-m-00003.tsv`.
///
/// ```
/// use gristmill::prelude::*;
/// const REJECTED: Side<Tsv> = Side::new("rejected");
/// ```
#[derive(Debug)]
pub struct Side<O> {
    name: &'static str,
    format: PhantomData<fn() -> O>,
}

impl<O> Clone for Side<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Side<O> {}

impl<O: Output> Side<O> {
    /// Creates a side output with this name: 1 to 64 letters, digits and dashes, but not `part` or `part-…`. In a
    /// constant, the name is checked at compile time.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        let fits = !bytes.is_empty() && bytes.len() <= 64;
        assert!(fits, "a side output's name must have 1 to 64 bytes");
        let mut i = 0;
        while i < bytes.len() {
            let ok = bytes[i].is_ascii_alphanumeric() || bytes[i] == b'-';
            assert!(ok, "a side output's name must contain only letters, digits and dashes");
            i += 1;
        }
        assert!(
            !matches!(bytes, b"part" | [b'p', b'a', b'r', b't', b'-', ..]),
            "`part` and names that begin with `part-` are reserved for the job's own output"
        );
        Side { name, format: PhantomData }
    }

    /// Returns the name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Writes to a side output.
pub struct SideWriter<'w, O> {
    part: &'w mut PartBuffer<O>,
}

impl<O: Output> SideWriter<'_, O> {
    /// Writes a record.
    ///
    /// # Errors
    ///
    /// If the format cannot represent the record, or the disk is full.
    #[track_caller]
    pub fn write<T>(&mut self, record: T) -> Result
    where
        O: Writes<T>,
    {
        self.part.write(&record)
    }
}

/// The side outputs that one attempt has used, few enough for a linear search.
#[derive(Default)]
pub(super) struct Sides {
    /// The rest of a part's name after the side output's name: `m-00003`.
    suffix: String,
    open: Vec<(&'static str, Box<dyn AnyPart>)>,
    /// Whether bad records may be skipped. Then a part that a bad record opens must be able to roll back too.
    holds: bool,
    /// The same for keys of a reduce, if the format can roll back.
    holds_keys: bool,
    /// The first failure to create a part.
    fault: Fault<Error>,
    /// Whether everything stays in memory until it is taken.
    keeps: bool,
}

impl Sides {
    pub(super) fn new(suffix: String) -> Self {
        Sides { suffix, ..Sides::default() }
    }

    pub(super) fn writer<O: Output + Default + Send>(
        &mut self,
        side: Side<O>,
        folder: &AttemptFolder,
    ) -> Result<SideWriter<'_, O>> {
        let known = self.open.iter().position(|(name, _)| *name == side.name);
        let at = match known {
            Some(at) => at,
            None => {
                let name = format!("{}-{}.{}", side.name, self.suffix, O::EXTENSION);
                let part = PartBuffer::<O>::create(folder, &name);
                let mut part = part.map_err(|error| self.fail(Error::new(error)))?;
                if self.holds {
                    part.begin()?;
                }
                if self.holds_keys {
                    part.begin_key()?;
                }
                if self.keeps {
                    part.hold();
                }
                self.open.push((side.name, Box::new(part)));
                self.open.len() - 1
            }
        };
        let part = self.open[at].1.as_any().downcast_mut::<PartBuffer<O>>();
        part.map(|part| SideWriter { part })
            .ok_or_else(|| Error::new(TwoFormats { name: side.name }))
    }

    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        self.fault.keep(error);
        Error::new(Ended)
    }

    /// Returns the first failure to create or write a part, once.
    pub(super) fn fault(&mut self) -> Option<Error> {
        self.fault.take().or_else(|| self.open.iter_mut().find_map(|(_, part)| part.fault()))
    }

    /// Keeps everything that is written in memory until it is taken.
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }

    /// Returns the bytes written to each side output since the last call, each as a complete part. Only after `keep`.
    pub(super) fn take(&mut self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut taken = Vec::new();
        for (name, part) in &mut self.open {
            let (bytes, records) = part.take()?;
            if records > 0 {
                taken.push((*name, bytes));
            }
        }
        Ok(taken)
    }

    /// Whether everything since `begin_key` can be rolled back.
    pub(super) fn are_held(&self) -> bool {
        self.open.iter().all(|(_, part)| part.is_held())
    }

    /// Marks the start of a key as `begin` does for a record, but also accepts formats that can never roll records
    /// back.
    pub(super) fn begin_key(&mut self) -> Result {
        self.holds_keys = true;
        self.open.iter_mut().try_for_each(|(_, part)| part.begin_key())
    }

    pub(super) fn begin(&mut self) -> Result {
        self.holds = true;
        self.open.iter_mut().try_for_each(|(_, part)| part.begin())
    }

    pub(super) fn take_back(&mut self) {
        self.open.iter_mut().for_each(|(_, part)| part.take_back());
    }

    pub(super) fn seal(self) -> Result<Vec<Written>> {
        self.open.into_iter().map(|(_, part)| part.seal()).collect()
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the side output `{name}` is declared with two formats\nhint: rename one of the two side outputs"
)]
struct TwoFormats {
    name: &'static str,
}

/// A part of any format.
trait AnyPart: Send {
    fn as_any(&mut self) -> &mut dyn Any;
    fn begin(&mut self) -> Result;
    fn begin_key(&mut self) -> Result;
    fn is_held(&self) -> bool;
    fn take_back(&mut self);
    fn fault(&mut self) -> Option<Error>;
    fn take(&mut self) -> Result<(Vec<u8>, u64)>;
    fn seal(self: Box<Self>) -> Result<Written>;
}

impl<O: Output + Default + Send> AnyPart for PartBuffer<O> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) -> Result {
        PartBuffer::begin(self)
    }

    fn begin_key(&mut self) -> Result {
        PartBuffer::begin_key(self).map(drop)
    }

    fn is_held(&self) -> bool {
        PartBuffer::is_held(self)
    }

    fn take_back(&mut self) {
        PartBuffer::take_back(self);
    }

    fn fault(&mut self) -> Option<Error> {
        PartBuffer::fault(self)
    }

    fn take(&mut self) -> Result<(Vec<u8>, u64)> {
        PartBuffer::take(self)
    }

    fn seal(self: Box<Self>) -> Result<Written> {
        PartBuffer::seal(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Tsv;

    #[test]
    fn side_output_names_differ_from_the_jobs_own() {
        for (name, is_good) in [
            ("rejected", true),
            ("parts", true),
            ("part", false),
            ("part-00000", false),
            ("part-x", false),
            ("a/b", false),
            ("", false),
        ] {
            let made = std::panic::catch_unwind(|| Side::<Tsv>::new(name));
            assert_eq!(made.is_ok(), is_good, "{name:?}");
        }
    }
}
