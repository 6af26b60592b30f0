//! `gristmill master`: reads its flags, and starts a master in this process.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::cluster::runtime;
use super::daemon::{Folder, LEASE_MAX, Tie, asked_to_end};
use super::refused::Refused;
use super::{duration, exit};
use crate::clock::Clock;
use crate::launch::{draw_nonce, print, say};
use crate::master::{self, Options};
use crate::rpc::address;
use crate::rpc::server::serve_master;
use crate::spec::Location;

/// The file in a master's folder that holds its id.
const ID_FILE: &str = "id";

/// What a master is told.
#[derive(Debug, Args)]
pub(super) struct Master {
    /// Number of this master, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    id: u32,
    /// Where clients and workers reach it, on this machine
    #[arg(long, value_name = "ADDR", value_parser = address::parse)]
    listen: SocketAddr,
    /// Its folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Begin a new cluster in an empty folder
    #[arg(long)]
    init: bool,
    /// How long a silent worker is believed
    #[arg(long, value_name = "D", default_value = "3s", value_parser = lease)]
    lease: Duration,
    #[command(flatten)]
    tie: Tie,
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration::parse(text)?;
    if lease <= LEASE_MAX {
        Ok(lease)
    } else {
        Err(format!("a lease of {text} is too long; write at most 10m"))
    }
}

impl Master {
    /// Runs the master until it is asked to end.
    pub(super) fn run(&self) -> Result<u8, Refused> {
        self.tie.hold()?;
        let folder = self.folder()?;
        runtime()?.block_on(async {
            let asked = asked_to_end()?;
            let (stop, stopped) = watch::channel(());
            let until = |mut stopped: watch::Receiver<()>| async move {
                // Ends when the sender is gone.
                while stopped.changed().await.is_ok() {}
            };
            let listen = |error| {
                Refused::usage(format!(
                    "cannot listen: {error}; {}; name another with --listen",
                    self.listen
                ))
            };
            let listener = TcpListener::bind(self.listen).await.map_err(listen)?;
            let address = listener.local_addr().map_err(listen)?;
            let clock = Clock::system();
            let options = Options {
                data: folder.path().to_path_buf(),
                lease_ms: u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX),
                log: Arc::new(|line| say(&format!("{line}\n"))),
                journal: None,
            };
            let wall = clock.clone();
            let nonces = Arc::new(move || draw_nonce(wall.wall_ms()));
            let master = master::run(options, clock, nonces, until(stopped.clone()))
                .map_err(|error| Refused::usage(error.to_string()))?;
            print(&format!("master {} {address} pid {}\n", self.id, std::process::id()));
            tokio::spawn(async move {
                asked.await;
                drop(stop);
            });
            let master = Arc::new(master);
            let inbox = folder.path().join("inbox");
            serve_master(listener, master.clone(), master.clone(), master, &inbox, until(stopped))
                .await
                .map_err(|error| {
                    Refused::failed(format!("cannot serve: {error}; {address}; start it again"))
                })?;
            Ok(exit::OK)
        })
    }

    /// The folder, which belongs to the master of this id and no other.
    fn folder(&self) -> Result<Folder, Refused> {
        let shown = Location::from(&self.data);
        if !self.init && !self.data.join(ID_FILE).exists() {
            return Err(Refused::usage(format!(
                "there is no master's folder; {shown}; give --init to begin a new cluster"
            )));
        }
        let folder = Folder::make(Some(&self.data), "master")?;
        let found = self.claim(folder.path()).map_err(|error| {
            Refused::usage(format!(
                "cannot use the data folder: {error}; {shown}; name another with --data DIR"
            ))
        })?;
        match found.trim().parse::<u32>() {
            Ok(id) if id == self.id => Ok(folder),
            _ => Err(Refused::usage(format!(
                "the folder is that of master {}; {shown}; give --id {}, or another --data DIR",
                found.trim(),
                found.trim()
            ))),
        }
    }

    /// Writes the id into a new folder; answers the one that is there.
    fn claim(&self, folder: &Path) -> std::io::Result<String> {
        let path = folder.join(ID_FILE);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::write(&path, format!("{}\n", self.id))?;
                fs::read_to_string(&path)
            }
            read => read,
        }
    }
}
