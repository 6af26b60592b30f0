//! Checks the patches that plant bugs: each says what it breaks, and still applies.

use std::fs;
use std::path::Path;

use crate::source::{Source, entries};

/// Returns what is wrong with the patches in a folder, for this tree.
pub(crate) fn broken_patches(folder: &Path, tree: &Path) -> Vec<String> {
    let patches =
        entries(folder).into_iter().filter(|path| path.extension().is_some_and(|it| it == "patch"));
    let mut broken = Vec::new();
    for path in patches {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let name = path.strip_prefix(tree).unwrap_or(&path).to_string_lossy().into_owned();
        let read = |file: &str| fs::read_to_string(tree.join(file)).unwrap_or_default();
        broken.extend(problems(&Source::new(&name, &text), read));
    }
    broken
}

/// Returns what is wrong with a patch, given the current text of its files.
fn problems(patch: &Source, read: impl Fn(&str) -> String) -> Vec<String> {
    let mut broken = Vec::new();
    let first = patch.text.lines().next().unwrap_or_default();
    if !first.ends_with('.') || first.starts_with(['-', '+', '@', ' ']) {
        broken.push(patch.at(1, "does not open with a sentence that says what it breaks"));
    }
    let (mut file, mut hunks) = (String::new(), Vec::new());
    for (number, line) in (1..).zip(patch.text.lines()) {
        if let Some(path) = line.strip_prefix("--- a/") {
            file = read(path);
        } else if line.starts_with("@@ ") {
            hunks.push((number, file.clone(), String::new()));
        } else if let Some((_, _, before)) = hunks.last_mut()
            && let Some(line) = line.strip_prefix([' ', '-'])
            && !line.starts_with("-- ")
        {
            before.push_str(line);
            before.push('\n');
        }
    }
    if hunks.is_empty() {
        broken.push(patch.at(1, "changes nothing"));
    }
    for (number, file, before) in hunks {
        if !file.contains(&before) {
            broken.push(
                patch.at(number, "no longer applies: write it anew for what the file is now"),
            );
        }
    }
    broken
}

#[test]
fn planted_patches_that_do_not_apply_are_found() {
    let read = |path: &str| match path {
        "src/a.rs" => "one\ntwo\nthree\n".to_string(),
        _ => String::new(),
    };
    let hunk = "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";
    let other = hunk.replace("-two", "-zwei");
    let gone = hunk.replace("src/a.rs", "src/b.rs");
    let table = [
        (format!("Two is not two.\n{hunk}"), 0),
        (hunk.to_string(), 1),
        (format!("Two is not two.\n{other}"), 1),
        (format!("Two is not two.\n{gone}"), 1),
        ("Two is not two.\n".to_string(), 1),
    ];
    for (text, expected) in table {
        assert_eq!(problems(&Source::new("a.patch", &text), read).len(), expected, "{text}");
    }
}
