//! Finds every `a::b::c` that a file names, with `use` groups expanded and `super` resolved.

use crate::tokens::Token;

/// A path with all its segments, and the line that it is on.
#[derive(Debug, PartialEq)]
pub(crate) struct Path<'a> {
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
    /// The name that a `use` gives to it: `d` in `use a::b as d`, `*` in `use a::*`. `None` outside a `use`.
    pub(crate) name: Option<&'a str>,
}

/// Returns the paths that a file names. `home` is the file's module, such as `["record", "text"]`.
///
/// A path relative to `self` or `super` is returned as a path that begins with `crate`.
pub(crate) fn paths<'a>(tokens: &[Token<'a>], home: &[&'a str]) -> Vec<Path<'a>> {
    let mut found = Vec::new();
    let mut braces: Vec<Option<&str>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let first = found.len();
        match tokens[at].text {
            "{" => {
                let opens_module = at >= 2 && tokens[at - 2].text == "mod";
                braces.push(opens_module.then(|| tokens[at - 1].text));
            }
            "}" => drop(braces.pop()),
            "use" if text(tokens, at + 1) != "<" => at = spread(tokens, at + 1, &[], &mut found),
            _ if tokens[at].is_word() && text(tokens, at + 1) == "::" => {
                at = chain(tokens, at, &mut found)
            }
            _ => {}
        }
        let here: Vec<&str> =
            home.iter().copied().chain(braces.iter().copied().flatten()).collect();
        for path in &mut found[first..] {
            path.segments = climbed(&path.segments, &here);
        }
        at += 1;
    }
    found
}

fn text<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

/// Reads `a::b::c` at `at`. Returns the index of its last token.
fn chain<'a>(tokens: &[Token<'a>], mut at: usize, found: &mut Vec<Path<'a>>) -> usize {
    let mut path = Path { line: tokens[at].line, segments: vec![tokens[at].text], name: None };
    while text(tokens, at + 1) == "::" && tokens.get(at + 2).is_some_and(Token::is_word) {
        at += 2;
        path.segments.push(tokens[at].text);
    }
    found.push(path);
    at
}

/// Reads one tree of a `use`, such as `a::{b, c::*} as d`. Returns the index of the token before the one that ends it.
fn spread<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    above: &[&'a str],
    found: &mut Vec<Path<'a>>,
) -> usize {
    let mut segments = above.to_vec();
    let mut name = None;
    while at < tokens.len() {
        match tokens[at].text {
            "::" => {}
            "{" => {
                while at < tokens.len() && text(tokens, at) != "}" {
                    at = spread(tokens, at + 1, &segments, found) + 1;
                }
                return at;
            }
            "as" => {
                at += 1;
                name = Some(text(tokens, at));
            }
            "," | "}" | ";" => break,
            "self" if !segments.is_empty() => name = segments.last().copied(),
            segment => {
                segments.push(segment);
                name = Some(segment);
            }
        }
        at += 1;
    }
    if name.is_some() {
        found.push(Path { line: tokens[at - 1].line, segments, name });
    }
    at - 1
}

/// Resolves `super::super::x` in the module `here` to `crate::…::x`.
fn climbed<'a>(segments: &[&'a str], here: &[&'a str]) -> Vec<&'a str> {
    let supers =
        segments.iter().take_while(|&&segment| segment == "super" || segment == "self").count();
    if supers == 0 {
        return segments.to_vec();
    }
    let levels = segments[..supers].iter().filter(|&&segment| segment == "super").count();
    let stay = &here[..here.len().saturating_sub(levels)];
    ["crate"].iter().chain(stay).chain(&segments[supers..]).copied().collect()
}

#[test]
fn groups_are_expanded_and_super_is_resolved() {
    let table = [
        ("use crate::{a, b::{self, c::*}};", "crate::a crate::b crate::b::c::*"),
        ("use std::{env as e, fs,};", "std::env std::fs"),
        ("use ::std::env;", "std::env"),
        ("use super::super::job::Job;", "crate::job::Job"),
        ("use super::*;", "crate::record::*"),
        ("mod tests { use super::super::super::job; }", "crate::job"),
        ("mod tests { use super::*; } use super::x;", "crate::record::text::* crate::record::x"),
        (
            "fn f() { if x { crate::job::go::<u8>() } } self::x::y();",
            "crate::job::go crate::record::text::x::y",
        ),
        ("pub(crate) fn f() -> impl A + use<'a> { self.x }", ""),
        ("pub(in crate::record) fn f() {}", "crate::record"),
    ];
    for (source, wanted) in table {
        let found = paths(&crate::tokens::tokens(source), &["record", "text"]);
        let written: Vec<_> = found.iter().map(|path| path.segments.join("::")).collect();
        assert_eq!(written.join(" "), wanted, "{source}");
    }
}

#[test]
fn a_path_in_a_group_knows_its_own_line() {
    let found = paths(&crate::tokens::tokens("use crate::{\n    a,\n    b::c,\n};"), &[]);
    let lines: Vec<_> = found.iter().map(|path| path.line).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn a_path_in_a_use_knows_the_name_that_it_gets() {
    let found =
        paths(&crate::tokens::tokens("use a::{self as b, c as d, e::*, f::{self}}; g::h();"), &[]);
    let names: Vec<_> = found.iter().map(|path| (path.segments.join("::"), path.name)).collect();
    let wanted = [
        ("a", Some("b")),
        ("a::c", Some("d")),
        ("a::e::*", Some("*")),
        ("a::f", Some("f")),
        ("g::h", None),
    ];
    assert_eq!(names, wanted.map(|(path, name)| (String::from(path), name)));
}
