//! Turns requests of clients and workers into proposals, and the state into answers.
//!
//! Two kinds of state are kept strictly apart. The `state` is replicated: it changes only by `Change`s, which the
//! `proposer` applies in order, and it reads no clock. The `volatile` state belongs to this master alone: when
//! workers polled, which polls wait for an answer, and the progress that attempts report. It may be lost at any time.
//! Then workers register or poll again, and timeouts start again.
//!
//! ```text
//!   client ── jobs ─────┐                          ┌── state: scheduler, job and worker records
//!                       ├─► proposer ── Change ──► │
//!   worker ── polling ──┘                          └── effects: whose answer is due
//!                ▲                                            │
//!                └── orders: all that the worker should hold ◄┘
//!
//!   ten times a second: timers (leases, timeouts, backups, sweeps, history)
//! ```
//!
//! | file | purpose |
//! |---|---|
//! | `state`, `proposer` | the replicated state, and the one way to change it |
//! | `volatile` | what only this master knows |
//! | `registering`, `polling`, `reports`, `orders` | workers |
//! | `sweeps` | removes what failed jobs have left in staging |
//! | `timers` | everything that depends on time |
//! | `jobs`, `submitting`, `status_lines` | clients |
//! | `queries`, `page_data`, `events` | read-only requests: pages of lists, data for the web, recent events |
//! | `artifacts`, `holding`, `copies` | executables, specs and plans, on disk; on a majority of the masters |
//! | `leading`, `masters`, `removing` | lets only the leader serve requests; requests about masters; their removal |
//!
//! Lock order: the state first, then the volatile state.
//!
//! After a restart or a change of leader, the state holds everything that was acknowledged. The leader gives each
//! worker a new lease. The workers' next polls report the running attempts. These attempts continue, and none is
//! repeated.

mod artifacts;
mod copies;
mod error;
mod events;
mod holding;
mod jobs;
mod leading;
mod masters;
mod orders;
mod page_data;
mod polling;
mod proposer;
mod queries;
mod recipes;
mod registering;
mod removing;
mod reports;
mod state;
mod status_lines;
mod submitting;
mod sweeping;
mod sweeps;
mod timers;
mod volatile;
mod why;

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::consensus::{self, Group, Node, ProposeError};
use crate::crash::crash_point;
use crate::model::{AttemptId, MasterId, Nonce, WorkerId};
use crate::rpc::client;
use crate::rpc::refusal::Refusal;
use crate::scheduler::{Command, Effect, Rejection};

use artifacts::Store;
use copies::Copies;
use proposer::{Proposer, Replica};
use state::{Applied, Change};
use volatile::Volatile;

pub use crate::consensus::{Begin, Disk, Limits, OnFatal};
pub use error::Error;
pub use events::{Event, EventId, Happened, What};
pub use page_data::{Held, JobFacts, StartedTask};
pub use queries::{Figures, Heard, JobsPage, Leader};
pub use timers::TICK_MS;

/// Default lease of a worker, in milliseconds: how long it may be silent before it is considered lost.
pub const LEASE_MS: u64 = 3_000;
/// Shortest lease, in milliseconds. With a shorter one, a busy machine would lose healthy workers.
pub const LEASE_MS_MIN: u64 = 300;
/// How long an ending master tries to hand leadership over.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(4);
/// Most jobs that have not ended. A client that meets this limit waits until some have ended.
pub const LIVE_JOBS_MAX: usize = 10_000;

/// Receives lines that an operator should read.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;
/// Receives the effects of each entry of the log here, in order and with its index. A restarted master applies the
/// entries after its newest snapshot again. A simulation checks its invariants with this.
pub type Journal = Arc<dyn Fn(u64, &[Done]) + Send + Sync>;
/// Draws 128 random bits.
pub type Nonces = Arc<dyn Fn() -> Nonce + Send + Sync>;

/// A command that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When it was proposed.
    pub at_ms: u64,
    /// The command.
    pub command: Command,
    /// Its result.
    pub did: Result<Vec<Effect>, Rejection>,
}

/// Options of a master.
#[derive(Clone)]
pub struct Options {
    /// Its data folder, with the log and the artifacts.
    pub data: PathBuf,
    /// Lease of a worker, in milliseconds; at least [`LEASE_MS_MIN`].
    pub lease_ms: u64,
    /// Receives messages for the operator.
    pub log: Log,
    /// Receives the commands that were applied, if set.
    pub journal: Option<Journal>,
}

/// A master. It serves [`Jobs`](crate::rpc::jobs::Jobs), [`Workers`](crate::rpc::workers::Workers) and
/// [`Artifacts`](crate::rpc::artifacts::Artifacts). Clones are the same master.
#[derive(Clone)]
pub struct Master {
    shared: Arc<Shared>,
}

/// State that all clones share.
struct Shared {
    proposer: Proposer,
    /// The other masters; `None` without a log.
    group: Option<Group>,
    volatile: Mutex<Volatile>,
    store: Store,
    copies: Copies,
    clock: Clock,
    started: Instant,
    nonces: Nonces,
    lease_ms: u64,
    log: Log,
    /// Notified when a job may have changed, or time has passed. Waiters are woken in order.
    changed: Notify,
    /// Held while a request reads the state and proposes changes based on it.
    admission: tokio::sync::Mutex<()>,
    is_stopping: AtomicBool,
    /// Whether this master was removed from its group.
    removed: watch::Sender<bool>,
    /// The entry since which this master leads; 0 while it does not lead.
    leads_since: AtomicU64,
    /// How other masters are reached.
    links: client::Options,
    /// Process id, for display.
    pid: u32,
    /// Address of its web pages.
    web: Option<String>,
}

/// The parts of a master with a log.
struct Others {
    group: Group,
    links: client::Options,
    pid: u32,
    web: Option<String>,
}

/// A master's place in its group.
#[derive(Clone)]
pub struct Seat {
    /// Its number, which its folder keeps.
    pub id: u64,
    /// Where others reach it.
    pub address: String,
    /// Address of its web pages, if it has any. The other masters learn it.
    pub web: Option<String>,
    /// Process id, for display.
    pub pid: u32,
    /// What to start if the folder is empty.
    pub begin: Begin,
    /// How other masters are reached.
    pub links: client::Options,
    /// When it takes snapshots, and how long it waits for its disk.
    pub limits: Limits,
    /// The disk under its log, if not the file itself.
    pub disk: Option<Arc<dyn Disk>>,
    /// Called with the reason when the process must end. Nothing is acknowledged after that.
    pub on_fatal: OnFatal,
}

/// Starts a master that continues from its folder, and does what time requires until `stop` is ready. Needs a tokio
/// runtime.
///
/// # Errors
///
/// When its folder cannot be used, is another's or is damaged, or the lease is too short.
pub async fn run(
    options: Options,
    seat: Seat,
    clock: Clock,
    nonces: Nonces,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Master, Error> {
    let master = Master::start(options, seat, clock, nonces).await?;
    let watched = master.clone();
    tokio::spawn(async move { watched.watch(stop).await });
    Ok(master)
}

impl Master {
    /// A master for tests. It keeps its artifacts on disk, but its state only in memory. Time passes only in
    /// [`Master::tick`].
    ///
    /// # Errors
    ///
    /// When its folder cannot be used, or the lease is too short.
    pub fn open(options: Options, clock: Clock, nonces: Nonces) -> Result<Self, Error> {
        check_lease(options.lease_ms)?;
        Self::with(Proposer::in_memory(options.journal.clone()), None, options, clock, nonces)
    }

    /// A master that continues from its folder, and is ready to serve if it is the only one. Time passes only in
    /// [`Master::tick`].
    ///
    /// # Errors
    ///
    /// When its folder cannot be used, is another's or is damaged, or the lease is too short.
    pub async fn start(
        options: Options,
        seat: Seat,
        clock: Clock,
        nonces: Nonces,
    ) -> Result<Self, Error> {
        check_lease(options.lease_ms)?;
        let Seat { id, address, web, pid, begin, links, limits, disk, on_fatal } = seat;
        let place = consensus::Options {
            folder: options.data.clone(),
            node: id,
            address,
            begin,
            incarnation: nonces().0,
            links: links.clone(),
            limits,
            disk,
            on_fatal,
        };
        let replica = Arc::new(Replica::told_to(options.journal.clone()));
        let node = Node::open(place, Arc::clone(&replica)).await?;
        let group = node.group();
        let mut leadership = group.leadership();
        let others = Some(Others { group, links, pid, web });
        let proposer = Proposer::agreeing(node, replica);
        let master = Self::with(proposer, others, options, clock, nonces)?;
        let now = leadership.borrow_and_update().clone();
        master.shared.take(&now);
        tokio::spawn(leading::follow(Arc::clone(&master.shared), leadership));
        Ok(master)
    }

    /// Hands leadership over before this master ends. From now on it answers only other masters.
    pub async fn hand_over(&self) {
        let shared = &self.shared;
        shared.is_stopping.store(true, Ordering::SeqCst);
        shared.volatile().wake_all();
        shared.note_change();
        let Some(group) = shared.group.as_ref().filter(|group| !group.is_alone()) else { return };
        match tokio::time::timeout(HAND_OVER_WITHIN, group.hand_over(None)).await {
            Ok(Ok(leader)) => {
                (shared.log)(&format!("master m{leader} now leads instead of this one"))
            }
            Ok(Err(ProposeError::NotLeader { .. })) => {}
            // This is normal when all masters are stopped.
            Ok(Err(ProposeError::NoSuccessor { why })) => {
                (shared.log)(&format!("no other master could take over leadership: {why}"));
            }
            Ok(Err(refused)) => (shared.log)(&format!("cannot hand over leadership: {refused}")),
            Err(late) => (shared.log)(&format!("cannot hand over leadership in time: {late}")),
        }
    }

    /// Stops proposing, and closes the log. Later requests are refused.
    pub async fn close(&self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.proposer.close().await;
    }

    fn with(
        proposer: Proposer,
        others: Option<Others>,
        options: Options,
        clock: Clock,
        nonces: Nonces,
    ) -> Result<Self, Error> {
        let Options { data, lease_ms, log, .. } = options;
        let owner = match &others {
            Some(others) => format!("master {}", MasterId(others.group.identity().node)),
            None => "the master".to_string(),
        };
        let store = Store::open(&data.join("artifacts"), owner)?;
        let started = clock.now();
        let (group, links, pid, web) = match others {
            Some(Others { group, links, pid, web }) => (Some(group), links, pid, web),
            None => (None, client::Options::default(), 0, None),
        };
        let shared = Shared {
            proposer,
            group,
            volatile: Mutex::new(Volatile::default()),
            store,
            copies: Copies::default(),
            clock,
            started,
            nonces,
            lease_ms,
            log,
            changed: Notify::new(),
            admission: tokio::sync::Mutex::default(),
            is_stopping: AtomicBool::new(false),
            removed: watch::Sender::new(false),
            leads_since: AtomicU64::new(0),
            links,
            pid,
            web,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Records that a worker's connection was closed, and shortens its lease. If the worker polls or registers again
    /// before the lease ends, it loses nothing.
    pub fn connection_closed(&self, worker: WorkerId) {
        let now_ms = self.shared.now_ms();
        self.shared.volatile().connection_closed(worker, now_ms);
    }

    /// Does what time requires until `stop` is ready, then ends all waiting requests. [`run`] calls this.
    pub async fn watch(&self, stop: impl Future<Output = ()> + Send) {
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
            () = self.shared.keep_up() => {}
            () = self.shared.until_removed() => {}
        }
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.volatile().wake_all();
        self.shared.note_change();
    }
}

#[cfg(feature = "crash-points")]
fn has_cancelled(applied: &Result<Vec<Applied>, Refusal>) -> bool {
    let mut effects = applied.iter().flatten().flatten().flatten();
    let end = crate::model::JobState::Cancelled;
    effects.any(|effect| matches!(effect, Effect::JobEnded { state, .. } if *state == end))
}

fn check_lease(lease_ms: u64) -> Result<(), Error> {
    if lease_ms < LEASE_MS_MIN { Err(Error::Lease { lease_ms }) } else { Ok(()) }
}

impl Shared {
    /// Milliseconds since this master started, by a monotonic clock.
    fn now_ms(&self) -> u64 {
        let passed = self.clock.now().saturating_duration_since(self.started);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    fn volatile(&self) -> MutexGuard<'_, Volatile> {
        self.volatile.lock().expect("code that holds this lock cannot panic")
    }

    /// Applies changes in this order, without others in between, and wakes the polls that they concern. Continues even
    /// if the connection of the request is closed in the meantime.
    async fn propose(self: &Arc<Self>, changes: Vec<Change>) -> Result<Vec<Applied>, Refusal> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let shared = Arc::clone(self);
        let settled = tokio::spawn(async move { shared.settle(changes).await }).await;
        settled.unwrap_or_else(|error| Err(Refusal::Internal { message: error.to_string() }))
    }

    async fn settle(&self, changes: Vec<Change>) -> Result<Vec<Applied>, Refusal> {
        let settled: Vec<AttemptId> = changes.iter().filter_map(reports::settles).collect();
        let at_ms = self.clock.wall_ms();
        let applied = self.proposer.propose(at_ms, changes).await;
        crash_point!("l15", has_cancelled(&applied));
        let now_ms = self.now_ms();
        self.proposer.read(|state| {
            let mut volatile = self.volatile();
            for attempt in settled {
                if volatile.settling.remove(&attempt) {
                    volatile.wake_holder(attempt);
                }
            }
            let effects = applied.iter().flatten().flatten().flatten();
            effects.for_each(|effect| volatile.act(state, effect));
            volatile.assign_sweeps(state, now_ms);
        });
        self.note_change();
        applied
    }

    fn note_change(&self) {
        self.changed.notify_waiters();
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }
}
