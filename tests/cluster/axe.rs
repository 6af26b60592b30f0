//! Checks pages for accessibility, with axe-core.
//!
//! axe-core is downloaded once per target folder, with a fixed version and checksum, and is not part of the product.
//! It comes from a Python wheel, because installing pip needs only a few Debian packages, while npm needs 335.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::browser::{Browser, target};
use crate::commands::Result;

const VERSION: &str = "4.12.1";
/// The PyPI package that contains axe, in the version below.
const PACKAGE: &str = "axe-playwright-python";
const PACKAGE_VERSION: &str = "0.1.8";
/// Checksum of `axe.min.js`.
const SHA512: &str = "b3c14bebe414ee827a275f296a0e38b6330b3c7c43effe1d14ea2260f62467c51235e4d48eeed41759039cfbf45108bb1863a8295a5c16b2291a7f96c869a251";
/// Time limit of the download.
const FETCHED_WITHIN_SECONDS: &str = "120";

/// Script that runs in the page and returns the serious and critical violations.
const LOOK: &str = "
    const answer = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then((found) => answer({
        looked: found.passes.length,
        bad: found.violations
            .filter((it) => it.impact === 'serious' || it.impact === 'critical')
            .map((it) => it.id + ': ' + it.help + '; ' + it.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | ')),
    }), (error) => answer({ looked: 0, bad: [String(error)] }));";

/// The script that checks a page.
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

    /// Fails if the open page has a serious or critical violation.
    pub(crate) fn check(&self, browser: &Browser, what: &str) -> Result {
        browser.run(&format!("{}\nreturn typeof axe", self.script))?;
        let found = browser.run_async(LOOK)?;
        assert_eq!(found["bad"], Value::Array(Vec::new()), "{what}");
        assert!(found["looked"].as_u64() > Some(10), "{what}: too few checks: {found}");
        Ok(())
    }
}

/// Downloads the whole script into this folder, or nothing.
fn fetch(folder: &Path) -> Result {
    let fetched = tempfile::tempdir_in(folder)?;
    let package = format!("{PACKAGE}=={PACKAGE_VERSION}");
    let pip = ["pip3", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let mut download = Command::new("timeout");
    download.args(["-k", "5", FETCHED_WITHIN_SECONDS]).args(pip).arg(package);
    said(download.current_dir(&fetched))?;
    // A wheel is a zip file.
    let name = PACKAGE.replace('-', "_");
    let wheel = format!("{name}-{PACKAGE_VERSION}-py3-none-any.whl");
    said(Command::new("python3").args(["-m", "zipfile", "-e", &wheel, "."]).current_dir(&fetched))?;
    let script = fetched.path().join(name).join("axe.min.js");
    Ok(fs::rename(script, folder.join("axe.min.js"))?)
}

/// Returns the output of a command, which must succeed.
fn said(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let (why, what) = (String::from_utf8_lossy(&output.stderr), output.status);
        return Err(format!("{command:?}: {what}: {why}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
