//! Turns requests of clients and workers into proposals, and the state into answers.
//!
//! Two kinds of memory are kept strictly apart. The `state` is what masters agree on: it changes
//! only by `Change`s that the `proposer` applies in order, and it reads no clock.
//! The `desk` is what this master sees for itself: who polled when, which poll waits for an
//! answer, what attempts say of their progress. It may be lost at any time; then workers register
//! or poll again, and periods begin anew.
//!
//! ```text
//!   client ── jobs ─────┐                          ┌── state: scheduler, job and worker records
//!                       ├─► proposer ── Change ──► │
//!   worker ── polling ──┘                          └── effects: whose answer is due
//!                ▲                                            │
//!                └── orders: all that the worker should hold ◄┘
//!
//!   ten times a second: watching (leases, timeouts, backups, sweeps, history)
//! ```
//!
//! | file | what for |
//! |---|---|
//! | `state`, `proposer` | what is agreed on, and the one way to change it |
//! | `desk` | what only this master knows |
//! | `registering`, `polling`, `reports`, `orders` | workers |
//! | `sweeps` | what failed jobs have left in staging |
//! | `watching` | all that needs time |
//! | `jobs`, `submitting`, `views` | clients |
//! | `artifacts` | executables, specs and plans, on disk |
//!
//! Whoever holds both locks took that of the state first.
//!
//! There is one master, and its state is in memory: a restart loses all running jobs, which it says
//! when it starts. Masters that agree by Raft take the proposer's place.

mod artifacts;
mod desk;
mod error;
mod jobs;
mod orders;
mod polling;
mod proposer;
mod registering;
mod reports;
mod state;
mod submitting;
mod sweeps;
mod views;
mod watching;

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock::Clock;
use crate::rpc::refusal::Refusal;
use crate::scheduler::{Command, Effect, Rejection};
use crate::spec::{Nonce, WorkerId};

use artifacts::Store;
use desk::Desk;
use proposer::Proposer;
use state::{Applied, Change};

pub use error::Error;
pub use watching::TICK_MS;

/// How long a silent worker is believed, in milliseconds, where nothing else is asked for.
pub const LEASE_MS: u64 = 3_000;
/// Shortest lease, in milliseconds: below, a busy machine loses workers that are well.
pub const LEASE_MS_MIN: u64 = 300;
/// Jobs that have not ended; a client that meets this limit waits for some to end.
pub const LIVE_JOBS_MAX: usize = 10_000;

/// Takes lines that an operator should read.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;
/// Is told each command that was applied, when it was proposed, and what became of it, in the order of their application.
/// A simulation holds every step against what must hold by this.
pub type Journal = Arc<dyn Fn(u64, Command, &Result<Vec<Effect>, Rejection>) + Send + Sync>;
/// Draws 128 random bits, other ones each time.
pub type Nonces = Arc<dyn Fn() -> Nonce + Send + Sync>;

/// What a master is started with.
#[derive(Clone)]
pub struct Options {
    /// Its folder; artifacts lie in it. It is created if need be.
    pub data: PathBuf,
    /// How long a silent worker is believed, in milliseconds; at least [`LEASE_MS_MIN`].
    pub lease_ms: u64,
    /// Where to say what an operator should read.
    pub log: Log,
    /// Who is told what the state's commands were, if anybody is.
    pub journal: Option<Journal>,
}

/// A master: what serves [`Jobs`](crate::rpc::jobs::Jobs), [`Workers`](crate::rpc::workers::Workers)
/// and [`Artifacts`](crate::rpc::artifacts::Artifacts). Clones are the same master.
#[derive(Clone)]
pub struct Master {
    shared: Arc<Shared>,
}

/// What all clones share.
struct Shared {
    proposer: Proposer,
    desk: Mutex<Desk>,
    store: Store,
    clock: Clock,
    started: Instant,
    nonces: Nonces,
    lease_ms: u64,
    log: Log,
    journal: Option<Journal>,
    /// Counts up whenever a job may look different, or time has passed.
    changed: watch::Sender<u64>,
    /// Held while a request looks at the state and proposes what follows from it.
    admission: tokio::sync::Mutex<()>,
    is_stopping: AtomicBool,
}

/// Starts a master that watches the time until `stop` is ready. Needs a tokio runtime.
///
/// # Errors
///
/// When its folder cannot be used, or the lease is too short.
pub fn run(
    options: Options,
    clock: Clock,
    nonces: Nonces,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Master, Error> {
    let master = Master::open(options, clock, nonces)?;
    let watched = master.clone();
    tokio::spawn(async move { watched.watch(stop).await });
    Ok(master)
}

impl Master {
    /// A master that is ready to serve, and for which time passes only by [`Master::tick`].
    ///
    /// # Errors
    ///
    /// When its folder cannot be used, or the lease is too short.
    pub fn open(options: Options, clock: Clock, nonces: Nonces) -> Result<Self, Error> {
        let Options { data, lease_ms, log, journal } = options;
        if lease_ms < LEASE_MS_MIN {
            return Err(Error::Lease { lease_ms });
        }
        let store = Store::open(&data.join("artifacts"))?;
        log("this master is alone and keeps its state in memory: its restart loses running jobs");
        let started = clock.now();
        let shared = Shared {
            proposer: Proposer::default(),
            desk: Mutex::new(Desk::default()),
            store,
            clock,
            started,
            nonces,
            lease_ms,
            log,
            journal,
            changed: watch::Sender::new(0),
            admission: tokio::sync::Mutex::default(),
            is_stopping: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Says that the connection of a worker was closed: its lease is shortened, and a worker that
    /// polls or registers again before its end loses nothing.
    pub fn connection_closed(&self, worker: WorkerId) {
        let now_ms = self.shared.now_ms();
        self.shared.desk().connection_closed(worker, now_ms);
    }

    /// Watches the time until `stop` is ready, then ends all that waits.
    async fn watch(&self, stop: impl Future<Output = ()> + Send) {
        let ticking = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.tick().await;
            }
        };
        tokio::select! {
            biased;
            () = stop => {}
            () = ticking => {}
        }
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.desk().wake_all();
        self.shared.note_change();
    }
}

impl Shared {
    /// Milliseconds since this master started, by a clock that never goes back.
    fn now_ms(&self) -> u64 {
        let passed = self.clock.now().saturating_duration_since(self.started);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("whoever holds the desk only changes values in memory")
    }

    /// Has changes applied, in this order and with nothing in between, and wakes whom they concern.
    async fn propose(&self, changes: Vec<Change>) -> Result<Vec<Applied>, Refusal> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let at_ms = self.clock.wall_ms();
        let journal = self.journal.as_ref();
        let commands = journal.map(|_| changes.iter().map(Change::command).collect::<Vec<_>>());
        let applied = self.proposer.propose(at_ms, changes).await?;
        if let Some((journal, commands)) = journal.zip(commands) {
            commands
                .into_iter()
                .zip(&applied)
                .for_each(|(command, did)| journal(at_ms, command, did));
        }
        self.proposer.read(|state| {
            let mut desk = self.desk();
            applied.iter().flatten().flatten().for_each(|effect| desk.act(state, effect));
            desk.assign_sweeps(state, self.now_ms());
        });
        self.note_change();
        Ok(applied)
    }

    fn note_change(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }
}
