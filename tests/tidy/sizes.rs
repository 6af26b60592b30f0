//! Limits the size of files and functions, and requires each file to state its purpose.

use crate::source::Source;
use crate::tokens::{Token, tokens};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const MEDIAN_LINES_MAX: usize = 150;

pub(crate) fn long_files(sources: &[Source]) -> Vec<String> {
    let long = |source: &&Source| lines(source) > FILE_LINES_MAX;
    let tell = |source: &Source| {
        source.at(
            lines(source),
            format!("a file of {} lines, at most {FILE_LINES_MAX}", lines(source)),
        )
    };
    sources.iter().filter(long).map(tell).collect()
}

/// Returns the median length of the files in `src/`, if it is too high.
pub(crate) fn long_median(sources: &[Source]) -> Vec<String> {
    let mut lengths: Vec<_> =
        sources.iter().filter(|source| source.module().is_some()).map(lines).collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    let tell = || format!("src:1: the median file has {median} lines, at most {MEDIAN_LINES_MAX}");
    (median > MEDIAN_LINES_MAX).then(tell).into_iter().collect()
}

fn lines(source: &Source) -> usize {
    source.text.lines().count()
}

pub(crate) fn long_functions(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let tokens = tokens(&source.text);
        for at in 0..tokens.len() {
            let [Token { text: "fn", line: first }, name, ..] = tokens[at..] else { continue };
            let Some(last) = body_end(&tokens[at..]).filter(|_| name.is_word()) else { continue };
            let length = last - first + 1;
            if length > FUNCTION_LINES_MAX {
                let what =
                    format!("`{}` has {length} lines, at most {FUNCTION_LINES_MAX}", name.text);
                broken.push(source.at(first, what));
            }
        }
    }
    broken
}

/// Returns the line of the brace that closes the function at the start of `tokens`, or `None` if it has no body.
fn body_end(tokens: &[Token<'_>]) -> Option<usize> {
    let (mut brackets, mut braces) = (0, 0);
    for token in tokens {
        match token.text {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets -= 1,
            ";" if brackets == 0 && braces == 0 => return None,
            "{" => braces += 1,
            "}" => braces -= 1,
            _ => {}
        }
        if token.text == "}" && braces == 0 && brackets == 0 {
            return Some(token.line);
        }
    }
    None
}

/// Returns the files that do not begin with a sentence about their purpose.
pub(crate) fn without_opening(sources: &[Source]) -> Vec<String> {
    let opens = |source: &&Source| {
        source.text.strip_prefix("//! ").is_some_and(|rest| !rest.trim().is_empty())
    };
    let tell =
        |source: &Source| source.at(1, "does not open with a `//!` sentence saying what it is for");
    sources.iter().filter(|source| !opens(source)).map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(count: usize) -> Source {
        Source::new("src/a.rs", "x\n".repeat(count))
    }

    #[test]
    fn a_planted_long_file_and_a_planted_high_median_are_found() {
        assert!(long_files(&[of_lines(500)]).is_empty());
        assert_eq!(
            long_files(&[of_lines(501)]),
            ["src/a.rs:501: a file of 501 lines, at most 500"]
        );
        assert!(long_median(&[]).is_empty());
        assert!(long_median(&[of_lines(10), of_lines(150), of_lines(400)]).is_empty());
        assert_eq!(
            long_median(&[of_lines(151)]),
            ["src:1: the median file has 151 lines, at most 150"]
        );
    }

    #[test]
    fn a_planted_long_function_is_found_whatever_it_is_called_and_holds() {
        let heads = [
            "fn long() {",
            "pub(crate) async fn long(a: [u8; 4]) -> T where T: U {",
            "impl X { fn long(\n&self) { let s = \"}\"; // }",
        ];
        for head in heads {
            let of = |count| {
                Source::new(
                    "src/a.rs",
                    format!("{head}\n{}}}\nfn short();\n", "x;\n".repeat(count)),
                )
            };
            let around = head.lines().count() + 1;
            assert!(long_functions(&[of(70 - around)]).is_empty(), "{head}");
            assert_eq!(
                long_functions(&[of(71 - around)]),
                ["src/a.rs:1: `long` has 71 lines, at most 70"],
                "{head}"
            );
        }
        let callback = format!("type F = fn(u8);\nstatic X: u8 = {{{}}};", "\n".repeat(90));
        assert!(long_functions(&[Source::new("src/a.rs", callback)]).is_empty());
    }

    #[test]
    fn a_planted_file_without_an_opening_sentence_is_found() {
        let texts = [
            ("//! Why.\n", 0),
            ("//!\n//! Why.", 1),
            ("//! \n", 1),
            ("// Why.", 1),
            ("\n//! Why.", 1),
            ("", 1),
        ];
        for (text, count) in texts {
            assert_eq!(without_opening(&[Source::new("src/a.rs", text)]).len(), count, "{text:?}");
        }
    }
}
