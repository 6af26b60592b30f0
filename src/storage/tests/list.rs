//! Tests how inputs are listed (files, folders, patterns, links), and which inputs are refused.

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

/// Returns the error's message, with the root's name as `ROOT`.
fn refusal(root: &Path, input: &str) -> String {
    list_of(root, &[input]).unwrap_err().to_string().replace(root.to_str().unwrap(), "ROOT")
}

#[test]
fn folders_are_read_recursively_sorted_by_bytes_and_hidden_names_counted() {
    let root = tree();
    let listing = check(root.path(), &["in"], &["in/a", "in/b.txt", "in/b/1", "in/b/2"]);
    assert_eq!((listing.notes.hidden, listing.notes.special), (3, 0));
    assert_eq!(listing.folders, [root.path().join("in")]);
}

#[test]
fn inputs_keep_their_order_and_hidden_names_are_read_if_named() {
    let root = tree();
    check(root.path(), &["other", "in/a"], &["other/c.txt", "in/a"]);
    check(root.path(), &["in/_SUCCESS", "in/.x"], &["in/_SUCCESS", "in/.x/y"]);
    check(root.path(), &[], &[]);
}

#[test]
fn an_empty_folder_is_accepted() {
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
    assert_eq!(list_of(root.path(), &["in/*"]).unwrap().notes.hidden, 3);
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
fn names_that_are_not_utf8_are_listed() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(OsStr::from_bytes(b"a\xff.txt")), b"x").unwrap();
    check(root.path(), &[""], &["a\\xff.txt"]);
    check(root.path(), &["a?.txt"], &["a\\xff.txt"]);
}

#[test]
fn missing_inputs_are_named() {
    let root = tree();
    assert_eq!(
        refusal(root.path(), "nope"),
        "input does not exist: ROOT/nope\nhint: check the spelling"
    );
    assert_eq!(
        refusal(root.path(), "in/a/x"),
        "input does not exist: ROOT/in/a/x\nhint: check the spelling"
    );
    let none = refusal(root.path(), "in/*.gz");
    assert!(
        none.starts_with("pattern matches no file ") && none.contains(": ROOT/in/*.gz\nhint: "),
        "{none}"
    );
    let too_long = refusal(root.path(), &"x".repeat(300));
    assert!(too_long.starts_with("failed to find input: File name too long"), "{too_long}");
    assert!(too_long.ends_with("…\nhint: use shorter file and folder names"), "{too_long}");
    let wide = refusal(root.path(), &"{0,1}".repeat(20));
    assert!(wide.starts_with("braces of a pattern expand to more than 1000 patterns: "), "{wide}");
}

#[test]
fn links_are_followed_and_loops_and_broken_links_named() {
    let root = tree();
    symlink(root.path().join("other"), root.path().join("in/link")).unwrap();
    let listing =
        check(root.path(), &["in"], &["in/a", "in/b.txt", "in/b/1", "in/b/2", "in/link/c.txt"]);
    assert_eq!(listing.folders, [root.path().join("in/link"), root.path().join("in")]);

    symlink("..", root.path().join("in/b/up")).unwrap();
    let message =
        "links form a loop: ROOT/in/b/up -> ROOT/in\nhint: remove the link, or name other folders";
    assert_eq!(refusal(root.path(), "in"), message);
    assert!(refusal(root.path(), "in/**/nothing").starts_with("links form a loop: ROOT/in/b/up"));

    symlink("self", root.path().join("self")).unwrap();
    assert!(refusal(root.path(), "self").starts_with("links form a loop: ROOT/self -> self"));
    symlink("gone", root.path().join("broken")).unwrap();
    assert_eq!(
        refusal(root.path(), "broken"),
        "symbolic link leads to nothing: ROOT/broken -> gone\nhint: fix or remove the link"
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
        assert_eq!((listing.notes.hidden, listing.notes.special), (0, 3));
    }
    for (name, kind) in [("pipe", "a pipe"), ("socket", "a socket"), ("null", "a device")] {
        let message = refusal(root.path(), &format!("other/{name}"));
        assert!(
            message.starts_with(&format!("input is {kind}, not a file: ROOT/other/{name}\nhint: ")),
            "{message}"
        );
    }
}

#[test]
fn a_file_that_hides_its_size_is_refused() {
    let error = list(&["/proc/self/status".into()]).unwrap_err();
    assert!(matches!(error, Error::SizeUnknown { .. }), "{error}");
}

/// Returns the number of repeated paths, and the notes as `repeated path is first path`.
fn repeats(root: &Path, listing: &Listing) -> (u64, Vec<String>) {
    let shown = |location: &crate::model::Location| {
        location.to_string().replace(&format!("{}/", root.display()), "")
    };
    let repeat = |repeat: &crate::model::Repeat| {
        format!("{} is {}", shown(&repeat.path), shown(&repeat.first))
    };
    (listing.notes.repeated, listing.notes.repeats.iter().map(repeat).collect())
}

#[test]
fn files_reached_by_several_paths_are_listed_once() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    touch(root, &["logs/30/a.log", "logs/30/b.log", "logs/c.log"]);
    symlink("30", root.join("logs/latest")).unwrap();
    symlink("c.log", root.join("logs/d.log")).unwrap();
    fs::hard_link(root.join("logs/c.log"), root.join("logs/e.log")).unwrap();
    let all = ["logs/30/a.log", "logs/30/b.log", "logs/c.log"];
    let linked = ["logs/d.log is logs/c.log", "logs/e.log is logs/c.log", "logs/latest is logs/30"];
    type Row<'r> = (&'r [&'r str], &'r [&'r str], u64, &'r [&'r str]);
    let table: [Row<'_>; 6] = [
        (&["logs"], &all, 4, &linked),
        (&["logs/c.log", "logs/c.log"], &all[2..], 1, &["logs/c.log is logs/c.log"]),
        (
            &["logs/30", "logs/30/*.log"],
            &all[..2],
            2,
            &["logs/30/a.log is logs/30/a.log", "logs/30/b.log is logs/30/b.log"],
        ),
        (
            &["logs/30/b.log", "logs/30"],
            &["logs/30/b.log", "logs/30/a.log"],
            1,
            &["logs/30/b.log is logs/30/b.log"],
        ),
        (&["logs/{latest,30}"], &all[..2], 2, &["logs/latest is logs/30"]),
        // A file that a pattern matches, in a folder that the pattern matches too, is not a repetition.
        (&["logs/**/[ab]*", "logs/30/**"], &all[..2], 4, &["logs/latest/a.log is logs/30/a.log"]),
    ];
    for (inputs, files, repeated, named) in table {
        let listing = check(root, inputs, files);
        let (number, names) = repeats(root, &listing);
        assert_eq!(number, repeated, "{inputs:?} {names:?}");
        assert_eq!(names[..named.len()], *named, "{inputs:?}");
    }
}

#[test]
fn groups_of_inputs_may_share_files() {
    let root = tree();
    let path = root.path().join("in");
    let listing = list_groups([(0, path.as_path()), (1, &path), (1, &path)]).unwrap();
    assert_eq!(listing.counts, [4, 4, 0]);
    assert_eq!(listing.notes.repeated, 4);
}

#[test]
fn links_that_multiply_folders_are_walked_in_little_time() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["0/f"]);
    // 2^29 paths lead to the file.
    for level in 1..30 {
        let folder = root.path().join(level.to_string());
        fs::create_dir(&folder).unwrap();
        for name in ["x", "y"] {
            symlink(format!("../{}", level - 1), folder.join(name)).unwrap();
        }
    }
    let listing = list_of(root.path(), &["29"]).unwrap();
    assert_eq!((listing.files.len(), listing.notes.repeats.len()), (1, 6));
}

#[test]
fn skipped_files_are_counted_each_once() {
    let root = tree();
    touch(root.path(), &["in/.x/deep/a.txt", "in/_old/a.txt", "in/_old/.b.txt", "in/c/_d.txt"]);
    fs::create_dir(root.path().join("in/_empty")).unwrap();
    // in/_SUCCESS, in/.x/y, in/.x/deep/a.txt, in/b/_logs/z, in/_old/a.txt, in/_old/.b.txt, in/c/_d.txt
    let table: [(&[&str], u64); 8] = [
        (&["in"], 7),
        (&["in", "in"], 7),
        (&["in/*"], 7),
        (&["in/_old"], 1),
        (&["in", "in/_old"], 6),
        (&["in/*.txt"], 0),
        (&["in/**/*.txt"], 4),
        (&["in/{a,*/a*}"], 1),
    ];
    for (inputs, expected) in table {
        let found = list_of(root.path(), inputs);
        let hidden = found.map_or_else(|error| panic!("{inputs:?}: {error}"), |it| it.notes.hidden);
        assert_eq!(hidden, expected, "{inputs:?}");
    }
}

#[test]
fn patterns_may_be_longer_than_names() {
    let root = tree();
    let long = "x".repeat(300);
    check(root.path(), &[&format!("in/{{a,{long},b/1}}")], &["in/a", "in/b/1"]);
    check(root.path(), &[&format!("in/b/[1{long}]")], &["in/b/1"]);
    check(root.path(), &[&format!("{{{long}/y,in/a}}")], &["in/a"]);
    let deep = "in/".repeat(2_000);
    check(root.path(), &[&format!("{{{deep}a,in/a}}")], &["in/a"]);
    assert!(refusal(root.path(), &format!("in/{long}*")).starts_with("pattern matches no file "));
}
