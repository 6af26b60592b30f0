//! Looks for what keeps people with a screen reader, without a mouse or with weak eyes from using a page: by axe-core.
//!
//! It is fetched once for each target folder, by its version and held to its checksum, and is no part of what we ship.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::browser::{Browser, target};
use crate::commands::Result;

const VERSION: &str = "4.14.1";
/// Of `axe.min.js`.
const SHA512: &str = "e63e659f9806d7ae5bd40899043b0871a5062c5442b01b3f1a3edf5eaf50bf5c3a7104a72463293b4ad1b77c661a0d4e40e850dec89de9d6ece70a8c13a9af17";
/// How long it may take to be fetched.
const FETCHED_WITHIN_SECONDS: &str = "120";

/// Runs in the page, and answers what it has found that is at least serious.
const LOOK: &str = "
    const answer = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then((found) => answer({
        looked: found.passes.length,
        bad: found.violations
            .filter((it) => it.impact === 'serious' || it.impact === 'critical')
            .map((it) => it.id + ': ' + it.help + '; ' + it.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | ')),
    }), (error) => answer({ looked: 0, bad: [String(error)] }));";

/// The script that looks.
pub(crate) struct Axe {
    script: String,
}

impl Axe {
    pub(crate) fn fetch() -> Result<Self> {
        let folder = target().join(format!("axe-core-{VERSION}"));
        let file = folder.join("axe.min.js");
        if !file.exists() {
            fs::create_dir_all(&folder)?;
            fetch(&folder)?;
        }
        let sum = said(Command::new("sha512sum").arg(&file))?;
        let sum = sum.split(' ').next().unwrap_or_default();
        if sum != SHA512 {
            fs::remove_file(&file)?;
            return Err(format!("axe-core {VERSION} has the checksum {sum}, not {SHA512}").into());
        }
        Ok(Self { script: fs::read_to_string(file)? })
    }

    /// Nothing on the page that is open is serious or worse.
    pub(crate) fn check(&self, browser: &Browser, what: &str) -> Result {
        browser.run(&format!("{}\nreturn typeof axe", self.script))?;
        let found = browser.run_async(LOOK)?;
        assert_eq!(found["bad"], Value::Array(Vec::new()), "{what}");
        assert!(found["looked"].as_u64() > Some(10), "{what}: it has looked: {found}");
        Ok(())
    }
}

/// Gets the script into this folder, all of it or not at all.
fn fetch(folder: &Path) -> Result {
    let fetched = tempfile::tempdir_in(folder)?;
    let package = format!("axe-core@{VERSION}");
    let npm = ["-k", "5", FETCHED_WITHIN_SECONDS, "npm", "pack", "--silent", &package];
    said(Command::new("timeout").args(npm).current_dir(&fetched))?;
    let name = format!("axe-core-{VERSION}.tgz");
    let unpack = ["--strip-components=1", "-xzf", &name, "package/axe.min.js"];
    said(Command::new("tar").args(unpack).current_dir(&fetched))?;
    Ok(fs::rename(fetched.path().join("axe.min.js"), folder.join("axe.min.js"))?)
}

/// What a command prints that must succeed.
fn said(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let (why, what) = (String::from_utf8_lossy(&output.stderr), output.status);
        return Err(format!("{command:?}: {what}: {why}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
