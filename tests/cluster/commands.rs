//! Runs commands against a cluster, in a folder of their own, and reads their output.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::dev::send;
use crate::faults::Faults;

/// Result of a test.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The `gristmill` command that was built with these tests.
pub(crate) const GRISTMILL: &str = env!("CARGO_BIN_EXE_gristmill");

/// Time limit of a command that ends by itself; generous enough for a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

/// Exit code of a command that found no leader.
const UNAVAILABLE: i32 = 4;

/// Returns a lock that each test with a cluster of real processes holds, so that no two of them run at the same time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs commands against one cluster.
pub(crate) struct Commands {
    address: String,
    faults: Faults,
    folder: TempDir,
    /// How often a command that found no leader is repeated.
    repeats: Cell<u32>,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Ended { code: output.status.code(), stdout, stderr }
    }
}

impl Commands {
    /// Returns commands for the cluster of the master at this address.
    pub(crate) fn new(address: String, folder: TempDir) -> Self {
        Self { address, faults: Faults::new(), folder, repeats: Cell::new(0) }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the record of the cluster's jobs.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Sets the new address of a cluster that was restarted.
    pub(crate) fn moved(&mut self, address: String) {
        self.address = address;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a `gristmill` command with these arguments, for this cluster, that runs in its folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(GRISTMILL);
        command
            .args(arguments)
            .env("GRISTMILL_CLUSTER", &self.address)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Returns a command that runs a shell line on a terminal, in the folder of this cluster. The terminal's output is
    /// on standard output.
    pub(crate) fn script(&self, line: &str) -> Command {
        let mut command = Command::new("script");
        command
            .args(["-q", "-e", "-f", "-c", line, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("GRISTMILL_CLUSTER", &self.address)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (pid, (sender, receiver)) = (child.id(), channel());
        std::thread::spawn(move || {
            let _told_or_given_up = sender.send(child.wait_with_output());
        });
        if let Ok(output) = receiver.recv_timeout(ENDS_WITHIN) {
            return Ok(output?.into());
        }
        send("KILL", pid)?;
        Err(format!("{arguments:?} has not ended within {} s", ENDS_WITHIN.as_secs()).into())
    }

    /// From now on, repeats commands that find no leader. Each tries for five seconds.
    pub(crate) fn repeat(&self, times: u32) {
        self.repeats.set(times);
    }

    /// Runs a command, and repeats it if it finds no leader. The command must be safe to repeat.
    pub(crate) fn run_again(&self, arguments: &[&str]) -> Result<Ended> {
        for _ in 0..self.repeats.get() {
            let ended = self.run(arguments)?;
            if ended.code != Some(UNAVAILABLE) {
                return Ok(ended);
            }
        }
        self.run(arguments)
    }

    /// Runs a command that must succeed and writes JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let ended = self.run_again(&[arguments, &["--format", "json"]].concat())?;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        Ok(serde_json::from_str(&ended.stdout)?)
    }

    /// Writes an input of this many lines.
    pub(crate) fn input(&self, lines: usize) -> Result {
        let line = |number: usize| format!("the {} and the other\n", number % 100);
        Ok(fs::write(self.path("in.txt"), (0..lines).map(line).collect::<String>())?)
    }

    /// Returns the bytes of all parts in a folder, in order.
    pub(crate) fn parts(&self, folder: &str) -> Result<Vec<u8>> {
        let ended = self.command(&["cat", folder]).output()?;
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        Ok(ended.stdout)
    }
}
