//! Cuts Rust source into tokens, so that comments, strings and line breaks cannot mislead a rule.

/// An identifier, number or sign, and the line that it is on, counted from 1.
///
/// Every string is the token `"`, and `::` is one token. Comments and whitespace are not tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

impl Token<'_> {
    /// Returns whether it is a name, a keyword or a number.
    pub(crate) fn is_word(&self) -> bool {
        self.text.bytes().next().is_some_and(is_word_byte)
    }
}

/// Returns the tokens of a source text, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < text.len() {
        let rest = &text[at..];
        let (length, shown) = piece(rest);
        if let Some(shown) = shown {
            found.push(Token { line, text: shown });
        }
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// Returns how many bytes the first piece of `rest` takes, and its token, if it is one.
fn piece(rest: &str) -> (usize, Option<&str>) {
    let bytes = rest.as_bytes();
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if rest.starts_with("::") {
        return (2, Some(&rest[..2]));
    }
    match bytes[0] {
        b'"' => (quoted(rest), Some(&rest[..1])),
        b'\'' => (character_or_lifetime(rest), None),
        first if is_word_byte(first) => {
            let end = bytes.iter().position(|&byte| !is_word_byte(byte)).unwrap_or(bytes.len());
            let (word, after) = rest.split_at(end);
            match (word, after.as_bytes().first()) {
                ("b" | "c", Some(b'"')) => (end + quoted(after), Some(&after[..1])),
                ("b", Some(b'\'')) => (end + character_or_lifetime(after), None),
                ("r" | "br" | "cr", Some(b'"' | b'#')) if raw_string(after).is_some() => {
                    (end + raw_string(after).unwrap_or(0), Some("\""))
                }
                _ => (end, Some(word)),
            }
        }
        first if first.is_ascii_whitespace() => (1, None),
        _ => (1, Some(&rest[..1])),
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Returns the length of the (possibly nested) comment that `rest` begins with.
fn block_comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        (at, depth) = (at + step, depth + change);
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the length of the string with escapes that `rest` begins with.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    let closing = rest.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    closing.map_or(rest.len(), |position| position + 2)
}

/// Returns the length of the raw string that `rest` begins with, including its hashes, or `None` for a raw identifier.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.bytes().take_while(|&byte| byte == b'#').count();
    let body = rest[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&close).map_or(rest.len(), |position| hashes + 1 + position + close.len()))
}

/// Returns the length of the character that `rest` begins with, or of the apostrophe and name of a lifetime.
fn character_or_lifetime(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            rest[escaped + 1..].find('\'').map_or(rest.len(), |position| escaped + 1 + position + 1)
        }
        (Some(_), Some((close, '\''))) => close + 1,
        _ => rest
            .bytes()
            .skip(1)
            .position(|byte| !is_word_byte(byte))
            .map_or(rest.len(), |end| end + 1),
    }
}

#[test]
fn comments_strings_characters_and_lifetimes_are_skipped() {
    let table = [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        ("f(\"x } \\\" y\", b\"z\")", "f ( \" , \" )"),
        ("r#\"a\"b\"# r\"c\" r#type", "\" \" r # type"),
        ("'}' '\\'' b'{' '\\u{7d}' 'ä' x", "x"),
        ("&'a str", "& str"),
        ("std::fs", "std :: fs"),
        ("\"never closed", "\""),
    ];
    for (text, wanted) in table {
        let words: Vec<_> = tokens(text).iter().map(|token| token.text).collect();
        assert_eq!(words.join(" "), wanted, "{text}");
    }
}

#[test]
fn tokens_know_their_lines_across_strings_and_comments() {
    let found = tokens("a\n/*\n*/ b\n\"\n\" c");
    let lines: Vec<_> = found.iter().map(|token| (token.text, token.line)).collect();
    assert_eq!(lines, [("a", 1), ("b", 3), ("\"", 4), ("c", 5)]);
}
