//! `gristmill worker`: reads its flags, and starts a worker in this process.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::cluster::{Cluster, runtime};
use super::daemon::{Folder, LEASE_MAX, Tie, asked_to_end};
use super::exit;
use super::refused::Refused;
use crate::clock::Clock;
use crate::launch::{announce, count, say, whole};
use crate::model::limits::SLOTS;
use crate::model::{add_place, escape_message, size};
use crate::rpc::client::{Master, Options, Peer};
use crate::rpc::masters::Masters as _;
use crate::rpc::{address, server};
use crate::storage;
use crate::worker::{self, Limiter, MASTERLESS_MAX, ProcessLauncher, Server, Stop, Transport};

/// Arguments of `worker`.
#[derive(Debug, Args)]
pub(super) struct Worker {
    #[command(flatten)]
    cluster: Cluster,
    /// Number of attempts that run at once, from 1 to 1024 [default: number of cores]
    #[arg(long, value_name = "N", value_parser = whole(SLOTS))]
    slots: Option<u32>,
    /// Memory for all attempts together, at least 32MiB each [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
    /// Data folder: executables, map outputs, logs [default: a fresh temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address for other workers; port 0 takes any free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = address::parse)]
    listen: SocketAddr,
    /// Fetch map outputs on this machine over the network instead of reading the files
    #[arg(long)]
    no_local_reads: bool,
    #[command(flatten)]
    tie: Tie,
}

/// Minimum memory of an attempt, in bytes: a job's smallest buffers, and as much again for its process.
const ATTEMPT_BYTES_MIN: u64 = 32 << 20;

/// The kernel's boot id: the same for all processes on this machine until it restarts.
const MACHINE_FILE: &str = "/proc/sys/kernel/random/boot_id";

fn memory(text: &str) -> Result<u64, String> {
    size::parse(text).map_err(|error| error.to_string())
}

/// Returns the memory of one attempt, in bytes; 0 means no limit.
fn attempt_memory(memory: Option<u64>, slots: u32) -> Result<u64, Refused> {
    let Some(bytes) = memory else { return Ok(0) };
    let each = bytes / u64::from(slots);
    if each >= ATTEMPT_BYTES_MIN {
        return Ok(each);
    }
    let (given, least) = (size::format(bytes), size::format(ATTEMPT_BYTES_MIN));
    let enough = size::format_least(ATTEMPT_BYTES_MIN.saturating_mul(slots.into()));
    let what = format!(
        "{given} of memory for {} is too little to run any job",
        count(slots.into(), "slot")
    );
    let fewer = if bytes >= ATTEMPT_BYTES_MIN { ", or reduce --slots" } else { "" };
    Err(Refused::usage(format!(
        "{what}: --memory\nhint: each attempt needs {least}, so give --memory {enough}{fewer}"
    )))
}

/// Returns the number of cores of this machine, from 1 to 1024.
pub(super) fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores).unwrap_or(1).clamp(*SLOTS.start(), *SLOTS.end())
}

/// Prints a note if no master answers. The worker keeps asking, but the user may have mistyped an address.
async fn say_if_silent(masters: Master) {
    if let Err(refusal) = masters.masters().await {
        let minutes = MASTERLESS_MAX.as_secs() / 60;
        let going_on = format_args!("this worker keeps trying for {minutes} min");
        say(&format!("{}\n", add_place(&escape_message(&refusal.to_string()), going_on)));
    }
}

impl Worker {
    /// Returns an identifier of this machine, if this worker may read files of other workers on it.
    fn machine(&self) -> String {
        let named = std::fs::read_to_string(MACHINE_FILE).unwrap_or_default();
        if self.no_local_reads { String::new() } else { named.trim().to_string() }
    }

    /// Runs the worker until it is asked to end, or has been drained.
    pub(super) fn run(&self) -> Result<u8, Refused> {
        self.tie.hold()?;
        let addresses = self.cluster.addresses()?;
        let folder = Folder::make_for_executables(self.data.as_deref())?;
        runtime()?.block_on(async {
            let asked = asked_to_end()?;
            let listen = |error| {
                Refused::usage(format!(
                    "cannot listen: {error}: {}\nhint: name another address with --listen",
                    self.listen
                ))
            };
            let listener = TcpListener::bind(self.listen).await.map_err(listen)?;
            let address = listener.local_addr().map_err(listen)?;
            let clock = Clock::system();
            let slots = self.slots.unwrap_or_else(cores);
            let attempt_memory_bytes = attempt_memory(self.memory, slots)?;
            let options = worker::Options {
                data: folder.path().to_path_buf(),
                address: address.to_string(),
                machine: self.machine(),
                slots,
                attempt_memory_bytes,
                pid: std::process::id(),
                incarnation: storage::draw_nonce().0,
                masterless_max: MASTERLESS_MAX,
                own_poll_thread: true,
                clock,
                log: |text| say(&format!("{text}\n")),
            };
            let masters = Master::connect(&addresses, Options::default())?;
            let wire = Wire::new(addresses, listener)?;
            // Without this call, processes that a killed supervisor leaves behind are found only by control group or
            // environment.
            let _adopts_or_too_old = worker::adopt_orphans();
            let launcher = ProcessLauncher::start(Limiter::detect()).map_err(|error| {
                let hint = storage::hint(&error);
                Refused::failed(format!("cannot start a thread: {error}\nhint: {hint}"))
            })?;
            announce(&format!("worker {address} pid {}\n", options.pid));
            tokio::spawn(say_if_silent(masters));
            let (stop, stopped) = watch::channel(Stop::No);
            tokio::spawn(async move {
                asked.await;
                stop.send_replace(Stop::Now);
                // Receivers see the last value even after the sender is dropped.
            });
            worker::run(options, wire, launcher, stopped)
                .await
                .map_err(|error| Refused::failed(error.to_string()))?;
            Ok(exit::OK)
        })
    }
}

/// Connections of this worker, in both directions: gRPC over TCP.
struct Wire {
    addresses: Vec<String>,
    listener: Mutex<Option<TcpListener>>,
}

/// Returns the options of the connection to the masters, which hold a poll back for a third of the lease. The worker
/// learns the lease later, so the options allow for the longest one.
fn options() -> Options {
    Options { poll_held: LEASE_MAX / 3, ..Options::default() }
}

impl Wire {
    fn new(addresses: Vec<String>, listener: TcpListener) -> Result<Self, Refused> {
        // Invalid addresses are reported here, once.
        Master::connect(&addresses, options())?;
        Ok(Self { addresses, listener: Mutex::new(Some(listener)) })
    }
}

impl Transport for Wire {
    type Masters = Master;
    type Peer = Peer;

    fn masters(&self) -> Master {
        Master::connect(&self.addresses, options()).expect("the addresses were already checked")
    }

    fn peer(&self, address: &str) -> Peer {
        Peer::connect(address, &Options::default())
    }

    async fn serve(&self, service: Server) -> io::Result<()> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let listener =
            listener.ok_or_else(|| io::Error::other("the worker already serves its address"))?;
        server::serve_worker(listener, Arc::new(service), std::future::pending()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_rejects_too_little_memory() {
        assert_eq!(attempt_memory(None, 8).unwrap_or(1), 0);
        assert_eq!(attempt_memory(Some(64 << 20), 2).unwrap_or(0), 32 << 20);
        for (bytes, slots) in [(1 << 20, 1), (64 << 20, 3), (0, 1)] {
            assert!(attempt_memory(Some(bytes), slots).is_err(), "{bytes} for {slots}");
        }
    }
}
