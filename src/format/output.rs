//! The traits that every output format implements: they turn records into the bytes of a part.

use super::Error;

/// Writes the parts of an output. One value writes one part, from [`begin`](Self::begin) to
/// [`end`](Self::end), and may hold state in between.
///
/// It appends bytes to a buffer, which the caller writes to the file from time to time. Equal records give equal bytes,
/// on any machine.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an output format",
    label = "write `Tsv`, `Json`, `TextLines`, `Raw`, `Seq`, or `Gzip` around one of them",
    note = "a format of your own implements `gristmill::format::Output` and `gristmill::format::Writes`"
)]
pub trait Output: Default + 'static {
    /// The extension of the parts' names, without the dot: `tsv`, `jsonl.gz`.
    const EXTENSION: &'static str;

    /// Whether each record is appended at once, so that a bad one can be removed by truncating the buffer. If false, a
    /// map that may skip bad records cannot write this output.
    const TAKES_BACK: bool = true;

    /// Appends the bytes that precede the first record.
    fn begin(&mut self, _into: &mut Vec<u8>) {}

    /// Appends the records that were held back, and the bytes that follow the last record.
    ///
    /// # Errors
    /// If the records that were held back cannot be written.
    fn end(&mut self, _into: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
}

/// Implemented by output formats that can write records of type `T`.
#[diagnostic::on_unimplemented(
    message = "the output format `{Self}` cannot write `{T}`",
    note = "Tsv writes fields and tuples of them, TextLines and Raw write bytes, Json and Seq write any type that \
            implements `serde::Serialize`"
)]
pub trait Writes<T: ?Sized>: Output {
    /// Appends one record, or holds it back for later.
    ///
    /// # Errors
    /// If this format cannot represent the record. `into` is then unchanged, and the next record may follow.
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Gzip, Json, Raw, Seq, TextLines, Tsv};
    use crate::record::{Text, TextBuf};

    fn writes_lent_pairs<O: for<'a> Writes<(&'a Text, u64)>>() -> &'static str {
        O::EXTENSION
    }

    fn writes_lent_text<O: for<'a> Writes<(&'a Text, &'a [u8])>>() -> &'static str {
        O::EXTENSION
    }

    #[test]
    fn borrowed_records_are_written_and_parts_have_the_extension() {
        let extensions =
            [writes_lent_pairs::<Tsv>(), writes_lent_pairs::<Json>(), writes_lent_pairs::<Seq>()];
        assert_eq!(extensions, ["tsv", "jsonl", "seq"]);
        let extensions = [
            writes_lent_text::<TextLines>(),
            writes_lent_text::<Raw>(),
            writes_lent_text::<Gzip<Seq>>(),
        ];
        assert_eq!(extensions, ["txt", "bin", "seq.gz"]);
    }

    #[test]
    fn a_compressed_sequence_file_is_whole() {
        use crate::format::Sequence;
        use crate::format::split_law::check;
        let (mut output, mut bytes) = (Gzip::<Seq>::default(), Vec::new());
        output.begin(&mut bytes);
        output.append(&(Text::new(b"a"), 1_u64), &mut bytes).unwrap();
        output.end(&mut bytes).unwrap();
        let found = check::<Sequence<TextBuf, u64>, _>(&bytes, &[30], 7, |pair| pair);
        assert_eq!(found, [(TextBuf::from("a"), 1)]);
    }
}
