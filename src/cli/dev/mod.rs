//! `gristmill dev`: runs a whole cluster on this machine, in child processes that end when `gristmill dev` ends.
//!
//! ```text
//!   gristmill dev ──┬── gristmill master --id 1 --listen 127.0.0.1:7400 --data DIR/m1 --init
//!                   ├── gristmill master --id 2 --listen 127.0.0.1:7401 --data DIR/m2 --join 127.0.0.1:7400
//!                   ├── gristmill worker --cluster 127.0.0.1:7400 --data DIR/w1
//!                   └── gristmill worker --cluster 127.0.0.1:7400 --data DIR/w2
//! ```
//!
//! Each child has its own process group, so Ctrl-C reaches only this process, which then ends its children in order. If
//! this process is killed, the kernel kills the children.

mod children;
mod masters;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::children::{Child, Children};
use self::masters::{Masters, number, was_removed};
use super::cluster::runtime;
use super::daemon::Folder;
use super::refused::Refused;
use super::{exit, worker};
use crate::clock::Clock;
use crate::launch::{announce, say, whole};
use crate::model::WorkerId;
use crate::model::limits::{DEV_MASTERS, DEV_WORKERS, SLOTS};
use crate::rpc::address::PORT;
use crate::rpc::client::{Master, Options};
use crate::rpc::jobs::Jobs;

/// Time between two checks of the children.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Maximum number of checks until a child must be ready: ten seconds in total.
const LOOKS_MAX: u32 = 200;
/// Time for the remaining masters to answer after one has died: enough to elect another leader.
const MAJORITY_WITHIN: Duration = Duration::from_secs(5);
/// Time for each of them to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Number of masters, from 1 to 7: three tolerate one failure, five tolerate two
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole(DEV_MASTERS))]
    masters: u32,
    /// Number of workers, from 1 to 64
    #[arg(long, value_name = "N", default_value = "2", value_parser = whole(DEV_WORKERS))]
    workers: u32,
    /// Slots of each worker [default: cores / workers, at least 1]
    #[arg(long, value_name = "N", value_parser = whole(SLOTS))]
    slots: Option<u32>,
    /// Folder for all their data [default: a fresh temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Dev {
    /// Runs the cluster until Ctrl-C.
    pub(super) fn run(&self) -> Result<u8, Refused> {
        let interrupts = interrupts()?;
        let folder = Folder::make_for_executables(self.data.as_deref())?;
        let mut children = Children::default();
        let ended = self.start(folder.path(), &mut children, &interrupts).and_then(|address| {
            let Some(address) = address else { return Ok(exit::INTERRUPTED) };
            announce(&ready(&address));
            watch(&mut children, (folder.path(), &address), &interrupts)
        });
        children.end();
        ended
    }

    /// Starts all processes, and waits until they are ready. Returns `None` if interrupted.
    fn start(
        &self,
        folder: &Path,
        children: &mut Children,
        interrupts: &Receiver<()>,
    ) -> Result<Option<String>, Refused> {
        let runtime = runtime()?;
        let started = Masters { folder, count: self.masters, runtime: &runtime };
        let Some(started) = started.start(children, interrupts)? else { return Ok(None) };
        let masters::Started { addresses, webs } = started;
        let cluster = addresses.join(",");
        let slots =
            self.slots.unwrap_or_else(|| (worker::cores() / self.workers).max(1)).to_string();
        let client = runtime.block_on(async { Master::connect(&addresses, Options::default()) })?;
        let mut workers = BTreeMap::new();
        // Workers start one after the other, so that their ids in a new cluster match the names of their folders.
        for number in 1..=self.workers {
            let arguments = ["worker", "--cluster", &cluster, "--slots", &slots];
            let data = folder.join(format!("w{number}"));
            let pid = children.start(format!("worker {number}"), &arguments, &data)?;
            let registered = || {
                let lines = runtime.block_on(client.workers()).unwrap_or_default();
                lines
                    .iter()
                    .find(|line| line.facts.pid == pid && !line.state.is_gone())
                    .map(|line| line.id)
            };
            let mut found = None;
            let is_there = || {
                found = registered();
                found.is_some()
            };
            let Some(WorkerId(id)) =
                until(is_there, children, interrupts)?.then_some(found).flatten()
            else {
                return Ok(None);
            };
            children.rename_last(format!("worker {id}"));
            workers.insert(id, pid);
        }
        for (id, pid) in workers {
            announce(&format!("worker {id} pid {pid}\n"));
        }
        for web in webs {
            announce(&format!("web http://{web}\n"));
        }
        Ok(Some(cluster))
    }
}

/// Handles Ctrl-C and other signals that end a process, on its own thread.
fn interrupts() -> Result<Receiver<()>, Refused> {
    let cannot =
        |error| Refused::failed(format!("cannot listen for signals: {error}\nhint: try again"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(cannot)?;
    let (sender, receiver) = channel();
    let hear = move || {
        for _ in &mut signals {
            if sender.send(()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(hear).map_err(cannot)?;
    Ok(receiver)
}

/// Checks repeatedly until the condition holds. Returns false if interrupted.
fn until(
    mut is_so: impl FnMut() -> bool,
    children: &mut Children,
    interrupts: &Receiver<()>,
) -> Result<bool, Refused> {
    for _ in 0..LOOKS_MAX {
        if let Some(dead) = children.dead() {
            return Err(Refused::failed(format!(
                "{dead}\nhint: see its error above, fix the cause, and start again"
            )));
        }
        if is_so() {
            return Ok(true);
        }
        if !matches!(interrupts.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout)) {
            return Ok(false);
        }
    }
    Err(Refused::failed("the cluster is not ready after ten seconds\nhint: see the messages above"))
}

/// Prints the next commands to type.
fn ready(cluster: &str) -> String {
    let flag = if cluster == format!("127.0.0.1:{PORT}") {
        String::new()
    } else {
        format!(" --cluster {cluster}")
    };
    format!(
        "ready {cluster}\n  gristmill submit{flag} ./wordcount in.txt -o out\n  gristmill jobs{flag}\n  gristmill workers{flag}\nCtrl-C ends the cluster\n"
    )
}

/// Waits for Ctrl-C. A child that dies is not restarted. Without a majority of its masters, the cluster ends.
fn watch(
    children: &mut Children,
    (folder, addresses): (&Path, &str),
    interrupts: &Receiver<()>,
) -> Result<u8, Refused> {
    let runtime = runtime()?;
    let addresses: Vec<String> = addresses.split(',').map(str::to_owned).collect();
    let options = Options { patience: Duration::ZERO, answer: ANSWER_WITHIN, ..Options::default() };
    let client = runtime.block_on(async { Master::connect(&addresses, options) })?;
    let clock = Clock::system();
    // Masters are added and removed without this process, so only they know how many make a majority.
    let answers = || runtime.block_on(client.list()).is_ok();
    // The master that ended last, and the deadline for the others to answer.
    let mut missing: Option<(String, Instant)> = None;
    loop {
        while let Some(Child { name, .. }) = children.bury() {
            let how = match number(&name) {
                Some(id) if was_removed(folder, id) => "was removed",
                Some(_) => {
                    missing = Some((name, clock.now() + MAJORITY_WITHIN));
                    continue;
                }
                None => "ended",
            };
            say(&format!("{name} {how}; the cluster continues without it\n"));
        }
        if let Some((name, until)) = &missing {
            if answers() {
                say(&format!("{name} ended; the cluster continues without it\n"));
                missing = None;
            } else if clock.now() >= *until {
                return Err(Refused::failed(format!(
                    "{name} ended, and the cluster cannot continue without it\nhint: start the \
                     cluster again"
                )));
            }
        }
        if !matches!(interrupts.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout)) {
            return Ok(exit::INTERRUPTED);
        }
    }
}
