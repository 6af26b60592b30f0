//! Finds and kills an executor and every process that it has started, even one that has left its process group.
//!
//! Killing a process group is not enough, because a process that calls setsid(2) leaves its process group. A process
//! cannot leave its control group, so each executor gets its own if the worker can create control groups. Otherwise
//! the worker finds the processes below the executor's supervisor by their parent process ids. If the supervisor has
//! died, the worker finds its former processes by a variable in their environment.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal, test_kill_process,
};

use super::memory::{Limiter, own_groups};
use crate::procfs::{self, Stat, began};

/// Environment variable that marks every executor with a value of its own.
pub(super) const VARIABLE: &str = "GRISTMILL_EXECUTOR";
/// Rounds of killing. Processes that fork faster than this escape.
const KILL_ROUNDS_MAX: usize = 50;
/// Pause before the last check, because a process shows no environment during execve(2).
const LAST_LOOK_AFTER: Duration = Duration::from_millis(5);
/// Tries to remove a group whose killed processes are not dead yet, and the pause between them: one second in all.
const REMOVE_TRIES_MAX: usize = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);
/// Limit that is written to test whether limits can be set.
const PROOF_BYTES: u64 = 1 << 30;

/// Distinguishes the executors of this process.
static EXECUTORS: AtomicU64 = AtomicU64::new(0);

/// One executor and all processes that it starts.
#[derive(Debug)]
pub(super) struct ProcessTree {
    name: String,
    group: Option<Group>,
    /// The process that the worker has started: the executor's supervisor, or the executor itself.
    root: Option<Pid>,
}

impl ProcessTree {
    /// Prepares for an executor that has not started. Fails only if its memory must be limited by a group, and no
    /// group can be created.
    pub(super) fn create(limiter: &Limiter, limit_bytes: u64) -> io::Result<Self> {
        let number = EXECUTORS.fetch_add(1, Ordering::Relaxed);
        let own = getpid();
        let began = began(own).unwrap_or(0);
        let name = format!("{}-{}-{began}-{number}", namespace(), own.as_raw_nonzero());
        let group = match Group::create(limiter, limit_bytes) {
            Err(_) if limit_bytes == 0 => None,
            created => created?,
        };
        Ok(ProcessTree { name, group, root: None })
    }

    /// Returns the value of the executor's [`VARIABLE`].
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Adds the executor, and with it everything that it starts from now on.
    pub(super) fn add(&mut self, pid: Pid) -> io::Result<()> {
        self.root = Some(pid);
        let Some(group) = &self.group else { return Ok(()) };
        match group.write("cgroup.procs", &pid.as_raw_nonzero().to_string()) {
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

    /// Kills all of them. Without a control group the root is only stopped, so that it cannot lose the processes below
    /// it. The root must not have been reaped.
    pub(super) fn kill(&self) {
        match &self.group {
            Some(group) => group.kill(),
            None => {
                if let Some(root) = self.root {
                    let _stopped_or_dead = kill_process(root, Signal::STOP);
                }
                kill_found(self.root, |mark| mark == self.name);
            }
        }
    }
}

/// Kills what executors of dead workers have left on this machine: processes whose mark names a worker that is gone.
pub(super) fn sweep() {
    let here = namespace();
    kill_found(None, |mark| {
        let mut parts = mark.split('-');
        // A process id from inside a container is meaningless here.
        let is_from_here = parts.next() == Some(&here);
        let owner = parts.next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
        let since = parts.next().and_then(|since| since.parse::<u64>().ok());
        // A mark of another form does not belong to a worker of this version.
        let known = owner.zip(since).filter(|_| is_from_here && parts.next().is_some());
        known.is_some_and(|(owner, since)| began(owner) != Some(since))
    });
}

/// Returns the identity of the PID namespace of this process, such as `4026531836`.
fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Returns the parent of a process that is not dead.
fn parent_of(pid: Pid) -> Option<i32> {
    Stat::read(pid).filter(|stat| stat.is_alive).map(|stat| stat.parent)
}

/// Returns the executor's mark in the environment with which a process was started.
fn mark_of(pid: Pid) -> Option<String> {
    // A dead process has no environment.
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    let mut variables = environment.split(|&byte| byte == 0);
    let mark = variables.find_map(|it| it.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(mark.to_vec()).ok()
}

/// Returns all processes that are not dead, with their parents.
fn parents() -> BTreeMap<i32, i32> {
    let process = |pid: Pid| Some((pid.as_raw_pid(), parent_of(pid)?));
    procfs::processes().filter_map(process).collect()
}

/// Returns a process's parent, the parent's parent, and so on.
fn above(pid: i32, parents: &BTreeMap<i32, i32>) -> impl Iterator<Item = i32> {
    let above = std::iter::successors(parents.get(&pid), |parent| parents.get(parent));
    // Processes start and end while they are listed, so the chain of parents could contain a cycle.
    above.take(parents.len()).copied()
}

/// Whether a process descends from another one.
fn is_below(root: Option<Pid>, pid: i32, parents: &BTreeMap<i32, i32>) -> bool {
    root.is_some_and(|root| above(pid, parents).any(|parent| parent == root.as_raw_pid()))
}

/// Kills all descendants of a root, and all processes whose mark matches, except the root and this process.
fn kill_found(root: Option<Pid>, is_meant: impl Fn(&str) -> bool) {
    let mut is_last = false;
    for _ in 0..KILL_ROUNDS_MAX {
        let parents = parents();
        let mut found = false;
        // Children before their parents, since a child whose parent is dead may belong to a process outside.
        let mut processes: Vec<(i32, i32)> = parents.iter().map(|(&pid, &of)| (pid, of)).collect();
        processes.sort_by_cached_key(|&(pid, _)| Reverse(above(pid, &parents).count()));
        for (number, parent) in processes {
            let Some(pid) = Pid::from_raw(number).filter(|&pid| pid != getpid()) else { continue };
            if Some(pid) == root {
                continue;
            }
            // Opened before the check, so that the process id cannot pass to another process in between.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            let is_child = is_below(root, number, &parents) && parent_of(pid) == Some(parent);
            if is_child || mark_of(pid).is_some_and(|mark| is_meant(&mark)) {
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

    /// Kills what is left in the groups of killed workers.
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

    /// Whether the kernel has killed a process in the group because it exceeded the limit.
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

impl Limiter {
    /// Returns the best method that this process can use.
    pub fn detect() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let parents = own_groups(&groups, &mounts);
        let usable = |limiter: &Self| {
            // Only writing a limit proves that it can be set.
            Group::create(limiter, PROOF_BYTES).is_ok_and(|group| group.is_some())
        };
        parents.into_iter().find(usable).unwrap_or(Self::Sampled)
    }
}

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
            // Its killed processes are not dead yet. If they never die, the next worker here finds the group.
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
    fn without_a_group_children_are_found_by_their_environment() {
        let tree = ProcessTree::create(&Limiter::Not, 0).unwrap();
        let other = ProcessTree::create(&Limiter::Not, 0).unwrap();
        let child = |of: &ProcessTree| {
            let mut command = Command::new("setsid");
            command.args(["sleep", "600"]).env(VARIABLE, of.name()).spawn().unwrap()
        };
        let (mut own, mut others) = (child(&tree), child(&other));
        sweep();
        tree.kill();
        assert_eq!(signal_of(&mut own), Some(9));
        assert_eq!(others.try_wait().unwrap(), None, "its worker lives");
        other.kill();
        assert_eq!(signal_of(&mut others), Some(9));
    }

    #[test]
    fn descendants_of_a_root_are_found_without_their_environment() {
        let mut tree = ProcessTree::create(&Limiter::Not, 0).unwrap();
        let script = "env -i setsid sleep 600 & env -i setsid sh -c 'sleep 600 & echo $! $$; wait'";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(std::process::Stdio::piped());
        let mut root = command.spawn().unwrap();
        tree.add(Pid::from_child(&root)).unwrap();
        let mut said = io::BufReader::new(root.stdout.take().unwrap());
        let mut line = String::new();
        io::BufRead::read_line(&mut said, &mut line).unwrap();
        tree.kill();
        for pid in line.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()) {
            let is_dead = || parent_of(pid).is_none();
            assert!((0..2_000).any(|_| is_dead() || {
                thread::park_timeout(REMOVE_PAUSE);
                false
            }));
        }
        assert_eq!(root.try_wait().unwrap(), None, "the root is stopped, and no more");
        root.kill().unwrap();
        assert_eq!(signal_of(&mut root), Some(9));
    }

    #[test]
    fn processes_of_a_dead_worker_are_swept() {
        let own = getpid();
        let mut began_before = Command::new("setsid");
        // The number belongs to a live process, but that one began later.
        let mark = format!("{}-{}-0", own.as_raw_nonzero(), began(own).unwrap() - 1);
        let own_mark = format!("{}-{mark}", namespace());
        let mut left = began_before.args(["sleep", "600"]).env(VARIABLE, own_mark).spawn().unwrap();
        let others = [format!("1-{mark}"), mark, "of-another-form".into()]
            .map(|mark| Command::new("sleep").arg("600").env(VARIABLE, mark).spawn().unwrap());
        sweep();
        assert_eq!(signal_of(&mut left), Some(9));
        for mut other in others {
            assert_eq!(other.try_wait().unwrap(), None, "a container's or another version's");
            other.kill().unwrap();
            other.wait().unwrap();
        }
    }
}
