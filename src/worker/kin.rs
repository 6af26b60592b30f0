//! Finds and kills an executor and everything that it has started, wherever those processes have gone.
//!
//! A process group is not enough: who calls setsid(2) leaves it. A control group is left by nobody, and where this
//! process may make none, a variable in the environment is inherited by all but those who mean to hide.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal, test_kill_process,
};

use super::Limiter;

/// Environment variable that marks every executor with a value of its own.
pub(super) const VARIABLE: &str = "GRISTMILL_EXECUTOR";
/// Rounds of killing. Processes that fork faster than this escape.
const KILL_ROUNDS_MAX: usize = 50;
/// Pause before the last look, since a process shows no environment during execve(2).
const LAST_LOOK_AFTER: Duration = Duration::from_millis(5);
/// Tries to remove a group whose killed processes have not died yet, and the pause between them: one second in all.
const REMOVE_TRIES_MAX: usize = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

/// Makes the executors of this process distinct.
static EXECUTORS: AtomicU64 = AtomicU64::new(0);

/// One executor and all processes that it starts.
#[derive(Debug)]
pub(super) struct Kin {
    name: String,
    group: Option<Group>,
}

impl Kin {
    /// Prepares for an executor that has not started. Fails only if a group must limit its memory and cannot.
    pub(super) fn create(limiter: &Limiter, limit_bytes: u64) -> io::Result<Self> {
        let number = EXECUTORS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let group = match Group::create(limiter, limit_bytes) {
            Err(_) if limit_bytes == 0 => None,
            created => created?,
        };
        Ok(Kin { name, group })
    }

    /// Returns the value of the executor's [`VARIABLE`].
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Adds the executor, and with it everything that it starts from now on.
    pub(super) fn add(&mut self, pid: u32) -> io::Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        match group.write("cgroup.procs", &pid.to_string()) {
            // No group is needed, since its memory is not limited.
            Err(_) if group.limit_bytes == 0 => {
                self.group = None;
                Ok(())
            }
            written => written,
        }
    }

    /// Returns its limit, if the kernel has killed one of its processes for exceeding it.
    pub(super) fn over_limit_bytes(&self) -> Option<u64> {
        self.group.as_ref().filter(|group| group.is_over()).map(|group| group.limit_bytes)
    }

    /// Kills all.
    pub(super) fn kill(&self) {
        match &self.group {
            Some(group) => group.kill(),
            None => kill_marked(&format!("{VARIABLE}={}", self.name)),
        }
    }
}

/// Kills all processes that have this in their environment.
fn kill_marked(mark: &str) {
    let mut is_last = false;
    for _ in 0..KILL_ROUNDS_MAX {
        let mut found = false;
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
        for pid in processes.filter_map(number).filter_map(Pid::from_raw) {
            // Held before it is looked at, so that the number cannot become another's in between.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            let environment = format!("/proc/{}/environ", pid.as_raw_nonzero());
            // A dead process has none.
            let has_mark = fs::read(environment).is_ok_and(|variables| {
                variables.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
            });
            if has_mark {
                found = true;
                let _killed_or_gone = pidfd_send_signal(process, Signal::KILL);
            }
        }
        match (found, is_last) {
            (true, _) => is_last = false,
            (false, false) => {
                is_last = true;
                thread::park_timeout(LAST_LOOK_AFTER);
            }
            (false, true) => return,
        }
    }
}

/// A control group of one executor, removed when dropped.
#[derive(Debug)]
pub(super) struct Group {
    folder: PathBuf,
    is_second_version: bool,
    /// 0: not limited.
    limit_bytes: u64,
}

impl Group {
    /// Creates a group with this limit. Returns `None` if the limiter uses none.
    pub(super) fn create(limiter: &Limiter, limit_bytes: u64) -> io::Result<Option<Self>> {
        let Some((parent, is_second_version)) = parent(limiter) else { return Ok(None) };
        let number = EXECUTORS.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Group { folder, is_second_version, limit_bytes };
        if limit_bytes > 0 {
            group.limit()?;
        }
        Ok(Some(group))
    }

    fn limit(&self) -> io::Result<()> {
        let bytes = self.limit_bytes.to_string();
        if self.is_second_version {
            self.write("memory.max", &bytes)?;
            self.write("memory.oom.group", "1")?;
        } else {
            self.write("memory.limit_in_bytes", &bytes)?;
        }
        // Swap would hide that the limit is reached. A kernel without swap has no such file.
        let swap =
            if self.is_second_version { ("memory.swap.max", 0) } else { ("memory.swappiness", 0) };
        let _no_swap_to_limit = self.write(swap.0, &swap.1.to_string());
        Ok(())
    }

    /// Kills what killed workers have left in their groups.
    pub(super) fn sweep(limiter: &Limiter) {
        let Some((parent, is_second_version)) = parent(limiter) else { return };
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
            let owner = owner.and_then(|(pid, _)| Pid::from_raw(pid.parse().ok()?));
            if owner.is_some_and(|owner| test_kill_process(owner) == Err(rustix::io::Errno::SRCH)) {
                Group { folder: entry.path(), is_second_version, limit_bytes: 0 }.kill();
            }
        }
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        // Not `fs::write`, which would create a missing file.
        let mut file = fs::File::options().write(true).open(self.folder.join(name))?;
        io::Write::write_all(&mut file, value.as_bytes())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Whether the kernel has killed a process in the group for exceeding the limit.
    fn is_over(&self) -> bool {
        let name = if self.is_second_version { "memory.events" } else { "memory.oom_control" };
        let kills = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok();
        self.read(name).lines().find_map(kills).is_some_and(|kills| kills > 0)
    }

    /// Kills all processes in the group.
    fn kill(&self) {
        if self.is_second_version && self.write("cgroup.kill", "1").is_ok() {
            return;
        }
        for _ in 0..KILL_ROUNDS_MAX {
            let members = self.read("cgroup.procs");
            let pids = members.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?));
            let mut is_empty = true;
            for pid in pids {
                is_empty = false;
                let _killed_or_gone = kill_process(pid, Signal::KILL);
            }
            if is_empty {
                return;
            }
        }
    }
}

/// Prefix of the names of groups; the worker's process id follows.
const PREFIX: &str = "gristmill-";

/// Returns where groups are created, and whether they are of version 2.
fn parent(limiter: &Limiter) -> Option<(&Path, bool)> {
    match limiter {
        Limiter::CgroupV1 { parent } => Some((parent, false)),
        Limiter::CgroupV2 { parent } => Some((parent, true)),
        Limiter::Sampled | Limiter::Not => None,
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..REMOVE_TRIES_MAX {
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
            // Its killed processes have not died yet. If they never do, the next worker here finds the group.
            thread::park_timeout(REMOVE_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use super::*;

    /// Returns the signal that killed a child, or `None` if it survives.
    fn signal_of(child: &mut Child) -> Option<i32> {
        let mut ended = None;
        for _ in 0..2_000 {
            ended = child.try_wait().unwrap();
            if ended.is_some() {
                break;
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        ended?.signal()
    }

    #[test]
    fn without_a_group_children_are_found_by_their_environment_wherever_they_have_gone() {
        let kin = Kin::create(&Limiter::Not, 0).unwrap();
        let other = Kin::create(&Limiter::Not, 0).unwrap();
        let child = |of: &Kin| {
            let mut command = Command::new("setsid");
            command.args(["sleep", "600"]).env(VARIABLE, of.name()).spawn().unwrap()
        };
        let (mut own, mut others) = (child(&kin), child(&other));
        kin.kill();
        assert_eq!(signal_of(&mut own), Some(9));
        assert_eq!(others.try_wait().unwrap(), None);
        other.kill();
        assert_eq!(signal_of(&mut others), Some(9));
    }
}
