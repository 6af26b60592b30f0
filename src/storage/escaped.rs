//! Shows a path in a message: whatever its bytes are, on one line, and never longer than a message can bear.

use std::fmt::{self, Display, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Characters of user text that a message shows before it cuts.
const SHOWN_CHARS_MAX: usize = 200;

/// A path, escaped and cut for a message.
pub(super) struct Shown<'a>(&'a [u8]);

/// Shows `path` with bytes that are no text as `\xff`, and cut after 200 characters.
pub(super) fn shown(path: &Path) -> Shown<'_> {
    Shown(path.as_os_str().as_bytes())
}

/// Shows a part's or attempt's name as [`shown`] does a path.
pub(super) fn shown_name(name: &str) -> Shown<'_> {
    Shown(name.as_bytes())
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("''");
        }
        let mut room = SHOWN_CHARS_MAX;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if room == 0 {
                    return f.write_char('…');
                }
                room -= 1;
                write_escaped(f, c)?;
            }
            for byte in chunk.invalid() {
                if room == 0 {
                    return f.write_char('…');
                }
                room -= 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Quotes stay as they are; what a terminal would obey, or not show, is written out.
fn write_escaped(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\'' | '"' => f.write_char(c),
        c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c)),
        c => write!(f, "{}", c.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(shown(Path::new(OsStr::from_bytes(bytes))).to_string(), expected);
    }

    #[test]
    fn paths_are_shown_on_one_line_whatever_their_bytes() {
        check(b"a/b c.txt", "a/b c.txt");
        check("straße's \"x\"".as_bytes(), "straße's \"x\"");
        check(b"a\nb\x1b[2Jc", "a\\x0ab\\x1b[2Jc");
        check(b"x\xff\xfey", "x\\xff\\xfey");
        check("a\u{202e}b".as_bytes(), "a\\u{202e}b");
        check(b"a\\b", "a\\\\b");
        check(b"", "''");
    }

    #[test]
    fn long_paths_are_cut() {
        check(&[b'a'; 200], &"a".repeat(200));
        check(&[b'a'; 201], &format!("{}…", "a".repeat(200)));
        check(&[0xff; 300], &format!("{}…", "\\xff".repeat(200)));
    }
}
