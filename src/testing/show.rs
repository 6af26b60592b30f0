//! Formats keys, values and results for messages: escapes them, and cuts long ones.

use std::fmt::Debug;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::job::Job;
use crate::model::escape;
use crate::record::{Key, value};

/// Maximum number of characters shown of one value, key or record.
const ITEM_CHARS: usize = 40;
/// Maximum number of characters shown of a result.
const RESULT_CHARS: usize = 80;
/// Maximum number of values shown of one key.
const VALUES: usize = 8;

/// Formats bytes as text in quotes.
pub(super) fn bytes(bytes: &[u8]) -> String {
    format!("\"{}\"", escape(bytes, ITEM_CHARS))
}

/// Formats a whole input in quotes.
pub(super) fn input(bytes: &[u8]) -> String {
    format!("\"{}\"", escape(bytes, 2 * RESULT_CHARS))
}

/// Formats the bytes of a key or a group: as text if they contain any, else in hexadecimal.
pub(super) fn key<J: Job>(key: &[u8]) -> String {
    let grouped = <J::Key<'static> as Key<'static>>::GROUPED;
    // Text in a grouped key ends in a zero byte, which means nothing to a reader.
    let key = if grouped { key.strip_suffix(b"\0").unwrap_or(key) } else { key };
    if key.is_empty()
        || key.iter().any(u8::is_ascii_graphic)
        || std::str::from_utf8(key).is_ok_and(is_text)
    {
        return bytes(key);
    }
    let hex: String = key.iter().take(ITEM_CHARS / 2).map(|byte| format!("{byte:02x}")).collect();
    format!("0x{hex}")
}

fn is_text(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// Formats a value of the author's type in its `Debug` form.
pub(super) fn debug(value: &impl Debug) -> String {
    escape(format!("{value:?}").as_bytes(), RESULT_CHARS)
}

/// Formats one value as JSON, with byte strings as text.
pub(super) fn value<J: Job>(encoded: &[u8]) -> String {
    let mut json = Vec::new();
    let written = value::decode::<J::Value<'_>>(encoded).is_ok_and(|value| {
        value.serialize(&mut Serializer::with_formatter(&mut json, ByteText)).is_ok()
    });
    let shown = if written { json.as_slice() } else { encoded };
    escape(shown, ITEM_CHARS)
}

/// Formats several values, in brackets.
pub(super) fn values<'v, J: Job>(encoded: impl ExactSizeIterator<Item = &'v [u8]>) -> String {
    let more = encoded.len().saturating_sub(VALUES);
    let mut shown: Vec<String> = encoded.take(VALUES).map(value::<J>).collect();
    if more > 0 {
        shown.push(format!("… {more} more"));
    }
    format!("[{}]", shown.join(", "))
}

/// Formats two results that differ, from the first line that differs.
pub(super) fn results(left: &[u8], right: &[u8]) -> (String, String) {
    let common = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let line = left[..common].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    (result(&left[line..]), result(&right[line..]))
}

/// Formats the output of a map or reduce.
pub(super) fn result(written: &[u8]) -> String {
    let written = written.strip_suffix(b"\n").unwrap_or(written);
    if written.is_empty() {
        "nothing".into()
    } else {
        format!("\"{}\"", escape(written, RESULT_CHARS))
    }
}

/// Formats JSON with byte strings as text.
struct ByteText;

impl Formatter for ByteText {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        bytes: &[u8],
    ) -> io::Result<()> {
        write!(writer, "\"{}\"", escape(bytes, ITEM_CHARS))
    }
}
