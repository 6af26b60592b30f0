//! What masters and workers share as processes: their end comes by a signal, or with who started them.

use std::fmt;
use std::fs::{File, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, getppid, set_parent_process_death_signal, test_kill_process, umask,
};
use tokio::signal::unix::{SignalKind, signal};

use super::exit;
use super::refused::{Refused, one_line};
use crate::consensus::IDENTITY_FILE;
use crate::launch::say;
use crate::spec::Location;
use crate::storage::{make_private_folder, make_private_folders};

/// Longest lease; a worker's polls may be held back for a third of it.
pub(super) const LEASE_MAX: Duration = Duration::from_secs(600);

/// How the names of fresh folders begin; what for and the process id follow.
const PREFIX: &str = "gristmill-";
/// A fresh folder that was last changed within this time is not swept.
const YOUNG: Duration = Duration::from_secs(10);

/// How a process is tied to the one that started it.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Tie {
    /// Die with the process of this id, which started this one
    #[arg(long, value_name = "PID", hide = true)]
    pub(super) parent: Option<i32>,
}

impl Tie {
    /// Has the kernel kill this process when its parent dies, which may have happened already.
    pub(super) fn hold(self) -> Result<(), Refused> {
        let Some(parent) = self.parent else { return Ok(()) };
        let failed =
            |what: String| Refused::failed(format!("{what}; --parent {parent}; leave it out"));
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| failed(format!("cannot be tied to its parent: {error}")))?;
        if getppid().map(Pid::as_raw_pid) != Some(parent) {
            return Err(failed("the parent is not there any more".into()));
        }
        Ok(())
    }
}

/// Says why this process cannot go on, and ends it.
pub(super) fn give_up(why: &dyn fmt::Display) -> ! {
    say(&format!("error: {}\n", one_line(&why.to_string())));
    std::process::exit(exit::FAILED.into());
}

/// Has a panic anywhere end the process. Whoever panics may leave half done what all others look at, and a master that
/// lives and is of no use is worse than one that is gone: it can be started again.
pub(super) fn end_by_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("no message");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        give_up(&format!(
            "a fault in gristmill itself: {said}; {at}; start it again, and report this"
        ));
    }));
}

/// Is ready when this process is asked to end. To be called where tokio runs.
pub(super) fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static, Refused> {
    let cannot = |error| {
        Refused::failed(format!("cannot listen for signals: {error}; this machine; try again"))
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A folder for data: the one that was named, or a fresh one that is removed in the end.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    is_ours: bool,
}

impl Folder {
    /// Makes the folder, and from then on keeps all that this process and its children write from other users: it holds
    /// users' records, executables and logs. An executor sets the submitter's umask for what its job writes.
    pub(super) fn make(named: Option<&Path>, what: &str) -> Result<Self, Refused> {
        let (path, is_ours) = match named {
            Some(path) => (path.to_path_buf(), false),
            None => {
                let name = format!("{PREFIX}{what}-{}", std::process::id());
                (std::env::temp_dir().join(name), true)
            }
        };
        umask(Mode::RWXG | Mode::RWXO);
        let refuse = |error: std::io::Error| {
            let shown = Location::from(&path);
            Refused::usage(format!(
                "cannot make the data folder: {error}; {shown}; name another with --data DIR"
            ))
        };
        if is_ours {
            sweep(&std::env::temp_dir());
            make_private_folder(&path).map_err(refuse)?;
        } else {
            make_private_folders(&path).map_err(refuse)?;
            close(&path)?;
        }
        // Children and executors have other current folders.
        let path = path.canonicalize().map_err(refuse)?;
        Ok(Self { path, is_ours })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the fresh folders of processes that were killed and could not do so themselves.
fn sweep(temporary: &Path) {
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.rsplit_once('-'));
        let owner = owner.and_then(|(_, pid)| Pid::from_raw(pid.parse().ok()?));
        let is_gone = |pid| test_kill_process(pid) == Err(Errno::SRCH);
        if owner.is_some_and(is_gone) && is_left(&entry.path()) {
            let _removed_or_anothers = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether no process uses a fresh folder, not even one with process ids of its own, as in a container.
fn is_left(folder: &Path) -> bool {
    let facts = std::fs::symlink_metadata(folder);
    let age = facts.ok().filter(Metadata::is_dir).and_then(|it| it.modified().ok()?.elapsed().ok());
    // A folder that is a moment old may be about to be locked.
    if age.is_none_or(|age| age < YOUNG) {
        return false;
    }
    let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = below.map(|entry| entry.path()).chain([folder.to_path_buf()]);
    folders.map(|folder| folder.join("lock")).all(|lock| match File::open(&lock) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => {
            error.kind() == ErrorKind::NotFound || error.kind() == ErrorKind::NotADirectory
        }
    })
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ours {
            // What cannot be removed lies in the system's folder for such things.
            let _removed_or_not = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes an existing data folder private if others may enter or read it. One that holds something else than a cluster's
/// data is refused instead: its owner may want others to read that.
fn close(path: &Path) -> Result<(), Refused> {
    let refuse = |what: String, hint: &str| {
        Err(Refused::usage(format!("{what}; {}; {hint}", Location::from(path))))
    };
    let cannot = |error: std::io::Error| {
        let hint = "name another with --data DIR";
        refuse(format!("cannot make the data folder private: {error}"), hint)
    };
    let facts = match path.metadata() {
        Ok(facts) => facts,
        Err(error) => return cannot(error),
    };
    let mode = facts.mode() & 0o7777;
    if mode & OTHERS_BITS == 0 {
        return Ok(());
    }
    let is_empty = || std::fs::read_dir(path).is_ok_and(|mut names| names.next().is_none());
    if !is_empty() && !is_known(path) {
        return refuse(
            format!("data folder is open to other users (mode {mode:o}) and holds other files"),
            "name an empty folder with --data DIR, or run chmod 700 on this one",
        );
    }
    match std::fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS_BITS)) {
        Ok(()) => Ok(()),
        Err(error) => cannot(error),
    }
}

/// The rights of all but the owner.
const OTHERS_BITS: u32 = 0o077;

/// Whether a folder holds the data of a master, of a worker or of `gristmill dev`.
fn is_known(path: &Path) -> bool {
    let holds = |name: &str| path.join(name).exists();
    let is_master = holds(IDENTITY_FILE) && holds("log.redb");
    let is_worker = holds("lock") && holds("jobs") && holds("logs");
    is_master || is_worker || (holds("m1") && holds("w1"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_old_folders_of_dead_processes_that_nobody_holds_are_swept() {
        let temporary = tempfile::TempDir::new().unwrap();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let (gone, alive) = (gone.id(), std::process::id());
        let names =
            ["worker-1x", "worker", "dev", "replay"].map(|what| format!("{PREFIX}{what}-{gone}"));
        let [held, left, with_held, empty] = &names;
        let others = [format!("{PREFIX}worker-{alive}"), format!("other-worker-{gone}")];
        let path = |name: &str| temporary.path().join(name);
        for name in names.iter().chain(&others) {
            std::fs::create_dir_all(path(name).join("w1")).unwrap();
        }
        std::fs::remove_dir(path(empty).join("w1")).unwrap();
        File::create(path(left).join("lock")).unwrap();
        let locks = [path(held).join("lock"), path(with_held).join("w1/lock")].map(|lock| {
            let lock = File::create(lock).unwrap();
            lock.lock().unwrap();
            lock
        });
        sweep(temporary.path());
        assert!(names.iter().chain(&others).all(|name| path(name).exists()), "they are young");
        let old = std::time::SystemTime::UNIX_EPOCH;
        for name in names.iter().chain(&others) {
            File::open(path(name)).unwrap().set_modified(old).unwrap();
        }
        sweep(temporary.path());
        for (name, stays) in [(held, true), (left, false), (with_held, true), (empty, false)] {
            assert_eq!(path(name).exists(), stays, "{name}");
        }
        assert!(others.iter().all(|name| path(name).exists()));
        drop(locks);
    }

    /// Set for the process that is to panic.
    const PANICS: &str = "GRISTMILL_TEST_PANICS";

    #[test]
    fn existing_data_folders_are_made_private_and_folders_of_others_refused() {
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str, files: &[&str]| {
            let path = root.path().join(name);
            files.iter().for_each(|file| std::fs::create_dir_all(path.join(file)).unwrap());
            std::fs::create_dir_all(&path).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            path
        };
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        for (name, files) in [
            ("empty", &[][..]),
            ("worker", &["lock", "jobs", "logs"]),
            ("master", &["identity", "log.redb"]),
            ("dev", &["m1", "w1"]),
        ] {
            let path = make(name, files);
            close(&path).unwrap();
            assert_eq!(mode(&path), 0o700, "{name}");
        }
        let home = make("home", &["jobs", "notes"]);
        let said = close(&home).unwrap_err().message.to_string();
        assert!(said.contains("open to other users (mode 755)"), "{said}");
        assert_eq!(mode(&home), 0o755);
        std::fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
        close(&home).unwrap();
    }

    #[test]
    fn a_panic_in_any_thread_ends_the_process_and_says_why() {
        if std::env::var_os(PANICS).is_some() {
            end_by_panic();
            let panics = || "x".parse::<u8>().expect("this is a number");
            assert!(std::thread::spawn(panics).join().is_ok(), "the process outlives the thread");
        }
        let test = std::thread::current().name().map(String::from).expect("a test has a name");
        let mut command = Command::new(std::env::current_exe().expect("this test is a file"));
        command.args(["--exact", &test, "--nocapture"]).env(PANICS, "1");
        let ended = command.output().expect("it can be started again");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        let line = said.lines().find(|line| line.starts_with("error: ")).unwrap_or(&said);
        assert!(line.contains(": this is a number: ") && line.contains("; src/cli/"), "{line}");
    }
}
