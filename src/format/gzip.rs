//! Compresses, with gzip, the parts that another output format writes.

use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::{Error, Output, Writes};

/// Bytes collected before they are compressed.
const GATHERED_BYTES: usize = 64 << 10;

/// The default of `gzip`. Faster levels make larger files; slower levels save little more.
const LEVEL: u32 = 6;

/// Writes the parts of `O` as one gzip member each. Equal records give equal bytes: the header holds neither a name
/// nor a time.
pub struct Gzip<O> {
    output: O,
    gathered: Vec<u8>,
    encoder: GzEncoder<Vec<u8>>,
}

impl<O: Default> Default for Gzip<O> {
    fn default() -> Self {
        let encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(LEVEL));
        Self { output: O::default(), gathered: Vec::new(), encoder }
    }
}

impl<O: Output> Gzip<O> {
    const NAME: Name = Name::joined(O::EXTENSION, ".gz");

    fn compress(&mut self, into: &mut Vec<u8>) -> Result<(), Error> {
        self.encoder.write_all(&self.gathered).map_err(refuse)?;
        self.gathered.clear();
        into.append(self.encoder.get_mut());
        Ok(())
    }
}

impl<O: Output> Output for Gzip<O> {
    const EXTENSION: &'static str = Self::NAME.as_str();
    const TAKES_BACK: bool = false;

    fn begin(&mut self, _into: &mut Vec<u8>) {
        self.output.begin(&mut self.gathered);
    }

    fn end(&mut self, into: &mut Vec<u8>) -> Result<(), Error> {
        self.output.end(&mut self.gathered)?;
        self.compress(into)?;
        self.encoder.try_finish().map_err(refuse)?;
        into.append(self.encoder.get_mut());
        Ok(())
    }
}

impl<T: ?Sized, O: Writes<T>> Writes<T> for Gzip<O> {
    #[inline]
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error> {
        self.output.append(record, &mut self.gathered)?;
        if self.gathered.len() >= GATHERED_BYTES { self.compress(into) } else { Ok(()) }
    }
}

fn refuse(error: std::io::Error) -> Error {
    Error::Encode { format: "gzip", problem: error.to_string() }
}

/// A file name extension built at compile time: generic strings cannot be joined in another way.
struct Name {
    bytes: [u8; 32],
    length: usize,
}

impl Name {
    const fn joined(first: &str, second: &str) -> Self {
        let mut name = Self { bytes: [0; 32], length: first.len() + second.len() };
        let (head, tail) = name.bytes.split_at_mut(first.len());
        head.copy_from_slice(first.as_bytes());
        tail.split_at_mut(second.len()).0.copy_from_slice(second.as_bytes());
        name
    }

    const fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(name) => name,
            Err(_) => "gz",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::source::Options;
    use crate::format::split_law::read;
    use crate::format::{Lines, Source, TextLines, Tsv};

    fn zipped(records: impl Iterator<Item = u32>) -> Vec<u8> {
        let (mut output, mut bytes) = (Gzip::<Tsv>::default(), Vec::new());
        output.begin(&mut bytes);
        records.for_each(|record| output.append(&record, &mut bytes).unwrap());
        output.end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_extension_is_added() {
        assert_eq!(<Gzip<Tsv> as Output>::EXTENSION, "tsv.gz");
        assert_eq!(<Gzip<Gzip<TextLines>> as Output>::EXTENSION, "txt.gz.gz");
    }

    #[test]
    fn compressed_records_read_back_and_have_the_same_bytes_each_time() {
        for count in [0, 1, 100_000] {
            let bytes = zipped(0..count);
            assert_eq!(bytes, zipped(0..count));
            assert_eq!(&bytes[..10], b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "no name and no time");
            let size = bytes.len() as u64;
            let lines = |range| {
                let source = Source::of_bytes(bytes.as_slice(), range, &Options::default());
                read::<Lines, _>(source, |line| line.to_string()).unwrap()
            };
            let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            assert_eq!(lines(0..size), expected);
            assert_eq!(lines(0..1), expected, "the range that begins the file has all of it");
            assert!(lines(1..size).is_empty());
        }
    }
}
