//! Runs job executables in a folder of the test's own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::executables::executables;

/// Result of a test.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A folder with some files for command lines.
pub(crate) struct Place {
    folder: TempDir,
}

/// How a program ended.
pub(crate) struct Ended {
    /// Exit code, or `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("in.txt"), "a b a\n")?;
        Ok(Place { folder })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a command that runs a program in this folder, with its input closed.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(executables().join(name));
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env("TMPDIR", self.folder.path());
        command
    }

    /// Runs a shell line in which `$JOBS` is the folder of the executables.
    pub(crate) fn shell(&self, line: &str) -> Result<Ended> {
        let mut shell = Command::new("bash");
        shell.args(["-c", line]).env("JOBS", executables()).env("TMPDIR", self.folder.path());
        Ok(shell.current_dir(self.folder.path()).stdin(Stdio::null()).output()?.into())
    }

    /// Returns the names of all entries of the folder, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.folder.path())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}
