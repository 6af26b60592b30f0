//! Reads what Linux shows about processes under `/proc`; see proc(5).

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, getpid};

/// The folder of a process. This process is `self`: if `/proc` belongs to an outer PID namespace, its own process id is
/// that of another process there.
fn folder(pid: Pid) -> PathBuf {
    if pid == getpid() {
        return PathBuf::from("/proc/self");
    }
    PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()))
}

/// Reads a file about a process as text; `None` if the process is gone. The name of a program may hold any bytes.
fn read(pid: Pid, file: &str) -> Option<String> {
    let bytes = fs::read(folder(pid).join(file)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

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
        parse_stat(&read(pid, "stat")?)
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
        Status(read(pid, "status").unwrap_or_default())
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
        let mut lines = self.0.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// Returns the ids of all processes.
pub fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// Returns the number of threads of this process, if the system shows them.
pub fn thread_count() -> Option<usize> {
    fs::read_dir(folder(getpid()).join("task")).ok().map(Iterator::count)
}

/// Whether the system lists the children of this process.
pub fn lists_children() -> bool {
    let threads = fs::read_dir(folder(getpid()).join("task"));
    let mut threads = threads.into_iter().flatten().flatten();
    threads.next().is_some_and(|thread| fs::read(thread.path().join("children")).is_ok())
}

/// Returns the children of all threads of a process; none if the kernel does not list them.
///
/// The list can omit some children while others exit.
pub fn children(pid: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(folder(pid).join("task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")));
    let lists: Vec<String> = lists.flatten().collect();
    let pids = lists.iter().flat_map(|list| list.split_whitespace());
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn stat_is_read_behind_any_program_name() {
        let after = "1 12 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let expected = Stat { is_alive: true, parent: 1, group: 12, began: 4711 };
        // The system cuts long names, even inside a character.
        let cut = String::from_utf8_lossy(b"\xd0\xbf\xd0");
        for name in ["sh", "a b", ") S 9 9 ", ")", &cut] {
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
        assert!(lists_children());
        // One look can miss a child while others exit.
        assert!((0..100).any(|_| children(getpid()).contains(&pid)));
        assert!(processes().any(|other| other == pid) && thread_count() >= Some(1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Stat::read(pid), None);

        let mut command = Command::new("sh");
        // A name that is not UTF-8, as of a program whose long name was cut.
        let script = "printf '\\320\\277\\320' > /proc/$$/comm; echo; read line";
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_child(&child);
        assert!(fs::read_to_string(folder(pid).join("stat")).is_err(), "it is not UTF-8");
        assert!(Stat::read(pid).is_some_and(|stat| stat.is_alive));
        assert!(Status::read(pid).umask().is_some());
        drop(child.stdin.take());
        child.wait().unwrap();

        let own = Status::own();
        assert!(own.umask().is_some_and(|umask| umask <= 0o777), "{own:?}");
        assert!(own.peak_bytes() > Some(1 << 20) && own.ignored_signals().is_some(), "{own:?}");
    }
}
