//! Starts `gristmill dev`, runs commands against it, and sees to it that nothing of it is left.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::executables::executables;

/// What a test returns.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Clusters of real processes do not run beside each other.
static ONE: Mutex<()> = Mutex::new(());

/// The command that was built with these tests.
const GRISTMILL: &str = env!("CARGO_BIN_EXE_gristmill");

/// A cluster that is ready.
pub(crate) struct Dev {
    process: Child,
    /// What it goes on to say.
    _said: Lines<BufReader<ChildStdout>>,
    address: String,
    /// The processes that it has named, masters first.
    pub(crate) pids: Vec<u32>,
    folder: TempDir,
    _one: MutexGuard<'static, ()>,
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

impl Dev {
    /// A master and two workers with a slot each.
    pub(crate) fn start() -> Result<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir()?;
        let mut process = Command::new(GRISTMILL)
            .args(["dev", "--workers", "2", "--slots", "1", "--data"])
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let mut pids = Vec::new();
        let address = loop {
            let line = said.next().ok_or("the cluster ended before it was ready")??;
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["ready", address] => break address.to_owned(),
                ["master", "1", _, "pid", pid] | ["worker", _, "pid", pid] => {
                    pids.push(pid.parse()?)
                }
                _ => return Err(format!("not what forms say: {line}").into()),
            }
        };
        Ok(Dev { process, _said: said, address, pids, folder, _one: one })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of a job executable.
    pub(crate) fn job(name: &str) -> String {
        executables().join(name).display().to_string()
    }

    /// `gristmill` with these arguments, about this cluster, in its folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(GRISTMILL);
        command
            .args(arguments)
            .env("GRISTMILL_CLUSTER", &self.address)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        Ok(self.command(arguments).output()?.into())
    }

    /// Runs a command that must succeed and writes JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let ended = self.run(&[arguments, &["--format", "json"]].concat())?;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        Ok(serde_json::from_str(&ended.stdout)?)
    }

    /// Writes an input of so many lines.
    pub(crate) fn input(&self, lines: usize) -> Result {
        let line = |number: usize| format!("the {} and the other\n", number % 100);
        Ok(fs::write(self.path("in.txt"), (0..lines).map(line).collect::<String>())?)
    }

    /// The bytes of all parts in a folder, in order.
    pub(crate) fn parts(&self, folder: &str) -> Result<Vec<u8>> {
        let ended = self.command(&["cat", folder]).output()?;
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        Ok(ended.stdout)
    }

    /// Sends a signal to the process that started all, and waits for its end.
    pub(crate) fn end(&mut self, signal: &str) -> Result<Option<i32>> {
        send(signal, self.process.id())?;
        Ok(self.process.wait()?.code())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _gone_or_not = self.process.kill();
        let _reaped_or_not = self.process.wait();
    }
}

/// Sends a signal, as a shell does.
pub(crate) fn send(signal: &str, pid: u32) -> Result {
    let sent = Command::new("bash").args(["-c", &format!("kill -{signal} {pid}")]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("kill -{signal} {pid}: {sent}").into()) }
}

/// Whether a process is there and no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
