//! How files become records: the trait behind every input format.

use super::{Error, Source};

/// How files become records. The format *is* the reader of one range of one file.
///
/// **The law:** a record belongs to the range in which its first byte lies. So whatever the cuts, the records of all
/// ranges of a file, in order, are the records of the whole file. A format that cannot find the first record behind any
/// byte says `SPLITTABLE = false` and gets whole files.
///
/// A format of one's own, paragraphs separated by blank lines:
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
///             // What stands before the first blank line belongs to the range before; that line may end just here.
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
            and what implements `gristmill::format::Input`"
)]
pub trait Input: Sized + 'static {
    /// What the map function gets; it may borrow from the reader until the next record is asked for.
    type Record<'a>;

    /// How many named inputs it reads; [`Either`](super::Either) adds them up.
    const SOURCES: usize = 1;

    /// Whether a file may be cut at any byte, since the borders are repaired.
    const SPLITTABLE: bool = true;

    /// [`Self::SPLITTABLE`] for the files of one named input, numbered from 0.
    fn is_splittable(_index: usize) -> bool {
        Self::SPLITTABLE
    }

    /// Starts reading the range that `source` stands at; it need not read anything yet.
    ///
    /// # Errors
    /// If the range cannot be read, or its file is seen not to be of this format.
    fn open(source: Source) -> Result<Self, Error>;

    /// The next record whose first byte lies in the range; `None` when there is none, however often it is asked.
    ///
    /// # Errors
    /// If the file cannot be read or is not of this format. Where [`Error::spoils_one_record`] says so, the next call
    /// goes on behind the bad record.
    fn next(&mut self) -> Result<Option<Self::Record<'_>>, Error>;

    /// The record that [`next`](Self::next) lent last or failed on, for error reports; usually [`Source::last`].
    fn last(&self) -> Last<'_>;
}

/// A record's place and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last<'a> {
    /// Where it begins, in bytes of the decoded file.
    pub offset: u64,
    /// Its bytes as they are in the file, as far as they are still at hand.
    pub bytes: &'a [u8],
}
