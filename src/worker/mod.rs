//! Runs attempts for a cluster: starts executors, fetches their input, serves their map outputs to other workers, and
//! reports to the master.
//!
//! ```text
//!              poll (what is held)                    ┌──────── executor (child process, own group)
//!   master ◄──────────────────────── poll loop        │  socket: Run ► ◄ Begun, Progress, Done, …
//!          ────────────────────────►     │            │  pipe:   standard output and error ► log
//!              orders (what should be)   ▼            ▼
//!                             held attempts ────► attempt ────► slot
//!                                                   │ a reduce first fetches
//!   worker ◄──────────── fetch ─────────────────────┘
//!          ────────────► server ──► outputs (spill files of this worker's maps, which outlive executors and restarts)
//! ```
//!
//! The **held attempts** are those that the master has assigned, with the state of each. The poll loop sends them
//! to the master and reconciles it with the answer. The loop has its own thread, so that other work never delays it.
//! Each attempt is an async task, which takes a slot, drives an executor, and records its end among the held attempts.
//!
//! The master, the other workers, the launcher of executors, the clock and the data folder are passed in, so that a
//! simulation can replace them. `folders.rs` shows the layout of the data folder.

mod artifacts;
mod attempt;
mod capped_log;
mod death;
mod error;
mod executor;
mod fetch;
mod fetch_once;
mod folders;
mod gather;
mod held_attempts;
mod launcher;
mod log;
mod map_outputs;
mod memory;
mod orphans;
mod output;
mod poll;
mod process;
mod process_tree;
mod room;
mod server;
mod slots;
mod socket;
mod specs;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use capped_log::{CappedLog, News, left_out, news};
pub use death::{Death, Ending};
pub use error::Error;
pub use fetch_once::{FetchOnceError, fetch_once, lend_file};
pub use launcher::{Launch, Launched, Launcher, Process, Socket};
pub use memory::Limiter;
pub use orphans::{adopt as adopt_orphans, end_orphans};
pub use process::ProcessLauncher;
pub use server::Server;

use self::held_attempts::HeldAttempts;
use crate::clock::Clock;
use crate::rpc::artifacts::Artifacts;
use crate::rpc::shuffle::Shuffle;
use crate::rpc::workers::Workers;

/// How long a worker that cannot reach a master keeps running and serving, unless its options say otherwise.
pub const MASTERLESS_MAX: Duration = Duration::from_secs(600);
/// How long attempts have to end when the worker stops.
const ENDING_MAX: Duration = Duration::from_secs(10);

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its data folder, created if it does not exist. No other worker may use it.
    pub data: PathBuf,
    /// Address of its shuffle service.
    pub address: String,
    /// Name of this machine. Workers with the same name read each other's map outputs from their files. If it is empty,
    /// every output is sent.
    pub machine: String,
    /// Most attempts at once.
    pub slots: u32,
    /// Memory limit of one attempt, in bytes; 0 for none.
    pub attempt_memory_bytes: u64,
    /// Its process id, for people.
    pub pid: u32,
    /// Random number of this process.
    pub incarnation: u128,
    /// How long it keeps running without a master; [`MASTERLESS_MAX`] except in tests.
    pub masterless_max: Duration,
    /// Whether the poll loop gets a thread and a runtime of its own. False in a simulation, whose time belongs to its
    /// runtime.
    pub own_poll_thread: bool,
    /// The clock.
    pub clock: Clock,
    /// Prints one line for the operator.
    pub log: fn(&str),
}

/// Instruction to a running worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Keep running.
    No,
    /// Start no new attempts, finish the running ones, serve map outputs until no job needs them, then leave.
    Drain,
    /// Kill the running attempts and leave.
    Now,
}

/// Connections of a worker, in both directions.
pub trait Transport: Send + Sync + 'static {
    /// A connection to the leading master.
    type Masters: Workers + Artifacts;
    /// A connection to another worker.
    type Peer: Shuffle;

    /// Returns a connection to the masters, for use on the current runtime.
    fn masters(&self) -> Self::Masters;
    /// Returns a connection to the worker at an address. It is opened when it is first used.
    fn peer(&self, address: &str) -> Self::Peer;
    /// Serves other workers at [`Options::address`] until it is dropped. Ends only on failure.
    fn serve(&self, server: Server) -> impl Future<Output = io::Result<()>> + Send;
}

/// State that the parts of a running worker share.
struct Worker<T: Transport, L> {
    options: Options,
    transport: T,
    launcher: L,
    masters: T::Masters,
    folders: folders::Folders,
    artifacts: artifacts::Cache,
    held_attempts: HeldAttempts,
    outputs: Arc<map_outputs::MapOutputs>,
    logs: Arc<log::Logs>,
    slots: slots::Slots,
    specs: specs::Specs,
}

/// Runs a worker until it is stopped or may leave.
///
/// # Errors
/// If its data folder cannot be used, its service fails, or no master answers for too long. Even then, its executors
/// have ended when this returns.
pub async fn run<T: Transport, L: Launcher>(
    options: Options,
    transport: T,
    launcher: L,
    stop: watch::Receiver<Stop>,
) -> Result<(), Error> {
    let folders = folders::Folders::open(&options.data)?;
    let worker = Arc::new(Worker {
        masters: transport.masters(),
        artifacts: artifacts::Cache::new(folders.artifacts()),
        held_attempts: HeldAttempts::new(),
        outputs: Arc::new(map_outputs::MapOutputs::restore(&folders)),
        logs: Arc::new(log::Logs::new(folders.logs())),
        slots: slots::Slots::new(options.slots),
        specs: specs::Specs::default(),
        folders,
        options,
        transport,
        launcher,
    });
    let server = Server::new(
        worker.options.machine.clone(),
        Arc::clone(&worker.outputs),
        Arc::clone(&worker.logs),
    );
    let ended = tokio::select! {
        biased;
        served = worker.transport.serve(server) => Err(Error::Served {
            address: worker.options.address.clone(),
            source: served.err().unwrap_or_else(|| io::Error::other("the server stopped")),
        }),
        ended = poll::run(Arc::clone(&worker), stop) => ended,
    };
    worker.held_attempts.stop_all();
    let all_ended = tokio::time::timeout(ENDING_MAX, worker.held_attempts.all_ended()).await;
    worker.slots.close_idle(|_| true);
    // Attempts that did not end in time die with the launcher.
    ended.and(all_ended.or(Ok(())))
}
