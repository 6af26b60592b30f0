//! Compiles a job's source with the libraries that cargo has built.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that an author's job names.
const CRATES: [&str; 3] = ["clap", "gristmill", "serde"];

/// The compiler and the libraries, as they were built for the jobs.
pub(crate) struct Rustc {
    libraries: Vec<(String, PathBuf)>,
}

impl Rustc {
    /// Builds the libraries with cargo if needed, and asks cargo where they are.
    pub(crate) fn find() -> Self {
        let test = std::env::current_exe().expect("the test's executable has a path");
        // target/debug/deps/compiler-…
        let target = test.ancestors().nth(3).expect("tests lie three folders below target");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--offline", "--profile", "test", "-p", "wordcount"])
            .args(["--message-format", "json", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs this test, so it can be run");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8(built.stdout).expect("cargo writes JSON");
        let libraries: Vec<(String, PathBuf)> = messages.lines().filter_map(library).collect();
        let mut names: Vec<&str> = libraries.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, CRATES, "each is built once");
        Rustc { libraries }
    }

    /// Returns the compiler's messages about this program, or nothing if it compiles.
    pub(crate) fn says(&self, program: &str, folder: &Path) -> String {
        let file = folder.join("main.rs");
        std::fs::write(&file, program).expect("the test's folder can be written to");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "--emit", "metadata", "--out-dir"]).arg(folder);
        for (name, path) in &self.libraries {
            let deps = path.with_file_name("deps");
            let deps = if deps.is_dir() { deps } else { path.with_file_name("") };
            rustc.arg("-L").arg(format!("dependency={}", deps.display()));
            rustc.arg("--extern").arg(format!("{name}={}", path.display()));
        }
        let output = rustc.arg(&file).output().expect("where cargo is, there is rustc");
        String::from_utf8(output.stderr).expect("the compiler writes UTF-8")
    }
}

/// Returns the name and file of a library that an author's job names, if this message of cargo is about one.
fn library(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).expect("cargo writes a message per line");
    let name = message["target"]["name"].as_str()?;
    let mut files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    let file = files.find(|file| file.ends_with(".rlib"))?;
    CRATES.contains(&name).then(|| (name.into(), file.into()))
}
