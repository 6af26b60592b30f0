//! `gristmill master`: reads its flags, and starts a master in this process.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::cluster::runtime;
use super::daemon::{Folder, LEASE_MAX, Tie, asked_to_end, end_by_panic};
use super::joining::Joining;
use super::refused::Refused;
use super::{duration, exit};
use crate::clock::Clock;
use crate::launch::{announce, say, whole};
use crate::master::{self, Begin, Limits, Options, Seat};
use crate::model::limits::MASTER_NUMBER;
use crate::model::{Location, escape_message};
use crate::rpc::server::serve_master;
use crate::rpc::{address, client};
use crate::storage::draw_nonce;
use crate::web::{self, PORT_ABOVE};

/// Arguments of `master`.
#[derive(Debug, Args)]
pub(super) struct Master {
    /// Number of this master, from 1 to 1000; no other master has or had it
    #[arg(long, value_name = "N", value_parser = whole(MASTER_NUMBER))]
    id: u64,
    /// Address for clients and workers, such as 127.0.0.1:7400
    #[arg(long, value_name = "ADDR", value_parser = address::parse)]
    listen: SocketAddr,
    /// Data folder: the log of all decisions, and uploaded executables and files
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address of the web pages [default: port of --listen + 80]
    #[arg(long, value_name = "ADDR", value_parser = address::parse)]
    web: Option<SocketAddr>,
    /// Start a new cluster, in an empty folder
    #[arg(long)]
    init: bool,
    /// Join the cluster of these masters (any of them), with an empty folder
    #[arg(long, value_name = "ADDR", conflicts_with = "init")]
    join: Option<String>,
    /// A worker that is silent for this long is lost, such as 500ms or 3s
    #[arg(long, value_name = "D", default_value = "3s", value_parser = lease)]
    lease: Duration,
    /// Log entries between two snapshots; a snapshot is taken earlier if the log grows long
    #[arg(long, value_name = "N", default_value_t = Limits::default().log_entries, hide = true)]
    snapshot_entries: u64,
    #[command(flatten)]
    tie: Tie,
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration::parse(text)?;
    if lease <= LEASE_MAX {
        Ok(lease)
    } else {
        let lease = humantime::format_duration(lease);
        Err(format!("a lease of {lease} is too long\nhint: write at most 10m"))
    }
}

impl Master {
    /// Runs the master until it is asked to end.
    pub(super) fn run(&self) -> Result<u8, Refused> {
        self.tie.hold()?;
        end_by_panic();
        let folder = self.folder()?;
        runtime()?.block_on(async {
            let asked = asked_to_end()?;
            let (stop, stopped) = watch::channel(());
            let listen = |error| {
                Refused::usage(format!(
                    "cannot listen: {error}: {}\nhint: name another address with --listen",
                    self.listen
                ))
            };
            let listener = tokio::net::TcpListener::bind(self.listen).await.map_err(listen)?;
            let address = listener.local_addr().map_err(listen)?;
            let joining = Joining::of(self.join.as_deref(), self.id, folder.path()).await?;
            let begin = match &joining {
                Some(joining) => joining.begin,
                None if self.init => Begin::Cluster { cluster: draw_nonce().0 },
                None => Begin::Nothing,
            };
            let web = self.web(address)?;
            let web_at = web.as_ref().map(|(_, at)| at.to_string());
            let seat = self.seat(address, web_at.clone(), begin);
            let master = self.start(seat, &folder, until(stopped.clone())).await?;
            if let Some((listener, at)) = web {
                let started =
                    web::start(listener, master.clone(), Clock::system(), until(stopped.clone()));
                started.map_err(|error| cannot_show(&error, at))?;
            }
            let ending = master.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = asked => ending.hand_over().await,
                    // The master was interrupted before it started.
                    () = ending.removed_for_good() => {}
                }
                drop(stop);
            });
            let inbox = folder.path().join("inbox");
            let serving = serve_master(listener, Arc::new(master.clone()), &inbox, until(stopped));
            let begun = async {
                if let Some(why) = master.why_removed().await {
                    return Err(Refused::usage(why));
                }
                if let Some(joining) = joining {
                    joining.join(&master, address).await?;
                }
                announce(&format!("master {} {address} pid {}\n", self.id, std::process::id()));
                if let Some(web) = web_at {
                    announce(&format!("web http://{web}\n"));
                }
                std::future::pending().await
            };
            tokio::select! {
                served = serving => served.map_err(|error| {
                    Refused::failed(format!("cannot serve: {error}: {address}\nhint: start this \
                                             master again"))
                })?,
                refused = begun => return refused,
            }
            master.close().await;
            Ok(exit::OK)
        })
    }

    async fn start(
        &self,
        seat: Seat,
        folder: &Folder,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<master::Master, Refused> {
        let clock = Clock::system();
        let options = Options {
            data: folder.path().to_path_buf(),
            lease_ms: u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX),
            log: Arc::new(|line| say(&format!("{}\n", escape_message(line)))),
            journal: None,
        };
        let started = master::run(options, seat, clock, Arc::new(draw_nonce), stop).await;
        started.map_err(|error| Refused::usage(error.to_string()))
    }

    fn seat(&self, address: SocketAddr, web: Option<String>, begin: Begin) -> Seat {
        Seat {
            id: self.id,
            address: address.to_string(),
            web,
            pid: std::process::id(),
            begin,
            links: client::Options::default(),
            limits: Limits { log_entries: self.snapshot_entries, ..Limits::default() },
            disk: None,
            on_fatal: Arc::new(|fatal| {
                say(&format!("error: {fatal}\n"));
                std::process::exit(exit::FAILED.into());
            }),
        }
    }

    /// Opens the address of the web pages. If --web is absent and the default address is taken, the master runs
    /// without pages.
    fn web(&self, address: SocketAddr) -> Result<Option<(TcpListener, SocketAddr)>, Refused> {
        // Any port if --listen leaves the choice to the system, or if the port number would be too high.
        let port =
            if self.listen.port() == 0 { None } else { address.port().checked_add(PORT_ABOVE) };
        let usual = SocketAddr::new(address.ip(), port.unwrap_or(0));
        let at = self.web.unwrap_or(usual);
        let bound = TcpListener::bind(at).and_then(|it| it.local_addr().map(|at| (it, at)));
        match bound {
            Ok(bound) => Ok(Some(bound)),
            Err(error) if self.web.is_some() => Err(cannot_show(&error, at)),
            Err(error) => {
                say(&format!(
                    "this master serves no web pages: cannot listen: {error}: {at}\nhint: name \
                     another address with --web\n"
                ));
                Ok(None)
            }
        }
    }

    /// Returns the data folder. Opening the log later checks which master it belongs to.
    fn folder(&self) -> Result<Folder, Refused> {
        if !self.init && self.join.is_none() && !self.data.exists() {
            let shown = Location::from(&self.data);
            return Err(Refused::usage(format!(
                "the master's folder does not exist: {shown}\nhint: give --init to start a new \
                 cluster, or --join ADDR to join one"
            )));
        }
        Folder::make(Some(&self.data))
    }
}

fn cannot_show(error: &std::io::Error, at: SocketAddr) -> Refused {
    Refused::usage(format!("cannot listen: {error}: {at}\nhint: name another address with --web"))
}

/// Completes when the sender is dropped.
async fn until(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}
