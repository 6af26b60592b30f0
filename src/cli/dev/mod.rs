//! `gristmill dev`: a whole cluster on this machine, in child processes that end with it.
//!
//! ```text
//!   gristmill dev ──┬── gristmill master --id 1 --listen 127.0.0.1:7400 --data DIR/m1 --init
//!                   ├── gristmill worker --cluster 127.0.0.1:7400 --data DIR/w1
//!                   └── gristmill worker --cluster 127.0.0.1:7400 --data DIR/w2
//! ```
//!
//! Children have process groups of their own, so that Ctrl-C reaches this process alone and it ends them in order;
//! when it dies otherwise, the kernel kills them.

mod children;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::children::{Child, Children};
use super::cluster::runtime;
use super::daemon::Folder;
use super::refused::Refused;
use super::{exit, worker};
use crate::consensus::IDENTITY_FILE;
use crate::launch::{print, say};
use crate::rpc::address::PORT;
use crate::rpc::client::{Master, Options};
use crate::rpc::jobs::Jobs;

/// Ports that are tried for the first master.
const PORTS: u16 = 100;
/// Between two looks at the children.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks until a child must be ready: ten seconds of them.
const LOOKS_MAX: u32 = 200;

/// What `dev` is told.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Masters; more than one will come with agreement among them
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1))]
    masters: u32,
    /// Workers
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Attempts at once of each worker [default: cores / workers, at least 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    slots: Option<u32>,
    /// Folder of all their data [default: a fresh temporary one, removed in the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Dev {
    /// Runs the cluster until Ctrl-C.
    pub(super) fn run(&self) -> Result<u8, Refused> {
        let interrupts = interrupts()?;
        let folder = Folder::make(self.data.as_deref(), "dev")?;
        let mut children = Children::default();
        let ended = self.start(folder.path(), &mut children, &interrupts).and_then(|address| {
            let Some(address) = address else { return Ok(exit::INTERRUPTED) };
            print(&ready(&address));
            watch(&mut children, &interrupts)
        });
        children.end();
        ended
    }

    /// Starts all, and waits until they are ready; none when that was interrupted.
    fn start(
        &self,
        folder: &Path,
        children: &mut Children,
        interrupts: &Receiver<()>,
    ) -> Result<Option<String>, Refused> {
        let runtime = runtime()?;
        let mut addresses = Vec::new();
        for id in 1..=self.masters {
            let address = free_address()?;
            let data = folder.join(format!("m{id}"));
            let (id_text, listen) = (id.to_string(), address.to_string());
            let mut arguments = vec!["master", "--id", &id_text, "--listen", &listen];
            // Written last: a folder without it was not begun, or not to the end.
            if !data.join(IDENTITY_FILE).exists() {
                arguments.push("--init");
            }
            let master = children.start(format!("master {id}"), &arguments, &data)?;
            addresses.push(listen.clone());
            let options = Options { patience: Duration::ZERO, ..Options::default() };
            let client = runtime.block_on(async { Master::connect(&addresses, options) })?;
            let answers = || runtime.block_on(client.list()).is_ok();
            if !until(answers, children, interrupts)? {
                return Ok(None);
            }
            print(&format!("master {id} {listen} pid {master}\n"));
        }
        let cluster = addresses.join(",");
        let slots =
            self.slots.unwrap_or_else(|| (worker::cores() / self.workers).max(1)).to_string();
        let mut pids = Vec::new();
        for id in 1..=self.workers {
            let arguments = ["worker", "--cluster", &cluster, "--slots", &slots];
            let data = folder.join(format!("w{id}"));
            pids.push(children.start(format!("worker {id}"), &arguments, &data)?);
        }
        let client = runtime.block_on(async { Master::connect(&addresses, Options::default()) })?;
        let registered = || {
            let Ok(workers) = runtime.block_on(client.workers()) else { return false };
            let there: BTreeSet<u32> = workers.iter().map(|worker| worker.pid).collect();
            pids.iter().all(|pid| there.contains(pid))
        };
        if !until(registered, children, interrupts)? {
            return Ok(None);
        }
        for (id, pid) in (1..).zip(&pids) {
            print(&format!("worker {id} pid {pid}\n"));
        }
        Ok(Some(cluster))
    }
}

/// Hears Ctrl-C and its like, on a thread of its own.
fn interrupts() -> Result<Receiver<()>, Refused> {
    let cannot = |error| {
        Refused::failed(format!("cannot listen for signals: {error}; this machine; try again"))
    };
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

/// The usual address, or the next one that is free.
fn free_address() -> Result<SocketAddr, Refused> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    (PORT..PORT + PORTS).map(address).find(free).ok_or_else(|| {
        Refused::failed(format!(
            "no port is free; 127.0.0.1:{PORT} to {}; end the clusters that run there",
            PORT + PORTS - 1
        ))
    })
}

/// Looks until it is so; false if that was interrupted.
fn until(
    is_so: impl Fn() -> bool,
    children: &mut Children,
    interrupts: &Receiver<()>,
) -> Result<bool, Refused> {
    for _ in 0..LOOKS_MAX {
        if let Some(dead) = children.dead() {
            return Err(Refused::failed(format!(
                "{dead}; it said why above; mend that and start again"
            )));
        }
        if is_so() {
            return Ok(true);
        }
        if !matches!(interrupts.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout)) {
            return Ok(false);
        }
    }
    Err(Refused::failed(
        "the cluster is not ready after ten seconds; this machine; see what is said above",
    ))
}

/// Says what is to be typed next.
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

/// Waits for Ctrl-C. A worker that dies is lost, as it would be on any cluster; without its master there is none.
fn watch(children: &mut Children, interrupts: &Receiver<()>) -> Result<u8, Refused> {
    loop {
        while let Some(Child { name, .. }) = children.bury() {
            if name.starts_with("master") {
                return Err(Refused::failed(format!("{name} ended; this cluster; start it again")));
            }
            say(&format!("{name} ended; the cluster goes on with the others\n"));
        }
        if !matches!(interrupts.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout)) {
            return Ok(exit::INTERRUPTED);
        }
    }
}
