//! Reads what Linux shows about processes under `/proc`; see proc(5).

use std::fs;

use rustix::process::{Pid, getpid};

/// What `/proc/PID/stat` shows about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Whether it runs: it is neither a zombie nor dead.
    pub is_alive: bool,
    /// The process id of its parent; 0 if that is outside of this PID namespace.
    pub parent: i32,
    /// The id of its process group.
    pub group: u32,
    /// When it started, in clock ticks since boot. Together with the process id this is unique.
    pub began: u64,
}

impl Stat {
    /// Reads the facts of a process. Returns `None` if it is gone.
    pub fn read(pid: Pid) -> Option<Self> {
        parse_stat(&fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?)
    }
}

/// Returns when a process started; see [`Stat::began`]. Returns `None` if it is gone.
pub fn began(pid: Pid) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.began)
}

fn parse_stat(stat: &str) -> Option<Stat> {
    // The program's name, in brackets, may contain any text. The other fields follow it.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
    Some(Stat {
        is_alive: !matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        began: fields.get(19)?.parse().ok()?,
    })
}

/// What `/proc/PID/status` shows about a process.
#[derive(Clone, Debug)]
pub struct Status(String);

impl Status {
    /// Reads the facts of this process.
    pub fn own() -> Self {
        Self::read(getpid())
    }

    /// Reads the facts of a process. If it is gone, all of them are missing.
    pub fn read(pid: Pid) -> Self {
        let path = format!("/proc/{}/status", pid.as_raw_nonzero());
        Status(fs::read_to_string(path).unwrap_or_default())
    }

    /// The mode bits that are removed from the files that it creates.
    pub fn umask(&self) -> Option<u32> {
        u32::from_str_radix(self.value("Umask")?, 8).ok().map(|umask| umask & 0o777)
    }

    /// The signals that it ignores, with the bit `n - 1` for signal `n`.
    pub fn ignored_signals(&self) -> Option<u64> {
        u64::from_str_radix(self.value("SigIgn")?, 16).ok()
    }

    /// The most memory that it has had resident, in bytes.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.bytes("VmHWM")
    }

    /// Its resident memory without the pages of files, in bytes.
    pub fn anonymous_bytes(&self) -> u64 {
        self.bytes("RssAnon").unwrap_or(0) + self.bytes("RssShmem").unwrap_or(0)
    }

    fn bytes(&self, name: &str) -> Option<u64> {
        let kib: u64 = self.value(name)?.strip_suffix(" kB")?.trim_end().parse().ok()?;
        Some(kib << 10)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(':').map(str::len);
        let line = self.0.lines().find(|line| value(line).is_some())?;
        Some(line[name.len() + 1..].trim())
    }
}

/// Returns the ids of all processes.
pub fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// Returns the number of threads of this process, if the system shows them.
pub fn thread_count() -> Option<usize> {
    fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// Whether this kernel lists the children of a process.
pub fn lists_children() -> bool {
    fs::read("/proc/thread-self/children").is_ok()
}

/// Returns the children of all threads of a process; none if the kernel does not list them.
///
/// The list can omit some children while others exit.
pub fn children(pid: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    let threads = threads.into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")));
    let lists: Vec<String> = lists.flatten().collect();
    let pids = lists.iter().flat_map(|list| list.split_whitespace());
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn stat_is_read_behind_any_program_name() {
        let after = "1 12 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let expected = Stat { is_alive: true, parent: 1, group: 12, began: 4711 };
        for name in ["sh", "a b", ") S 9 9 ", ")"] {
            assert_eq!(parse_stat(&format!("5 ({name}) S {after}\n")), Some(expected), "{name}");
        }
        let zombie = parse_stat(&format!("5 (sh) Z {after}\n")).map(|stat| stat.is_alive);
        assert_eq!(zombie, Some(false));
        assert_eq!((parse_stat("5 (sh) S 1"), parse_stat("")), (None, None));
    }

    #[test]
    fn status_is_read_by_name() {
        let status = Status(
            "Name:\tx\nUmask:\t0077\nSigIgn:\t0000000000001001\nVmHWM:\t    2048 kB\n\
             RssAnon:\t 1 kB\nRssShmem:\t 2 kB\n"
                .into(),
        );
        assert_eq!((status.umask(), status.ignored_signals()), (Some(0o077), Some(0x1001)));
        assert_eq!((status.peak_bytes(), status.anonymous_bytes()), (Some(2 << 20), 3 << 10));
        let other = Status("Umasks:\t0077\nVmHWM: many kB\n".into());
        assert_eq!((other.umask(), other.ignored_signals()), (None, None));
        assert_eq!((other.peak_bytes(), other.anonymous_bytes()), (None, 0));
    }

    #[test]
    fn this_process_and_its_child_are_found() {
        let mut command = Command::new("sleep");
        let mut child = command.arg("600").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let stat = Stat::read(pid).unwrap();
        assert!(stat.is_alive && stat.parent == getpid().as_raw_nonzero().get(), "{stat:?}");
        assert!(stat.began >= Stat::read(getpid()).unwrap().began);
        assert!(lists_children() && children(getpid()).contains(&pid));
        assert!(processes().any(|other| other == pid) && thread_count() >= Some(1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Stat::read(pid), None);

        let own = Status::own();
        assert!(own.umask().is_some_and(|umask| umask <= 0o777), "{own:?}");
        assert!(own.peak_bytes() > Some(1 << 20) && own.ignored_signals().is_some(), "{own:?}");
    }
}
