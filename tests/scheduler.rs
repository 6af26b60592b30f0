//! Runs the golden scripts for the scheduler in `tests/scheduler/`. Each script tests one behaviour.
//!
//! A script consists of blocks of commands, each followed by `---` and the expected effects; `#` begins a comment.
//! `UPDATE_SCRIPTS=1` rewrites the scripts with the current effects. Review the changes before you keep them.
//!
//! `script.rs` describes the commands.

#[path = "scheduler/properties.rs"]
mod properties;
#[path = "scheduler/script.rs"]
mod script;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[test]
fn every_script_has_its_expected_effects() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scheduler");
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_none());
    paths.sort();
    assert!(paths.len() >= 12, "scripts are missing");

    let mut differences = String::new();
    for path in paths {
        let written = fs::read_to_string(&path)?;
        let found =
            script::run(&written).map_err(|error| format!("{}: {error}", path.display()))?;
        if found == written {
            continue;
        }
        if env::var_os("UPDATE_SCRIPTS").is_some() {
            fs::write(&path, found)?;
        } else {
            write!(differences, "{}\n{}", path.display(), diff(&written, &found))?;
        }
    }
    assert!(differences.is_empty(), "UPDATE_SCRIPTS=1 would accept this:\n{differences}");
    Ok(())
}

/// Returns a line-by-line diff of both texts: `-` for the written one, `+` for the found one.
fn diff(written: &str, found: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (written.lines().collect(), found.lines().collect());
    // common[i][j]: length of the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = String::new();
    while i < old.len() || j < new.len() {
        let (sign, text) = if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            (' ', old[i - 1])
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', old[i - 1])
        } else {
            j += 1;
            ('+', new[j - 1])
        };
        lines.push_str(&format!("{sign} {text}\n"));
    }
    lines
}
