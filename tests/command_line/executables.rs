//! Builds the job executables that the tests run, once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the folder of the job executables, and builds them if needed.
pub(crate) fn executables() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's executable has a path");
        // target/debug/deps/command_line-… and target/debug/wordcount
        let folder =
            test.ancestors().nth(2).expect("tests lie two folders below target").to_path_buf();
        let target = folder.parent().expect("profiles lie below target");
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--locked",
                "--offline",
                "--profile",
                "test",
                "-p",
                "wordcount",
                "-p",
                "join-orders",
                "-p",
                "find-lines",
                "-p",
                "terasort",
                "-p",
                "inverted-index",
            ])
            .arg("--target-dir")
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs this test, so it can be run");
        assert!(status.success(), "the job executables cannot be built");
        folder
    })
}
