//! Runs a test again in a process with its own mounts, which end with it.

use std::process::Command;

use crate::commands::{Result, alone};

/// Runs the calling test again, for at most `seconds`, with its own mounts. There the variable `inside` names an empty
/// temporary folder. Needs root.
pub(crate) fn with_own_mounts(inside: &str, seconds: u64) -> Result {
    let _one = alone();
    let thread = std::thread::current();
    let test = thread.name().ok_or("a test has a name")?;
    let folder = tempfile::tempdir()?;
    let status = Command::new("timeout")
        .args(["-k", "5", &seconds.to_string(), "unshare", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(inside, folder.path())
        .env("TMPDIR", folder.path())
        .status()?;
    assert!(status.success(), "{status}; mounting needs root");
    Ok(())
}
