//! What inputs come to: files, folders, patterns, links, and what is none of these.

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    touch(
        root.path(),
        &[
            "in/b/2",
            "in/b/1",
            "in/b.txt",
            "in/a",
            "in/_SUCCESS",
            "in/.x/y",
            "in/b/_logs/z",
            "other/c.txt",
        ],
    );
    root
}

fn list_of(root: &Path, inputs: &[&str]) -> Result<Listing, Error> {
    list(&inputs.iter().map(|input| root.join(input)).collect::<Vec<_>>())
}

fn check(root: &Path, inputs: &[&str], expected: &[&str]) -> Listing {
    let listing = list_of(root, inputs).unwrap();
    assert_eq!(listed(root, &listing), expected, "{inputs:?}");
    listing
}

/// The message, with the root's name as `ROOT`.
fn refusal(root: &Path, input: &str) -> String {
    list_of(root, &[input]).unwrap_err().to_string().replace(root.to_str().unwrap(), "ROOT")
}

#[test]
fn folders_are_read_recursively_sorted_by_bytes_and_hidden_names_counted() {
    let root = tree();
    let listing = check(root.path(), &["in"], &["in/a", "in/b.txt", "in/b/1", "in/b/2"]);
    assert_eq!(listing.skipped, Skipped { hidden: 3, special: 0 });
    assert_eq!(listing.folders, [root.path().join("in")]);
}

#[test]
fn inputs_keep_their_order_and_what_is_named_is_read_as_often_as_named() {
    let root = tree();
    check(root.path(), &["other", "in/a", "other/c.txt"], &["other/c.txt", "in/a", "other/c.txt"]);
    check(root.path(), &["in/_SUCCESS", "in/.x"], &["in/_SUCCESS", "in/.x/y"]);
    check(root.path(), &[], &[]);
}

#[test]
fn an_empty_folder_is_no_error() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    check(root.path(), &["empty"], &[]);
}

#[test]
fn patterns_find_files_and_folders() {
    let root = tree();
    check(root.path(), &["in/*"], &["in/a", "in/b.txt", "in/b/1", "in/b/2"]);
    check(root.path(), &["*/*.txt"], &["in/b.txt", "other/c.txt"]);
    check(root.path(), &["in/b/[1-9]"], &["in/b/1", "in/b/2"]);
    check(root.path(), &["{in/a,other/*,none}"], &["in/a", "other/c.txt"]);
    check(root.path(), &["**/*.txt"], &["in/b.txt", "other/c.txt"]);
    check(root.path(), &["in/**/1"], &["in/b/1"]);
    check(root.path(), &["in/**"], &["in/a", "in/b.txt", "in/b/1", "in/b/2"]);
    check(root.path(), &["in/.*/y"], &["in/.x/y"]);
    check(root.path(), &["in/_S*"], &["in/_SUCCESS"]);
    assert_eq!(list_of(root.path(), &["in/*"]).unwrap().skipped.hidden, 3);
}

#[test]
fn a_file_that_is_called_like_a_pattern_is_that_file() {
    let root = tree();
    touch(root.path(), &["x[1].txt", "x1.txt", "*"]);
    check(root.path(), &["x[1].txt"], &["x[1].txt"]);
    check(root.path(), &["*"], &["*"]);
    check(root.path(), &["x[12].txt"], &["x1.txt"]);
    check(root.path(), &["\\**"], &["*"]);
}

#[test]
fn names_that_are_no_text_are_files_like_others() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(OsStr::from_bytes(b"a\xff.txt")), b"x").unwrap();
    check(root.path(), &[""], &["a\\xff.txt"]);
    check(root.path(), &["a?.txt"], &["a\\xff.txt"]);
}

#[test]
fn what_is_not_there_is_said() {
    let root = tree();
    assert_eq!(refusal(root.path(), "nope"), "input does not exist; ROOT/nope; check the spelling");
    assert_eq!(
        refusal(root.path(), "in/a/x"),
        "input does not exist; ROOT/in/a/x; check the spelling"
    );
    let none = refusal(root.path(), "in/*.gz");
    assert!(
        none.starts_with("pattern matches none of ") && none.contains("; ROOT/in/*.gz; "),
        "{none}"
    );
    let too_long = refusal(root.path(), &"x".repeat(300));
    assert!(too_long.starts_with("failed to look for input: File name too long"), "{too_long}");
    assert!(too_long.ends_with("…; use shorter names"), "{too_long}");
    let wide = refusal(root.path(), &"{0,1}".repeat(20));
    assert!(wide.starts_with("braces stand for more than 1000 patterns; "), "{wide}");
}

#[test]
fn links_are_followed_and_loops_and_broken_links_named() {
    let root = tree();
    symlink(root.path().join("other"), root.path().join("in/link")).unwrap();
    let listing =
        check(root.path(), &["in"], &["in/a", "in/b.txt", "in/b/1", "in/b/2", "in/link/c.txt"]);
    assert_eq!(listing.folders, [root.path().join("in/link"), root.path().join("in")]);

    symlink("..", root.path().join("in/b/up")).unwrap();
    let message = "links form a loop; ROOT/in/b/up -> ROOT/in; remove the link, or name the folders beside it";
    assert_eq!(refusal(root.path(), "in"), message);
    assert!(refusal(root.path(), "in/**/nothing").starts_with("links form a loop; ROOT/in/b/up"));

    symlink("self", root.path().join("self")).unwrap();
    assert!(refusal(root.path(), "self").starts_with("links form a loop; ROOT/self -> self"));
    symlink("gone", root.path().join("broken")).unwrap();
    assert_eq!(
        refusal(root.path(), "broken"),
        "link leads to nothing; ROOT/broken -> gone; mend or remove the link"
    );
}

#[test]
fn special_files_are_counted_in_folders_and_refused_by_name() {
    let root = tree();
    let _socket = UnixListener::bind(root.path().join("other/socket")).unwrap();
    assert!(Command::new("mkfifo").arg(root.path().join("other/pipe")).status().unwrap().success());
    symlink("/dev/null", root.path().join("other/null")).unwrap();
    for input in ["other", "other/*"] {
        let listing = check(root.path(), &[input], &["other/c.txt"]);
        assert_eq!(listing.skipped, Skipped { hidden: 0, special: 3 });
    }
    for (name, kind) in [("pipe", "a pipe"), ("socket", "a socket"), ("null", "a device")] {
        let message = refusal(root.path(), &format!("other/{name}"));
        assert!(
            message.starts_with(&format!("input is {kind}, not a file; ROOT/other/{name}; ")),
            "{message}"
        );
    }
}

#[test]
fn a_file_that_hides_its_size_is_refused() {
    let error = list(&["/proc/self/status".into()]).unwrap_err();
    assert!(matches!(error, Error::SizeUnknown { .. }), "{error}");
}
