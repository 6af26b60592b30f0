//! Escapes text from user code so that it is safe to show, and cuts it.

/// Maximum number of characters of user text that is shown. Longer text is cut and ends with an ellipsis.
pub const TEXT_CHARS_MAX: usize = 200;

/// Escapes foreign text for a terminal, a log line or a page, and cuts it to at most `max` characters.
///
/// Tabs and line ends become `\t`, `\n`, `\r`; other control characters, invisible characters that
/// change the direction or the line of text, and bytes that are not UTF-8 become `\xNN`. Longer
/// text is cut, and its last character is then `…`. An escape is never cut in half. Escaping twice
/// changes nothing.
pub fn escape(bytes: &[u8], max: usize) -> String {
    // Most text is short and harmless.
    let is_plain = bytes.len() <= max && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain && let Ok(text) = str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut length = 0;
    // Where to cut if the text turns out to be too long: the last end of a piece that leaves room for `…`.
    let mut cut = 0;
    for piece in pieces(bytes) {
        let piece_length = piece.chars().count();
        if length + piece_length > max {
            shown.truncate(cut);
            if max > 0 {
                shown.push('…');
            }
            break;
        }
        shown.push_str(&piece);
        length += piece_length;
        if length < max {
            cut = shown.len();
        }
    }
    shown
}

/// Escapes foreign text of any length for a terminal, like [`escape`], but keeps line ends and tabs.
pub fn escape_text(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\t' => shown.push(character),
                '\r' => shown.push_str(r"\r"),
                _ if is_unsafe(character) => shown.push_str(&hex(character.to_string().as_bytes())),
                _ => shown.push(character),
            }
        }
        chunk.invalid().iter().for_each(|&byte| shown.push_str(&hex(&[byte])));
    }
    shown
}

/// Splits text into its characters, escaped where necessary, and its invalid bytes, written as `\xNN`.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|character| match character {
            '\t' => r"\t".to_string(),
            '\n' => r"\n".to_string(),
            '\r' => r"\r".to_string(),
            _ if is_unsafe(character) => hex(character.to_string().as_bytes()),
            _ => character.to_string(),
        });
        let invalid = chunk.invalid().iter().map(|&byte| hex(&[byte]));
        valid.chain(invalid)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!(r"\x{byte:02x}")).collect()
}

/// Whether a character could change how the text around it is displayed.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn foreign_text_is_shown_safely() {
        let table: [(&[u8], usize, &str); 10] = [
            (b"plain \\ text", 200, r"plain \ text"),
            ("größer 🦀".as_bytes(), 200, "größer 🦀"),
            (b"a\tb\nc\rd", 200, r"a\tb\nc\rd"),
            (b"\x1b[31m\0\x7f", 200, r"\x1b[31m\x00\x7f"),
            (b"\xff\xc3", 200, r"\xff\xc3"),
            ("a\u{202e}b".as_bytes(), 200, r"a\xe2\x80\xaeb"),
            (b"abcdef", 6, "abcdef"),
            (b"abcdefg", 6, "abcde…"),
            (b"abcd\x1bg", 6, "abcd…"),
            (b"abc", 0, ""),
        ];
        for (bytes, max, expected) in table {
            assert_eq!(escape(bytes, max), expected);
        }
        let many = b"a\tb\r\n\x1b[2J\xff\xe2\x81\xa7\xc2\x9b\x7f\n";
        let shown = "a\tb\\r\n\\x1b[2J\\xff\\xe2\\x81\\xa7\\xc2\\x9b\\x7f\n";
        assert_eq!(escape_text(many), shown);
    }

    proptest! {
        #[test]
        fn escaped_text_is_short_and_stays_as_it_is(bytes: Vec<u8>, max in 0usize..40) {
            let shown = escape(&bytes, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(is_unsafe));
            prop_assert_eq!(escape(shown.as_bytes(), max), shown);
        }
    }
}
