//! Limits the memory of an executor: by a control group if this process may create one, otherwise by measuring the
//! memory at intervals.

use std::path::PathBuf;

use crate::model::UNLIMITED;
use crate::procfs::{Stat, Status, processes};

/// Method of limiting memory.
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
    /// By adding up the anonymous memory of the process group at intervals.
    Sampled,
    /// Not at all.
    Not,
}

impl Limiter {
    /// Returns its name for users.
    pub fn name(&self) -> &'static str {
        match self {
            Limiter::CgroupV1 { .. } => "cgroup v1",
            Limiter::CgroupV2 { .. } => "cgroup v2",
            Limiter::Sampled => "sampled",
            Limiter::Not => UNLIMITED,
        }
    }
}

/// Returns the groups that limit this process's memory, from the contents of /proc/self/cgroup and /proc/self/mounts.
pub(super) fn own_groups(groups: &str, mounts: &str) -> Vec<Limiter> {
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

/// Returns the anonymous memory of each of these process groups, in bytes.
pub(super) fn sample(groups: &[u32]) -> Vec<u64> {
    let mut used = vec![0; groups.len()];
    for pid in processes() {
        let place = Stat::read(pid).and_then(|stat| groups.iter().position(|&it| it == stat.group));
        if let Some(place) = place {
            used[place] += Status::read(pid).anonymous_bytes();
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

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
        let own = Stat::read(getpid()).unwrap().group;
        let ballast = std::hint::black_box(vec![1_u8; 8 << 20]);
        let used = sample(&[own, u32::MAX]);
        assert!(used[0] >= ballast.len() as u64 && used[1] == 0, "{used:?}");
    }
}
