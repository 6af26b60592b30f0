//! What masters and workers share as processes: their end comes by a signal, or with who started them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::refused::Refused;
use crate::spec::Location;

/// Longest lease; a worker's polls may be held back for a third of it.
pub(super) const LEASE_MAX: Duration = Duration::from_secs(600);

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
    /// Makes the folder.
    pub(super) fn make(named: Option<&Path>, what: &str) -> Result<Self, Refused> {
        let (path, is_ours) = match named {
            Some(path) => (path.to_path_buf(), false),
            None => {
                let name = format!("gristmill-{what}-{}", std::process::id());
                (std::env::temp_dir().join(name), true)
            }
        };
        let refuse = |error: std::io::Error| {
            let shown = Location::from(&path);
            Refused::usage(format!(
                "cannot make the data folder: {error}; {shown}; name another with --data DIR"
            ))
        };
        if is_ours {
            std::fs::create_dir(&path).map_err(refuse)?;
        } else {
            std::fs::create_dir_all(&path).map_err(refuse)?;
        }
        // Children and executors have other current folders.
        let path = path.canonicalize().map_err(refuse)?;
        Ok(Self { path, is_ours })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ours {
            // What cannot be removed lies in the system's folder for such things.
            let _removed_or_not = std::fs::remove_dir_all(&self.path);
        }
    }
}
