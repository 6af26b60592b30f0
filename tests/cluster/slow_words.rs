//! The slow job that many tests run: the path of its executable, and its input.

use crate::examples::example;

/// Lines of the input, of about a hundred bytes.
pub(crate) const LINES: usize = 2_100;
/// Number of different words in it.
const WORDS: usize = 48;

/// Returns the path of the executable.
pub(crate) fn executable() -> String {
    example("slow_words")
}

/// Returns an input of words that all occur in every part of it.
pub(crate) fn input() -> String {
    let word = |line: usize, place: usize| format!("word-{}", (line * 7 + place * 5) % WORDS);
    let line = |line: usize| (0..13).map(|place| word(line, place)).collect::<Vec<_>>().join(" ");
    (0..LINES).map(|number| line(number) + "\n").collect()
}
