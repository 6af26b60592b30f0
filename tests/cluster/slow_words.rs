//! Builds the job that takes its time, and says how it is called.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Lines of the input, of about a hundred bytes.
pub(crate) const LINES: usize = 2_100;
/// Different words in it.
const WORDS: usize = 48;

/// The path of the executable, which is built if it is not.
pub(crate) fn executable() -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let test = std::env::current_exe().expect("this test is a file");
        // target/debug/deps/cluster-… and target/debug/examples/slow_words
        let folder = test.ancestors().nth(2).expect("tests lie two folders below target");
        let target = folder.parent().expect("profiles lie below target");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--offline", "--profile", "test", "--all-features"])
            .args(["--example", "slow_words", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs this test, so it can be run");
        assert!(status.success(), "the job executable cannot be built");
        folder.join("examples/slow_words")
    });
    built.display().to_string()
}

/// An input of words that all occur in every part of it.
pub(crate) fn input() -> String {
    let word = |line: usize, place: usize| format!("word-{}", (line * 7 + place * 5) % WORDS);
    let line = |line: usize| (0..13).map(|place| word(line, place)).collect::<Vec<_>>().join(" ");
    (0..LINES).map(|number| line(number) + "\n").collect()
}
