//! Lends slots: starts executors, fetches for them, serves their spill files, reports.
//!
//! ```text
//!              poll (what is held)                    ┌──────── executor (child process, own group)
//!   master ◄──────────────────────── poll loop        │  socket: Run ► ◄ Begun, Progress, Done, …
//!          ────────────────────────►     │            │  pipe:   standard output and error ► log
//!              orders (what should be)   ▼            ▼
//!                                      book ────► attempt ────► slot
//!                                                   │ a reduce first fetches
//!   worker ◄──────────── fetch ─────────────────────┘
//!          ────────────► server ──► outputs (spill files of this worker's maps, which outlive executors and restarts)
//! ```
//!
//! The **book** holds what the worker has been ordered to do and how each attempt stands. The poll loop carries it to
//! the master and reconciles it with the answer; it runs on a thread of its own, so that nothing here delays it.
//! Each attempt is a task of the runtime, which takes a slot and drives an executor; it ends in the book.
//!
//! Master, peers, the launcher of executors, the clock and the data folder come from outside, so that a simulation
//! can replace them. The data folder is drawn in `folders.rs`.

mod artifacts;
mod attempt;
mod book;
mod death;
mod error;
mod executor;
mod fetch;
mod folders;
mod gather;
mod kin;
mod launcher;
mod log;
mod map_outputs;
mod memory;
mod once;
mod output;
mod poll;
mod process;
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

pub use death::{Death, Ending};
pub use error::Error;
pub use launcher::{Launch, Launched, Launcher, Process, Socket};
pub use log::{CappedLog, News, left_out, news};
pub use memory::Limiter;
pub use once::{Unheard, fetch_once, lend_file};
pub use process::ProcessLauncher;
pub use server::Server;

use crate::clock::Clock;
use crate::rpc::artifacts::Artifacts;
use crate::rpc::shuffle::Shuffle;
use crate::rpc::workers::Workers;

/// How long a worker that reaches no master keeps running and serving, unless its options say otherwise.
pub const MASTERLESS_MAX: Duration = Duration::from_secs(600);
/// How long attempts have to end when the worker stops.
const ENDING_MAX: Duration = Duration::from_secs(10);

/// What a worker is told when it starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its data folder, which no other worker may use; made if it is not there.
    pub data: PathBuf,
    /// Where others reach its shuffle service.
    pub address: String,
    /// Names this machine: workers that name the same read each other's map outputs where they lie. Empty: all is sent.
    pub machine: String,
    /// Attempts at once.
    pub slots: u32,
    /// Memory that one attempt may have, in bytes; 0: not limited.
    pub attempt_memory_bytes: u64,
    /// Its process id, to be shown.
    pub pid: u32,
    /// Random, drawn when the process started.
    pub incarnation: u128,
    /// How long it keeps on without a master; [`MASTERLESS_MAX`] but in tests.
    pub masterless_max: Duration,
    /// Whether the poll loop gets a thread and a runtime of its own; a simulation, whose time is its runtime's, says no.
    pub own_poll_thread: bool,
    /// What time it is.
    pub clock: Clock,
    /// Tells the operator something: one line.
    pub log: fn(&str),
}

/// What a worker is told while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    No,
    /// Take no new attempts, finish those that run, serve until nobody needs the outputs, then leave.
    Drain,
    /// Kill what runs and leave.
    Now,
}

/// How a worker reaches others, and is reached.
pub trait Transport: Send + Sync + 'static {
    /// A connection to whichever master leads.
    type Masters: Workers + Artifacts;
    /// A connection to another worker.
    type Peer: Shuffle;

    /// A connection to the masters, for use on the runtime that it is called on.
    fn masters(&self) -> Self::Masters;
    /// A connection to the worker at an address; made or refused when it is used.
    fn peer(&self, address: &str) -> Self::Peer;
    /// Serves others at [`Options::address`] until it is dropped; ends only if that fails.
    fn serve(&self, server: Server) -> impl Future<Output = io::Result<()>> + Send;
}

/// What the parts of a running worker share.
struct Worker<T: Transport, L> {
    options: Options,
    transport: T,
    launcher: L,
    masters: T::Masters,
    folders: folders::Folders,
    artifacts: artifacts::Cache,
    book: book::Book,
    outputs: Arc<map_outputs::MapOutputs>,
    logs: Arc<log::Logs>,
    slots: slots::Slots,
    specs: specs::Specs,
}

/// Runs a worker until it is stopped or may leave.
///
/// # Errors
/// If its data folder cannot be used, its service fails, or no master was reached for too long. Executors are gone by
/// then, whatever the outcome.
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
        book: book::Book::new(),
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
            source: served.err().unwrap_or_else(|| io::Error::other("the service ended")),
        }),
        ended = poll::run(Arc::clone(&worker), stop) => ended,
    };
    worker.book.stop_all();
    let all_ended = tokio::time::timeout(ENDING_MAX, worker.book.all_gone()).await;
    worker.slots.close_idle(|_| true);
    // Those that did not end in time die with their launcher.
    ended.and(all_ended.or(Ok(())))
}
