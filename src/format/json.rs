//! Reads and writes JSON lines: one value of a serde type per line.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Input, Last, Lines, Output, Source, Writes};
use crate::model::escape;

/// Maximum number of characters of a bad line that its error shows.
const EXCERPT_CHARS_MAX: usize = 80;

/// Reads one `T` per line of JSON; blank lines are skipped.
///
/// If a line is not a `T`, the error names the file, the offset, the column and the beginning of the line. The next
/// line can still be read. Values nested more than 128 deep are refused.
pub struct JsonLines<T> {
    lines: Lines,
    record: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + 'static> Input for JsonLines<T> {
    type Record<'a> = T;

    fn open(source: Source) -> Result<Self, Error> {
        Ok(Self { lines: Lines::open(source)?, record: PhantomData })
    }

    fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            if line.as_bytes().trim_ascii().is_empty() {
                continue;
            }
            return match serde_json::from_slice(line.as_bytes()) {
                Ok(record) => Ok(Some(record)),
                Err(error) => Err(self.refuse(&error)),
            };
        }
    }

    fn last(&self) -> Last<'_> {
        self.lines.last()
    }
}

impl<T> JsonLines<T> {
    #[cold]
    fn refuse(&self, error: &serde_json::Error) -> Error {
        let Last { offset, bytes } = self.lines.source().last();
        let column = error.column();
        let message = error.to_string();
        // The line number is always 1 here, and our message names the column separately.
        let place = format!(" at line {} column {column}", error.line());
        Error::Json {
            location: self.lines.source().location().clone(),
            offset,
            column,
            excerpt: escape(bytes, EXCERPT_CHARS_MAX),
            problem: message.strip_suffix(&place).unwrap_or(&message).to_string(),
        }
    }
}

/// Writes one JSON value per line. A pair becomes an array of two values.
///
/// Map keys must be strings or numbers; a float that is not finite becomes `null`, since JSON has no such number.
#[derive(Debug, Default)]
pub struct Json;

impl Output for Json {
    const EXTENSION: &'static str = "jsonl";
}

impl<T: Serialize + ?Sized> Writes<T> for Json {
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error> {
        let before = into.len();
        if let Err(error) = serde_json::to_writer(&mut *into, record) {
            into.truncate(before);
            return Err(Error::Encode { format: "JSON", problem: error.to_string() });
        }
        into.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::format::source::Options;
    use crate::format::split_law::check;
    use crate::record::Text;

    #[test]
    fn a_bad_line_is_named_and_the_next_one_follows() {
        let text = b"{\"a\":1}\n\n \r\n{\"a\":x}\r\n{\"a\":2}";
        let source = Source::of_bytes(*text, 0..text.len() as u64, &Options::default());
        let mut input = JsonLines::<BTreeMap<String, u64>>::open(source).unwrap();
        assert_eq!(input.next().unwrap().unwrap()["a"], 1);
        let error = input.next().unwrap_err();
        assert!(error.spoils_one_record());
        assert_eq!(
            error.to_string(),
            "bad JSON: expected value in column 6 of `{\"a\":x}`: <memory> at byte 12"
        );
        assert_eq!(input.last(), Last { offset: 12, bytes: b"{\"a\":x}" });
        assert_eq!(input.next().unwrap().unwrap()["a"], 2);
        assert!(input.next().unwrap().is_none());
    }

    #[test]
    fn records_have_these_bytes() {
        let mut into = Vec::new();
        Json.append(&(Text::new(b"a\tb\n"), 1), &mut into).unwrap();
        Json.append(&f64::NAN, &mut into).unwrap();
        Json.append("x", &mut into).unwrap();
        let refused = BTreeMap::from([((1, 2), 3)]);
        let error = Json.append(&refused, &mut into).unwrap_err();
        assert_eq!(error.to_string(), "cannot write record as JSON: key must be a string");
        assert_eq!(into, b"[\"a\\tb\\n\",1]\nnull\n\"x\"\n");
    }

    proptest! {
        #[test]
        fn written_records_are_read_at_any_cuts(
            records in prop::collection::vec(any::<(String, Option<i64>)>(), 0..12),
            cuts in prop::collection::vec(any::<u64>(), 0..5),
            read_bytes in 1usize..40,
        ) {
            let mut bytes = Vec::new();
            for record in &records {
                Json.append(record, &mut bytes).unwrap();
            }
            let found =
                check::<JsonLines<(String, Option<i64>)>, _>(&bytes, &cuts, read_bytes, |record| record);
            prop_assert_eq!(found, records);
        }
    }
}
