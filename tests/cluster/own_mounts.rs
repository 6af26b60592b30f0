//! Starts a test again in a process with its own mount namespace, so that its mounts disappear when it ends.

use std::path::PathBuf;
use std::process::Command;

use crate::commands::{Result, alone};

/// A file that the second run creates beside its folder.
const SIGN: &str = "ran";

/// Returns the folder of a test that runs with its own mounts, or `None` if it does not run with them yet. Creates a
/// file as a sign that it runs.
pub(crate) fn inside(variable: &str) -> Result<Option<PathBuf>> {
    let Some(folder) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(None) };
    std::fs::write(folder.with_file_name(SIGN), "")?;
    Ok(Some(folder))
}

/// Runs the calling test again, for at most `seconds`, with its own mounts. There [`inside`] returns a temporary
/// folder for this variable. Needs root.
pub(crate) fn with_own_mounts(variable: &str, seconds: u64) -> Result {
    let _one = alone();
    let thread = std::thread::current();
    let test = thread.name().ok_or("a test has a name")?;
    let root = tempfile::tempdir()?;
    let folder = root.path().join("inside");
    std::fs::create_dir(&folder)?;
    let status = Command::new("timeout")
        .args(["-k", "5", &seconds.to_string(), "unshare", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(variable, &folder)
        .env("TMPDIR", &folder)
        .status()?;
    assert!(status.success(), "{status}; mounting needs root");
    assert!(root.path().join(SIGN).exists(), "`{test}` did not run again");
    Ok(())
}
