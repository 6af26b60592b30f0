//! Code that masters and workers share: how their processes end, and the checks of their data folders.

use std::ffi::OsString;
use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::fs::Mode;
use rustix::process::{Pid, Signal, geteuid, getppid, set_parent_process_death_signal, umask};
use tokio::signal::unix::{SignalKind, signal};

use super::exit;
use super::refused::Refused;
use crate::consensus::IDENTITY_FILE;
use crate::launch::say;
use crate::model::{Location, escape_message};
use crate::storage::{
    Scratch, ScratchPlaces, draw_nonce, is_noexec, make_private_folder, make_private_folders,
};

/// Longest lease. A worker's polls may be held back for a third of it.
pub(super) const LEASE_MAX: Duration = Duration::from_secs(600);

/// Ties a process to the one that started it.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Tie {
    /// Die with the process of this id, which started this one
    #[arg(long, value_name = "PID", hide = true)]
    pub(super) parent: Option<i32>,
}

impl Tie {
    /// Asks the kernel to kill this process when its parent dies. Fails if the parent has died already.
    pub(super) fn hold(self) -> Result<(), Refused> {
        let Some(parent) = self.parent else { return Ok(()) };
        let failed = |what: String| {
            Refused::failed(format!("{what}: --parent {parent}\nhint: leave out --parent"))
        };
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| failed(format!("cannot tie this process to its parent: {error}")))?;
        if getppid().map(Pid::as_raw_pid) != Some(parent) {
            return Err(failed("the parent process has already ended".into()));
        }
        Ok(())
    }
}

/// Prints why this process cannot continue, and ends it.
pub(super) fn give_up(why: &dyn fmt::Display) -> ! {
    say(&format!("error: {}\n", escape_message(&why.to_string())));
    std::process::exit(exit::FAILED.into());
}

/// Makes a panic in any thread end the process. A thread that panics may leave shared state half changed. A master that
/// runs but does not work is worse than one that has ended, which can be restarted.
pub(super) fn end_by_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("no message");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        give_up(&format!(
            "a bug in gristmill itself: {said}: {at}\nhint: start this process again, and report the bug"
        ));
    }));
}

/// Completes when this process is asked to end. Must be called inside a tokio runtime.
pub(super) fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static, Refused> {
    let cannot =
        |error| Refused::failed(format!("cannot listen for signals: {error}\nhint: try again"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A data folder: the named one, or a temporary one that is removed at the end. If this process is killed, the next
/// master, worker, `dev` or `replay` of this user on this machine removes the temporary one.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _fresh: Option<Scratch>,
}

impl Folder {
    /// Creates the folder, and sets a umask that keeps everything this process and its children write private: the
    /// folder holds users' records, executables and logs. An executor sets the submitter's umask for the files that
    /// its job writes.
    pub(super) fn make(named: Option<&Path>) -> Result<Self, Refused> {
        umask(Mode::RWXG | Mode::RWXO);
        let refuse = |path: &Path, error: &dyn fmt::Display| {
            let shown = Location::from(path);
            Refused::usage(format!(
                "cannot create the data folder: {error}: {shown}\nhint: name another folder \
                 with --data DIR"
            ))
        };
        let temporary = std::env::temp_dir();
        let (path, fresh) = if let Some(path) = named {
            Scratch::sweep(&temporary);
            make_private_folders(path).map_err(|error| refuse(path, &error))?;
            close(path)?;
            (path.to_path_buf(), None)
        } else {
            let places = ScratchPlaces { dir: None, staging: None, temporary: &temporary };
            let scratch = Scratch::create(places, draw_nonce());
            let scratch = scratch.map_err(|error| {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                refuse(&temporary, &cause.unwrap_or_else(|| error.to_string()))
            })?;
            // A subfolder, because the fresh folder has its own lock file, and a worker locks its data folder too.
            let path = scratch.join("data");
            make_private_folder(&path).map_err(|error| refuse(&path, &error))?;
            (path, Some(scratch))
        };
        // The path must be absolute, because children and executors have other working directories.
        let path = path.canonicalize().map_err(|error| refuse(&path, &error))?;
        Ok(Self { path, _fresh: fresh })
    }

    /// Like [`Folder::make`], for a process that starts job executables from the folder.
    pub(super) fn make_for_executables(named: Option<&Path>) -> Result<Self, Refused> {
        let folder = Self::make(named)?;
        if is_noexec(&folder.path) {
            return Err(Refused::usage(format!(
                "job executables cannot run in the data folder, since its file system is mounted with noexec: {}\n\
                 hint: name another folder with --data DIR",
                Location::from(&folder.path)
            )));
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes an existing data folder private if it is still empty, such as a file system that was just mounted.
///
/// The folder must belong to this user. A folder that is not empty is refused if other users may enter or read it: its
/// owner may want that, or, if it holds a cluster's data, other users may have read the data.
fn close(path: &Path) -> Result<(), Refused> {
    let refuse = |what: String, hint: String| {
        Err(Refused::usage(format!("{what}: {}\nhint: {hint}", Location::from(path))))
    };
    let cannot = |error: std::io::Error| {
        let hint = "name another folder with --data DIR";
        refuse(format!("cannot make the data folder private: {error}"), hint.into())
    };
    let facts = match path.metadata() {
        Ok(facts) => facts,
        Err(error) => return cannot(error),
    };
    let (owner, user) = (facts.uid(), geteuid().as_raw());
    if owner != user {
        return refuse(
            format!(
                "the data folder belongs to another user (uid {owner}; this process has uid \
                 {user})"
            ),
            format!("run `chown {user}` on it, or name another folder with --data DIR"),
        );
    }
    let mode = facts.mode() & 0o7777;
    if mode & OTHERS_BITS == 0 {
        return Ok(());
    }
    let found = match found(path) {
        Ok(found) => found,
        Err(error) => return cannot(error),
    };
    let chmod = format!("chmod -R go= {}", Location::from(path));
    match found {
        Some(_) if is_known(path) => refuse(
            format!(
                "the data folder is open to other users (mode {mode:o}) and holds a cluster's data"
            ),
            format!("check who may have read it, then run `{chmod}`"),
        ),
        Some(other) => refuse(
            format!(
                "the data folder is open to other users (mode {mode:o}) and holds {}, which does \
                 not belong to a cluster",
                Location::from(Path::new(&other))
            ),
            format!("name an empty folder with --data DIR, or run `{chmod}`"),
        ),
        None => match std::fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS_BITS)) {
            Ok(()) => Ok(()),
            Err(error) => cannot(error),
        },
    }
}

/// Permission bits of everyone but the owner.
const OTHERS_BITS: u32 = 0o077;

/// Returns a name in a folder; `None` if the folder is empty, or like a new file system holds only `lost+found`.
fn found(path: &Path) -> std::io::Result<Option<OsString>> {
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != "lost+found" {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether a folder holds the data of a master, a worker or `gristmill dev`.
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

    /// Environment variable that makes the test's child process panic.
    const PANICS: &str = "GRISTMILL_TEST_PANICS";

    /// A folder with mode 755 that holds these folders.
    fn open_folder(root: &Path, name: &str, holds: &[&str]) -> PathBuf {
        let path = root.join(name);
        std::fs::create_dir_all(&path).unwrap();
        holds.iter().for_each(|file| std::fs::create_dir_all(path.join(file)).unwrap());
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    #[test]
    fn empty_data_folders_are_made_private() {
        let root = tempfile::tempdir().unwrap();
        for (name, holds) in [("empty", &[][..]), ("mounted", &["lost+found"])] {
            let path = open_folder(root.path(), name, holds);
            close(&path).unwrap();
            assert_eq!(mode(&path), 0o700, "{name}");
            close(&path).unwrap();
        }
    }

    #[test]
    fn open_data_folders_that_hold_something_are_refused() {
        let root = tempfile::tempdir().unwrap();
        for (name, holds, said) in [
            ("worker", &["lock", "jobs", "logs"][..], "holds a cluster's data"),
            ("master", &["identity", "log.redb", "lost+found"], "holds a cluster's data"),
            ("dev", &["m1", "w1"], "holds a cluster's data"),
            ("home", &["notes"], "holds notes, which does not belong to a cluster"),
            ("mounted", &["lost+found", "jobs"], "holds jobs, which does not belong to a cluster"),
        ] {
            let path = open_folder(root.path(), name, holds);
            let refused = close(&path).unwrap_err();
            assert_eq!(refused.code, exit::USAGE);
            let message = refused.message.to_string();
            assert!(message.contains("open to other users (mode 755)"), "{message}");
            assert!(message.contains(said), "{message}");
            assert!(message.contains(&format!("chmod -R go= {}", path.display())), "{message}");
            assert_eq!(mode(&path), 0o755, "it is left as it is");
            std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
            close(&path).unwrap();
        }
    }

    #[test]
    fn data_folders_of_other_users_are_refused() {
        let path = if geteuid().is_root() {
            let root = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(root.path(), Some(4711), None).unwrap();
            root.keep()
        } else {
            PathBuf::from("/")
        };
        let message = close(&path).unwrap_err().message.to_string();
        let removed = if geteuid().is_root() { std::fs::remove_dir(&path) } else { Ok(()) };
        removed.unwrap();
        assert!(message.contains("data folder belongs to another user (uid "), "{message}");
        assert!(message.contains("chown"), "{message}");
    }

    #[test]
    fn a_panic_in_any_thread_ends_the_process_and_says_why() {
        if std::env::var_os(PANICS).is_some() {
            end_by_panic();
            let panics = || "x".parse::<u8>().expect("this is a number");
            assert!(std::thread::spawn(panics).join().is_ok(), "the process outlives the thread");
        }
        let test = std::thread::current().name().map(String::from).expect("a test has a name");
        let mut command =
            Command::new(std::env::current_exe().expect("the test's executable has a path"));
        command.args(["--exact", &test, "--nocapture"]).env(PANICS, "1");
        let ended = command.output().expect("the executable can be started again");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        let line = said.lines().find(|line| line.starts_with("error: ")).unwrap_or(&said);
        assert!(line.contains(": this is a number: ") && line.contains(": src/cli/"), "{line}");
    }
}
