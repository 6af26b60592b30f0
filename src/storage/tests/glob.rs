//! Tests which names each pattern matches.

use proptest::prelude::*;

use crate::storage::glob::{ALTERNATIVES_MAX, Component, components, is_pattern, without_braces};

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match components(pattern).as_slice() {
        [Component::Names(names)] => names.matches(name),
        [Component::Literal(literal)] => literal == name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_match_as_in_the_shell() {
    type Names<'a> = &'a [&'a [u8]];
    let table: &[(&[u8], Names<'_>, Names<'_>)] = &[
        (b"*", &[b"a", b"abc", b"x\xff"], &[]),
        (b"*.txt", &[b"a.txt", b".txt", b"a.txt.txt"], &[b"atxt", b"a.txt2"]),
        (b"a*b*c", &[b"abc", b"aXbYc", b"abbc", b"abcbc"], &[b"ab", b"acb", b"xabc"]),
        (b"?", &[b"a", "ß".as_bytes(), b"\xff"], &[b"", b"ab", b"\xff\xfe"]),
        (b"part-[0-9][!a-c]", &[b"part-0d", b"part-9\xff"], &[b"part-0a", b"part-xd", b"part-0"]),
        (b"[]x]", &[b"]", b"x"], &[b"y"]),
        (b"[a-]", &[b"a", b"-"], &[b"b"]),
        (b"[^a]", &[b"b"], &[b"a"]),
        ("[à-ü]*".as_bytes(), &["étude".as_bytes()], &[b"etude"]),
        (b"a[b", &[b"a[b"], &[b"ab"]),
        (b"\\*", &[b"*"], &[b"a", b"\\*"]),
        (b"\\**", &[b"*", b"*a"], &[b"a"]),
        (b"a\\", &[b"a\\"], &[b"a"]),
        (b"\xff*", &[b"\xffa"], &[b"\xfea"]),
    ];
    for (pattern, yes, no) in table {
        for name in *yes {
            assert!(matches(pattern, name), "{} {}", pattern.escape_ascii(), name.escape_ascii());
        }
        for name in *no {
            assert!(!matches(pattern, name), "{} {}", pattern.escape_ascii(), name.escape_ascii());
        }
    }
}

#[test]
fn braces_stand_for_each_alternative() {
    let check = |pattern: &str, expected: &[&str]| {
        let found = without_braces(pattern.as_bytes()).unwrap();
        let mut found: Vec<String> =
            found.into_iter().map(|one| String::from_utf8(one).unwrap()).collect();
        found.sort();
        assert_eq!(found, expected, "{pattern}");
    };
    check("a", &["a"]);
    check("{a,b}", &["a", "b"]);
    check("x{a,b/c}*y", &["xa*y", "xb/c*y"]);
    check("{a,b{c,d}}{,e}", &["a", "ae", "bc", "bce", "bd", "bde"]);
    check("{a}", &["{a}"]);
    check("{a,b", &["{a,b"]);
    check("a,b}", &["a,b}"]);
    check("{{a,b}}", &["{a}", "{b}"]);
    check("\\{a,b}", &["\\{a,b}"]);
    assert_eq!(without_braces("{0,1}".repeat(64).as_bytes()), None);
    assert_eq!(without_braces(format!("{{{}}}", ",".repeat(ALTERNATIVES_MAX)).as_bytes()), None);
}

#[test]
fn plain_paths_are_no_patterns() {
    assert!(!is_pattern(b"a/b.txt") && !is_pattern(b"a]}!\\"));
    assert!(is_pattern(b"a/*") && is_pattern(b"?") && is_pattern(b"[a]") && is_pattern(b"{a,b}"));
}

proptest! {
    /// Compares the matcher with the simplest one, which tries every length for every `*`.
    #[test]
    fn stars_match_as_a_search_does(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
        fn search(pattern: &[u8], name: &[u8]) -> bool {
            match pattern.split_first() {
                None => name.is_empty(),
                Some((b'*', rest)) => (0..=name.len()).any(|taken| search(rest, &name[taken..])),
                Some((b'?', rest)) => !name.is_empty() && search(rest, &name[1..]),
                Some((byte, rest)) => name.first() == Some(byte) && search(rest, &name[1..]),
            }
        }
        prop_assume!(!pattern.is_empty() && pattern != "**");
        prop_assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), search(pattern.as_bytes(), name.as_bytes()));
    }
}
