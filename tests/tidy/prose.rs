//! Finds phrases that are not plain English in comments, strings, names, pages and scripts.
//!
//! ```text
//!   the phrase          write instead
//!   a process "who…"    the worker, the client, the caller
//!   "is" + "no file"    is not a file
//! ```

use std::fs;
use std::path::Path;

use crate::source::{Source, entries, root};

/// Banned phrases, one or more words each. They are written in parts, because this file is checked too.
const PHRASES: &[(&[&str], &str)] = &[
    (&[concat!("who", "ever")], "name the component: the worker, the client, the caller"),
    (IS_NO, "write `is not a …`, or `there are no …`"),
    (&["has", "it", "otherwise"], "write `changes this`, or `sets …`"),
    (&["any", "more"], "write `no longer`"),
    (&["of", "which"], "split the sentence"),
    (&[concat!("me", "nd")], "write `fix`, `repair` or `restore`"),
    (&[concat!("me", "nds")], "write `fixes`, `repairs` or `restores`"),
    (&[concat!("me", "nded")], "write `fixed`, `repaired` or `restored`"),
    (&[concat!("me", "nding")], "write `fixing`, `repairing` or `restoring`"),
];

/// Words that may follow a phrase and make it plain English.
const ALLOWED: &[(&[&str], &str)] = &[(IS_NO, "longer")];

/// Phrase that is banned unless "there" comes before it or "longer" after it.
const IS_NO: &[&str] = &["is", "no"];

/// Extensions of checked files other than Rust files.
const EXTENSIONS: &[&str] = &["html", "js", "css", "proto", "sh"];

/// Returns files other than Rust sources that people read.
pub(crate) fn texts() -> Vec<Source> {
    let mut texts = Vec::new();
    for name in ["README.md", "CHANGELOG.md"] {
        add(&root().join(name), &mut texts);
    }
    entries(&root().join(".ci")).iter().for_each(|path| add(path, &mut texts));
    for folder in ["src", "jobs", "tests", "benches", "proto"] {
        collect(&root().join(folder), &mut texts);
    }
    texts
}

fn collect(folder: &Path, texts: &mut Vec<Source>) {
    for path in entries(folder) {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, texts);
        } else if EXTENSIONS.contains(&extension.as_ref()) {
            add(&path, texts);
        }
    }
}

fn add(path: &Path, texts: &mut Vec<Source>) {
    let text = fs::read_to_string(path).expect("a file of the tree is readable text");
    let place = path.strip_prefix(root()).expect("the path is below the root");
    texts.push(Source::new(&place.to_string_lossy(), text));
}

/// Finds banned phrases.
pub(crate) fn unplain<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Vec<String> {
    sources.into_iter().flat_map(unplain_in).collect()
}

fn unplain_in(source: &Source) -> Vec<String> {
    let words = words(&source.text);
    let mut found = Vec::new();
    for at in 0..words.len() {
        for (phrase, instead) in PHRASES {
            let stands = phrase.len() == 1 && words[at].has_part(phrase[0])
                || phrase.len() > 1 && stands_at(&words[at..], phrase);
            // "There is no such job" is plain English, unlike "a pipe is" followed by "no file".
            let before = at.checked_sub(1).map_or("", |before| words[before].text);
            if stands && !(*phrase == IS_NO && Word { text: before, line: 0 }.has_part("there")) {
                let told = format!("`{}`: {instead}", phrase.join(" "));
                found.push(source.at(words[at].line, told));
            }
        }
    }
    found
}

/// A word between blanks, including its punctuation.
struct Word<'t> {
    text: &'t str,
    line: usize,
}

impl Word<'_> {
    /// Returns whether this is the word, or a part of a name such as `a_b`.
    fn has_part(&self, wanted: &str) -> bool {
        let parts = self.text.split(|letter: char| !letter.is_alphanumeric());
        parts.into_iter().any(|part| part.eq_ignore_ascii_case(wanted))
    }
}

/// Returns the words of a text, without comment markers and the `\` of continued strings.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim_start_matches(['/', '!', '#', '*', ' ']);
        let of_line = text.split_whitespace().filter(|word| *word != "\\");
        words.extend(of_line.map(|text| Word { text, line }));
    }
    words
}

/// Returns whether a phrase begins here. Punctuation inside it separates its words.
fn stands_at(words: &[Word<'_>], phrase: &[&str]) -> bool {
    if words.len() < phrase.len() {
        return false;
    }
    let last = phrase.len() - 1;
    let is_mark = |letter: char| !letter.is_alphanumeric();
    let same = (0..).zip(phrase).all(|(at, wanted): (usize, _)| {
        let mut word = words[at].text;
        if at == 0 {
            word = word.trim_start_matches(is_mark);
        }
        if at == last {
            word = word.trim_end_matches(is_mark);
        }
        word.eq_ignore_ascii_case(wanted)
    });
    let next = words.get(phrase.len()).map_or("", |word| word.text.trim_end_matches(is_mark));
    let is_allowed = ALLOWED.iter().any(|(allowed, after)| allowed == &phrase && next == *after);
    same && !is_allowed
}

#[test]
fn planted_phrases_are_found_and_plain_ones_are_not() {
    let table = [
        (concat!("// Who", "ever asks is told."), 1),
        (concat!("//! The worker, who", "ever it is."), 1),
        (concat!("let x = \"a pipe is", " no file\";"), 1),
        (concat!("/// A folder is", "\n    /// no file."), 1),
        (concat!("say(\"it is", " \\\n    no file\");"), 1),
        ("// There is: no file. It is no longer there.", 0),
        ("// That is, no file is read.", 0),
        ("// There is no such job; if there is\n/// no limit, `None`.", 0),
        (concat!("`--progress` has it", " otherwise."), 1),
        (concat!("// not any", " more; and one \"of", " which\"."), 2),
        (concat!("fn it_is_me", "nded() {}"), 1),
        (concat!("// Me", "nd it: recommend, amend, commend."), 1),
        ("// Commendable, recommended, a comment.", 0),
    ];
    for (text, wanted) in table {
        let found = unplain(&[Source::new("src/clock.rs", text)]);
        assert_eq!(found.len(), wanted, "{text}: {found:?}");
    }
}
