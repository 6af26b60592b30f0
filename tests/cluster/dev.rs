//! Starts `gristmill dev`, runs commands against it, and checks that it leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::MutexGuard;

use crate::commands::{Commands, GRISTMILL, alone};
use crate::executables::executables;

pub(crate) use crate::commands::Result;

/// The remaining output of a process.
type StdoutLines = Lines<BufReader<ChildStdout>>;

/// A started process, and what it has printed.
struct Launched {
    process: Child,
    said: StdoutLines,
    address: String,
    pids: Vec<u32>,
    webs: Vec<String>,
}

/// A cluster that is ready.
pub(crate) struct Dev {
    process: Child,
    /// The remaining output of the process.
    _said: StdoutLines,
    commands: Commands,
    /// Ids of the processes that it has printed, masters first.
    pub(crate) pids: Vec<u32>,
    /// Addresses of the masters' web pages.
    pub(crate) webs: Vec<String>,
    masters: &'static str,
    _one: MutexGuard<'static, ()>,
}

impl Deref for Dev {
    type Target = Commands;

    fn deref(&self) -> &Commands {
        &self.commands
    }
}

impl Dev {
    /// Starts a master and two workers with one slot each.
    pub(crate) fn start() -> Result<Self> {
        Self::start_masters("1")
    }

    /// Starts this many masters and two workers with one slot each.
    pub(crate) fn start_masters(masters: &'static str) -> Result<Self> {
        let one = alone();
        let folder = tempfile::tempdir()?;
        let launched = Self::launch(&folder.path().join("data"), masters)?;
        let Launched { process, said, address, pids, webs } = launched;
        let commands = Commands::new(address, folder);
        Ok(Dev { process, _said: said, commands, pids, webs, masters, _one: one })
    }

    /// Restarts the cluster with the same folder, after it has ended.
    pub(crate) fn start_again(&mut self) -> Result {
        let launched = Self::launch(&self.path("data"), self.masters)?;
        let Launched { process, said, address, pids, webs } = launched;
        self.commands.moved(address);
        (self.process, self._said, self.pids, self.webs) = (process, said, pids, webs);
        Ok(())
    }

    fn launch(data: &Path, masters: &str) -> Result<Launched> {
        let mut process = Command::new(GRISTMILL)
            .args(["dev", "--masters", masters, "--workers", "2", "--slots", "1", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let (mut pids, mut webs) = (Vec::new(), Vec::new());
        let address = loop {
            let line = said.next().ok_or("the cluster ended before it was ready")??;
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["ready", address] => break address.to_owned(),
                ["web", url] => webs.push(url.trim_start_matches("http://").to_owned()),
                ["master", _, _, "pid", pid] | ["worker", _, "pid", pid] => pids.push(pid.parse()?),
                _ => return Err(format!("not what forms say: {line}").into()),
            }
        };
        Ok(Launched { process, said, address, pids, webs })
    }

    /// Returns the path of a job executable.
    pub(crate) fn job(name: &str) -> String {
        executables().join(name).display().to_string()
    }

    /// Sends a signal to the process that started the cluster, and waits until it ends.
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

/// Sends a signal, as the shell's `kill` does.
pub(crate) fn send(signal: &str, pid: u32) -> Result {
    send_all(signal, &[pid])
}

/// Sends a signal to all of these processes at practically the same time.
pub(crate) fn send_all(signal: &str, pids: &[u32]) -> Result {
    let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let sent = Command::new("bash").args(["-c", &format!("kill -{signal} {pids}")]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("kill -{signal} {pids}: {sent}").into()) }
}

/// Returns whether a process exists and is not a zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
