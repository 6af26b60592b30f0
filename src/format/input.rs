//! The trait that every input format implements: it turns files into records.

use super::{Error, Source};

/// Turns files into records. A value of the format reads one range of one file.
///
/// **The law:** a record belongs to the range that holds its first byte. So wherever a file is cut, the records of all
/// its ranges, in order, are the records of the whole file. A format that cannot find the first record after an
/// arbitrary byte sets `SPLITTABLE = false` and gets whole files.
///
/// This example reads paragraphs that are separated by blank lines:
///
/// ```
/// use gristmill::format::{Error, Input, Last, Source};
/// use gristmill::record::Text;
///
/// struct Paragraphs {
///     source: Source,
/// }
///
/// impl Input for Paragraphs {
///     type Record<'a> = &'a Text;
///
///     fn open(mut source: Source) -> Result<Self, Error> {
///         if source.range().start != 0 {
///             // The text before the first blank line belongs to the previous range. That line may end just here.
///             source.rewind(2);
///             source.skip_past(b"\n\n")?;
///         }
///         Ok(Self { source })
///     }
///
///     fn next(&mut self) -> Result<Option<&Text>, Error> {
///         // Further blank lines belong to no paragraph.
///         while self.source.window().first() == Some(&b'\n') || self.source.window().is_empty() {
///             if self.source.window().is_empty() {
///                 if !self.source.fill()? {
///                     return Ok(None);
///                 }
///             } else {
///                 self.source.consume(1);
///             }
///         }
///         if self.source.offset() >= self.source.range().end {
///             return Ok(None);
///         }
///         Ok(Some(match self.source.find(b"\n\n")? {
///             Some(end) => Text::new(self.source.lend(0..end, end + 2)),
///             None => {
///                 let rest = self.source.window().len();
///                 Text::new(self.source.lend(0..rest, rest).trim_ascii_end())
///             }
///         }))
///     }
///
///     fn last(&self) -> Last<'_> {
///         self.source.last()
///     }
/// }
///
/// let text = b"one\ntwo\n\n\nthree\n";
/// for cut in 0..=text.len() as u64 {
///     let mut found = Vec::new();
///     for range in [0..cut, cut..text.len() as u64] {
///         let mut input = Paragraphs::open(Source::of_bytes(*text, range, &Default::default()))?;
///         while let Some(paragraph) = input.next()? {
///             found.push(paragraph.to_string());
///         }
///     }
///     assert_eq!(found, ["one\ntwo", "three"]);
/// }
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an input format",
    label = "write `type Input = Lines`, or another format",
    note = "the formats are Lines, Utf8Lines, JsonLines<T>, Fixed<N>, Sequence<K, V>, Whole<F>, Either<A, B>, \
            and any type that implements `gristmill::format::Input`"
)]
pub trait Input: Sized + 'static {
    /// The record that the map function gets. It may borrow from the reader until the next call of
    /// [`next`](Self::next).
    type Record<'a>;

    /// The number of named inputs that the format reads. [`Either`](super::Either) adds up those of its two formats.
    const SOURCES: usize = 1;

    /// Whether a file may be cut at any byte: the format finds the first record of each range.
    const SPLITTABLE: bool = true;

    /// [`Self::SPLITTABLE`] for the files of one named input, numbered from 0.
    fn is_splittable(_index: usize) -> bool {
        Self::SPLITTABLE
    }

    /// Whether the files are text. If so, a file whose first bytes show that it is something else, such as a zip
    /// archive or UTF-16, is refused. A format of binary records sets `TEXT = false` and reads such files unchanged.
    const TEXT: bool = true;

    /// [`Self::TEXT`] for the files of one named input, numbered from 0.
    fn is_text(_index: usize) -> bool {
        Self::TEXT
    }

    /// Prepares to read the range of `source`. An implementation need not read anything yet.
    ///
    /// # Errors
    /// If the range cannot be read, or its file is clearly not of this format.
    fn open(source: Source) -> Result<Self, Error>;

    /// Returns the next record whose first byte lies in the range. After the last one it returns `None`, each time it
    /// is called.
    ///
    /// # Errors
    /// If the file cannot be read or is not of this format. If [`Error::spoils_one_record`] is true for the
    /// error, the next call continues after the bad record.
    fn next(&mut self) -> Result<Option<Self::Record<'_>>, Error>;

    /// Returns the last record that [`next`](Self::next) returned or failed on, for error reports. Usually
    /// [`Source::last`].
    fn last(&self) -> Last<'_>;
}

/// A record's place and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last<'a> {
    /// Where it begins, in bytes of the decoded file.
    pub offset: u64,
    /// Its bytes as in the file, or those that are still in memory.
    pub bytes: &'a [u8],
}
