//! Unsafe code is allowed in a few named files only, and must always state why it is sound.

use crate::source::Source;
use crate::tokens::{Token, tokens};

/// How many lines above an `unsafe` its reason may stand, without the lines of a longer comment.
const REASON_WITHIN_LINES: usize = 6;

/// Returns unsafe code outside the files of `table` or without its reason, and entries of `table` that are not needed.
pub(crate) fn unsafe_code(table: &[(&str, &str)], sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let named = table.iter().any(|(path, _)| *path == source.path);
        let tokens = tokens(&source.text);
        let places = unsafe_lines(&tokens);
        if named && places.is_empty() {
            broken.push(
                source.at(1, "has no unsafe code: take it out of the table in tests/tidy.rs"),
            );
        }
        for line in places {
            if !named {
                broken.push(source.at(
                    line,
                    "unsafe code in a file that the table in tests/tidy.rs does not name",
                ));
            } else if !has_reason(&source.text, line) {
                broken.push(source.at(line, "unsafe code without a SAFETY comment"));
            }
        }
    }
    broken
}

/// Returns the lines with unsafe code or an unsafe promise. The type `unsafe fn(…)` is neither.
fn unsafe_lines(tokens: &[Token<'_>]) -> Vec<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let does = |&at: &usize| text(at) == "unsafe" && !(text(at + 1) == "fn" && text(at + 2) == "(");
    (0..tokens.len()).filter(does).map(|at| tokens[at].line).collect()
}

fn has_reason(text: &str, line: usize) -> bool {
    let says = |line: &str| line.contains("SAFETY") || line.contains("# Safety");
    let lines: Vec<_> = text.lines().take(line).map(str::trim_start).collect();
    let mut near = REASON_WITHIN_LINES + 1;
    for line in lines.iter().rev() {
        if !line.starts_with("//") {
            if near == 0 {
                break;
            }
            near -= 1;
        }
        if line.contains("//") && says(line) {
            return true;
        }
    }
    false
}

#[test]
fn planted_unsafe_code_is_found() {
    let table = [("src/a.rs", "speed"), ("src/gone.rs", "speed")];
    let far = format!("// SAFETY: far.\n{}unsafe {{ f() }}", "x();\n".repeat(7));
    let long = format!("// SAFETY: long.\n{}unsafe {{ f() }}", "// and on\n".repeat(9));
    let plants = [
        ("src/a.rs", "// SAFETY: because.\nunsafe { f() }", ""),
        ("src/a.rs", "/// # Safety\n/// Never.\npub unsafe fn f() {}", ""),
        ("src/a.rs", "unsafe { f() } // SAFETY: because.", ""),
        ("src/a.rs", &long, ""),
        ("src/a.rs", "unsafe { f() }", "1: unsafe code without a SAFETY comment"),
        ("src/a.rs", "let SAFETY = 1;\nunsafe { f() }", "2: unsafe code without a SAFETY comment"),
        ("src/a.rs", &far, "9: unsafe code without a SAFETY comment"),
        ("src/a.rs", "", "1: has no unsafe code: take it out of the table in tests/tidy.rs"),
        ("src/b.rs", "// unsafe\nlet f: unsafe fn(u8) = g;\n#![expect(unsafe_code)]", ""),
        (
            "src/b.rs",
            "// SAFETY: because.\nunsafe impl Send for X {}",
            "2: unsafe code in a file that the table in tests/tidy.rs does not name",
        ),
    ];
    for (path, text, wanted) in plants {
        let broken = unsafe_code(&table, &[Source::new(path, text)]).join("\n");
        let wanted = if wanted.is_empty() { String::new() } else { format!("{path}:{wanted}") };
        assert_eq!(broken, wanted, "{text}");
    }
}
