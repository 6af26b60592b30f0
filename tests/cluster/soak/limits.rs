//! Lowers limits of a running process for a while, and measures the resources that a process uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::faults::pass;
use crate::commands::Result;
use crate::leftovers::{children, executors};

/// Descriptors that a limited process may open in addition to those it already has.
const DESCRIPTORS_MORE: u64 = 1;
/// Largest file that a process with a limited file size may write.
const FILE_BYTES_MAX: u64 = 4 << 10;

/// Processes and threads that a limited worker may start.
const PROCESSES_MORE: u64 = 2;
/// Folder of control groups that limit processes, in version 1.
const GROUPS: &str = "/sys/fs/cgroup/pids";
/// Number of tries to remove a control group.
const LOOKS_MAX: u32 = 500;

/// The resource that is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Descriptors,
    FileSize,
}

/// A process with a lowered limit.
#[derive(Debug)]
pub(crate) struct Limited {
    pid: u32,
    flag: &'static str,
    /// The limit before, in the notation of `prlimit`.
    before: String,
}

impl Limited {
    /// Lowers the soft limit of a process. The executors that it starts inherit it.
    pub(crate) fn set(pid: u32, limit: Limit) -> Result<Self> {
        let (flag, lowered) = match limit {
            Limit::Descriptors => ("--nofile", descriptors(pid) + DESCRIPTORS_MORE),
            Limit::FileSize => ("--fsize", FILE_BYTES_MAX),
        };
        let pid_flag = format!("--pid={pid}");
        let shown = Command::new("prlimit")
            .args([&pid_flag, flag, "--output=SOFT", "--noheadings", "--raw"])
            .output()?;
        let before = String::from_utf8(shown.stdout)?.trim().to_owned();
        let limited = Self { pid, flag, before };
        limited.apply(&lowered.to_string());
        Ok(limited)
    }

    fn apply(&self, soft: &str) {
        let Self { pid, flag, .. } = self;
        // The process may have ended.
        let _limited_or_gone = Command::new("prlimit")
            .args([format!("--pid={pid}"), format!("{flag}={soft}:")])
            .output();
    }

    /// Restores the limit.
    pub(crate) fn lift(self) {
        self.apply(&self.before);
    }
}

/// A control group that limits the processes and threads of a worker. `RLIMIT_NPROC` does not bind root.
#[derive(Debug)]
pub(crate) struct Grouped(PathBuf);

impl Grouped {
    /// Limits a worker and its executors to a few more processes and threads. Returns `None` without control groups of
    /// version 1.
    pub(crate) fn set(pid: u32) -> Option<Self> {
        let group = Path::new(GROUPS).join(format!("gristmill-soak-{pid}"));
        fs::create_dir(&group).ok()?;
        let grouped = Self(group);
        let below = children(pid).and_then(|it| Ok([it, executors(pid)?].concat()));
        let joined = below.is_ok_and(|below| {
            let mut members = std::iter::once(pid).chain(below);
            members.all(|member| grouped.write("cgroup.procs", &member.to_string()))
        });
        let now = fs::read_to_string(grouped.0.join("pids.current")).unwrap_or_default();
        let most = now.trim().parse().unwrap_or(0) + PROCESSES_MORE;
        if joined && grouped.write("pids.max", &most.to_string()) {
            return Some(grouped);
        }
        grouped.lift();
        None
    }

    fn write(&self, file: &str, text: &str) -> bool {
        fs::write(self.0.join(file), text).is_ok()
    }

    /// Moves all members out, and removes the group.
    pub(crate) fn lift(self) {
        self.write("pids.max", "max");
        // Executors may start in the meantime.
        for _ in 0..LOOKS_MAX {
            let members = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
            for member in members.lines() {
                let _moved_or_gone = fs::write(Path::new(GROUPS).join("cgroup.procs"), member);
            }
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            pass(Duration::from_millis(20));
        }
    }
}

/// Returns how many descriptors a process has open.
pub(crate) fn descriptors(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |open| open.count() as u64)
}

/// Returns the anonymous memory of a process, in KiB.
pub(crate) fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
