//! Tests that a job never reads what it writes.

use std::os::unix::fs::symlink;

use super::*;

fn check(root: &Path, inputs: &[&str], out: &str) -> String {
    let inputs: Vec<PathBuf> = inputs.iter().map(|input| root.join(input)).collect();
    match refuse_overlap(&list(&inputs).unwrap(), &root.join(out)) {
        Ok(()) => "fine".to_owned(),
        Err(e) => e.to_string().replace(root.to_str().unwrap(), "ROOT"),
    }
}

#[test]
fn an_overlap_is_refused_naming_both_paths_even_through_links() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    touch(root, &["in/a/1", "in/b/2", "out/part-00000", "elsewhere/3"]);
    symlink("in", root.join("link")).unwrap();
    symlink("../elsewhere", root.join("in/far")).unwrap();
    let inside = |out: &str, input: &str| {
        format!(
            "output lies inside an input: ROOT/{out} is inside ROOT/{input}\nhint: choose an output outside the input"
        )
    };

    assert_eq!(check(root, &["in"], "out"), "fine");
    assert_eq!(check(root, &["in/a/1"], "in/new"), "fine");
    assert_eq!(check(root, &["in/a/*"], "in/a/new"), "fine");
    assert_eq!(check(root, &["in"], "in/.out"), "fine");
    assert_eq!(check(root, &["in"], "in2"), "fine");

    assert_eq!(
        check(root, &["in"], "in"),
        "input and output are the same: ROOT/in and ROOT/in\nhint: choose another output"
    );
    assert!(
        check(root, &["in"], "link")
            .starts_with("input and output are the same: ROOT/in and ROOT/link")
    );
    assert!(check(root, &["in/a/1"], "in/a/1").starts_with("input and output are the same"));
    assert_eq!(check(root, &["in"], "in/new"), inside("in/new", "in"));
    assert_eq!(check(root, &["in"], "link/a/new"), inside("link/a/new", "in"));
    assert_eq!(check(root, &["in"], "elsewhere/new"), inside("elsewhere/new", "in/far"));
    assert_eq!(check(root, &["*"], "in/a/new"), inside("in/a/new", "in"));

    let input_inside = "input lies inside the output: ROOT/out/part-00000 is inside ROOT/out\nhint: choose another output";
    assert_eq!(check(root, &["out/*"], "out"), input_inside);
    assert!(
        check(root, &["in/a"], "in")
            .starts_with("input lies inside the output: ROOT/in/a/1 is inside ROOT/in")
    );
}
