//! Limits the memory of an executor: by a control group where this process may make one, else by looking now and then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Signal, kill_process};

/// Rounds of killing what is in a group of version 1; a fork that outruns them is found by none.
const KILL_ROUNDS_MAX: usize = 50;

/// Makes names of groups distinct within this process.
static GROUPS: AtomicU64 = AtomicU64::new(0);

/// How memory is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limiter {
    /// By a control group of version 1 for each executor, below this one.
    CgroupV1 {
        /// This process's own group.
        parent: PathBuf,
    },
    /// By a control group of version 2 for each executor, below this one.
    CgroupV2 {
        /// This process's own group.
        parent: PathBuf,
    },
    /// By adding up the process group's anonymous memory now and then.
    Sampled,
    /// Not at all.
    Not,
}

impl Limiter {
    /// The best that this process may use.
    pub fn detect() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let parents = own_groups(&groups, &mounts);
        let usable = |limiter: &Limiter| {
            // Writing a limit is the proof that it can be done.
            Group::create(limiter, 1 << 30).is_ok_and(|group| group.is_some())
        };
        parents.into_iter().find(usable).unwrap_or(Limiter::Sampled)
    }

    /// As users see it.
    pub fn name(&self) -> &'static str {
        match self {
            Limiter::CgroupV1 { .. } => "cgroup v1",
            Limiter::CgroupV2 { .. } => "cgroup v2",
            Limiter::Sampled => "sampled",
            Limiter::Not => "not",
        }
    }
}

/// The groups that limit this process's memory, by what /proc/self/cgroup and /proc/self/mounts say.
fn own_groups(groups: &str, mounts: &str) -> Vec<Limiter> {
    let mount = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let [_, at, found, options, ..] = line.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            let has = option.is_empty() || options.split(',').any(|one| one == option);
            (found == kind && has).then(|| PathBuf::from(at))
        })
    };
    let mut own = Vec::new();
    for line in groups.lines() {
        let [number, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else {
            continue;
        };
        let below = path.trim_start_matches('/');
        if controllers.split(',').any(|one| one == "memory") {
            own.extend(
                mount("cgroup", "memory").map(|at| Limiter::CgroupV1 { parent: at.join(below) }),
            );
        } else if number == "0" && controllers.is_empty() {
            own.extend(mount("cgroup2", "").map(|at| Limiter::CgroupV2 { parent: at.join(below) }));
        }
    }
    own
}

/// A control group of one executor, removed when dropped.
#[derive(Debug)]
pub(super) struct Group {
    folder: PathBuf,
    is_second_version: bool,
    limit_bytes: u64,
}

impl Group {
    /// A group with this limit; none if the limiter makes none.
    pub(super) fn create(limiter: &Limiter, limit_bytes: u64) -> io::Result<Option<Self>> {
        let (parent, is_second_version) = match limiter {
            Limiter::CgroupV1 { parent } => (parent, false),
            Limiter::CgroupV2 { parent } => (parent, true),
            Limiter::Sampled | Limiter::Not => return Ok(None),
        };
        let number = GROUPS.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("gristmill-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Group { folder, is_second_version, limit_bytes };
        if is_second_version {
            group.write("memory.max", &limit_bytes.to_string())?;
            group.write("memory.oom.group", "1")?;
        } else {
            group.write("memory.limit_in_bytes", &limit_bytes.to_string())?;
        }
        // Swap would hide that the limit is reached; a kernel without swap has no such file.
        let swap =
            if is_second_version { ("memory.swap.max", 0) } else { ("memory.swappiness", 0) };
        let _no_swap_to_limit = group.write(swap.0, &swap.1.to_string());
        Ok(Some(group))
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        // Not `fs::write`, which would create what is not there.
        let mut file = fs::File::options().write(true).open(self.folder.join(name))?;
        io::Write::write_all(&mut file, value.as_bytes())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Puts a process into the group, and with it what it starts from now on.
    pub(super) fn add(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Whether the kernel has killed something in here for its memory.
    pub(super) fn is_over(&self) -> bool {
        let name = if self.is_second_version { "memory.events" } else { "memory.oom_control" };
        let kills = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok();
        self.read(name).lines().find_map(kills).is_some_and(|kills| kills > 0)
    }

    /// Kills all that is in the group.
    pub(super) fn kill(&self) {
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

impl Drop for Group {
    fn drop(&mut self) {
        // A group that still has a dying process in it cannot be removed yet, and vanishes with the machine's next start.
        for _ in 0..KILL_ROUNDS_MAX {
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// Anonymous memory of all processes of each of these process groups, in bytes.
pub(super) fn sample(groups: &[u32]) -> Vec<u64> {
    let mut used = vec![0; groups.len()];
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for folder in processes.map(|entry| entry.path()) {
        let is_process = folder
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        if let Some(at) = is_process.then(|| process_group(&folder)).flatten()
            && let Some(place) = groups.iter().position(|&group| group == at)
        {
            used[place] += anonymous_bytes(&folder);
        }
    }
    used
}

fn process_group(folder: &Path) -> Option<u32> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name of the program, in brackets, may hold anything; behind it stand state, parent and process group.
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

fn anonymous_bytes(folder: &Path) -> u64 {
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    1024 * (kib("RssAnon:").unwrap_or(0) + kib("RssShmem:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_groups_are_found_in_both_versions_and_in_both_at_once() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let groups = "4:memory:/a/b\n1:cpu:/\n0::/c\n";
        let first = Limiter::CgroupV1 { parent: "/sys/fs/cgroup/memory/a/b".into() };
        let second = Limiter::CgroupV2 { parent: "/sys/fs/cgroup/unified/c".into() };
        assert_eq!(own_groups(groups, mounts), [first, second]);
        assert_eq!(own_groups("", mounts), []);
        assert_eq!(own_groups(groups, ""), []);
    }

    #[test]
    fn the_memory_of_this_process_is_found_by_its_group() {
        let own = process_group(Path::new("/proc/self")).unwrap();
        let ballast = std::hint::black_box(vec![1_u8; 8 << 20]);
        let used = sample(&[own, u32::MAX]);
        assert!(used[0] >= ballast.len() as u64 && used[1] == 0, "{used:?}");
    }
}
