//! Writes tab-separated fields, one record per line.

use super::{Error, Field, Output, Row, Writes};

/// Writes tab-separated text: the fields of a record are separated by tabs and followed by `\n`. Nothing is escaped, so
/// a field that holds a tab, a newline or a carriage return is an error. [`Json`](super::Json) can write anything.
#[derive(Debug, Default)]
pub struct Tsv;

impl Output for Tsv {
    const EXTENSION: &'static str = "tsv";
}

impl<T: Field + ?Sized> Writes<T> for Tsv {
    #[inline]
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error> {
        let before = into.len();
        if let Err(error) = record.append(&mut Row::new(into)) {
            into.truncate(before);
            return Err(error);
        }
        into.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Text, TextBuf};

    fn written(record: &(impl Field + ?Sized)) -> Result<String, String> {
        let mut into = b"before\n".to_vec();
        let result = Tsv.append(record, &mut into);
        let all = String::from_utf8(into).expect("the test writes UTF-8");
        let row = all.strip_prefix("before\n").expect("what was there stays").to_string();
        match result {
            Ok(()) => Ok(row),
            Err(error) => {
                assert_eq!(row, "", "a refused record leaves nothing behind");
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn records_have_these_bytes() {
        let word = Text::new(b"word");
        let table = [
            (written(&(word, 12_u64)), "word\t12\n"),
            (written(&(TextBuf::from("a b"), "c", String::from("d"), 'e')), "a b\tc\td\te\n"),
            (
                written(&(u64::MAX, i64::MIN, 0_u8, -1_i32)),
                "18446744073709551615\t-9223372036854775808\t0\t-1\n",
            ),
            (
                written(&(1.0_f64, 0.1_f32, -0.0, 1e21, f64::NAN, f64::NEG_INFINITY)),
                "1\t0.1\t-0\t1000000000000000000000\tNaN\t-inf\n",
            ),
            (written(&(true, false)), "true\tfalse\n"),
            (written(&(None::<u8>, Some("x"), None::<(u8, u8)>)), "\tx\t\t\n"),
            (written(&((word, 200_u16), (10_u64, 20.5))), "word\t200\t10\t20.5\n"),
            (written(&("", 1)), "\t1\n"),
            (written(&(word, ())), "word\n"),
            (written(&()), "\n"),
            (written(&("only",)), "only\n"),
            (written(&7), "7\n"),
            (written(&(1, 2, 3, 4, 5, 6, 7, b"8".to_vec())), "1\t2\t3\t4\t5\t6\t7\t8\n"),
        ];
        for (found, expected) in table {
            assert_eq!(found.as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_field_that_holds_its_own_end_is_refused_by_number() {
        let table = [
            (written(&("a\tb", 1)), "field 1 holds a tab, which TSV cannot represent: `a\\tb`"),
            (
                written(&(1, (2, "a\n"))),
                "field 3 holds a newline, which TSV cannot represent: `a\\n`",
            ),
            (
                written(&(1, '\r')),
                "field 2 holds a carriage return, which TSV cannot represent: `\\r`",
            ),
        ];
        for (found, expected) in table {
            let message = found.expect_err("refuses");
            assert_eq!(message, format!("{expected}\nhint: write JSON lines instead (Json)"));
        }
    }
}
