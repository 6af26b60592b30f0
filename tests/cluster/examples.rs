//! Builds the jobs that only tests run, once for all tests of this executable.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of an example job's executable, and builds it if needed.
pub(crate) fn example(name: &str) -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's executable has a path");
        // target/debug/deps/cluster-… and target/debug/examples/odd
        let folder = test.ancestors().nth(2).expect("tests lie two folders below target");
        let target = folder.parent().expect("profiles lie below target");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--offline", "--profile", "test", "--all-features"])
            .args([
                "--example",
                "odd",
                "--example",
                "slow_words",
                "--example",
                "skewed",
                "--target-dir",
            ])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs this test, so it can be run");
        assert!(status.success(), "the job executables cannot be built");
        folder.join("examples")
    });
    folder.join(name).display().to_string()
}
