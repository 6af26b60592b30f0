//! Registers the worker, then polls the master. Each poll reports the attempts that the worker holds, and the answer says
//! which attempts it should hold. Starts and stops attempts accordingly.
//!
//! Polls are level-triggered; see [`crate::rpc::workers`]. The master answers a poll when it has news, or after part of
//! the lease. Then the worker sends the next poll. If an attempt ends before that, the worker sends a new poll at once,
//! which replaces the one that the master holds. Answers to older polls are dropped.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

use super::attempt::carry_out;
use super::{Error, Launcher, Stop, Transport, Worker, room};
use crate::crash::crash_point;
use crate::model::{JobId, Nonce, UNLIMITED, WorkerFacts, WorkerId, add_place};
use crate::offload::offload;
use crate::rpc::refusal::Refusal;
#[cfg(feature = "crash-points")]
use crate::rpc::workers::{Done, HeldState};
use crate::rpc::workers::{Leave, Orders, Poll, Register, Registered, Workers};

/// How long a registration may take.
const REGISTER_MAX: Duration = Duration::from_secs(10);
/// How long a worker that ends waits for a master to confirm that it leaves.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// Shortest time limit of a poll, whatever the lease.
const POLL_LEAST: Duration = Duration::from_secs(1);
/// Pause after the first poll without an answer, doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest pause, short compared with a lease, so that a new leader soon knows this worker.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Pause after an answer that changed nothing, so that a worker and a master that disagree do not exchange polls
/// nonstop.
const IDLE_PAUSE: Duration = Duration::from_millis(20);
/// Most unanswered polls that stay open after newer ones were sent. Each is a request on the connection.
const SUPERSEDED_MAX: usize = 64;
/// How long an attempt may run before the master learns that it has begun, so that a short task takes only one poll.
const SHORT_TASK: Duration = Duration::from_millis(5);

/// Polls until the worker leaves, on a thread of its own if the options say so.
pub(super) async fn run<T: Transport, L: Launcher>(
    worker: Arc<Worker<T, L>>,
    stop: watch::Receiver<Stop>,
) -> Result<(), Error> {
    let attempts = Handle::current();
    if !worker.options.own_poll_thread {
        return Box::pin(Polling::new(worker, attempts, stop).run()).await;
    }
    let (mut sender, ended) = oneshot::channel();
    let polls = move || {
        let polled = Builder::new_current_thread().enable_all().build().map(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    polled = Box::pin(Polling::new(worker, attempts, stop).run()) => polled,
                    // The worker was dropped.
                    () = sender.closed() => Ok(()),
                }
            })
        });
        let _told_or_dropped =
            sender.send(polled.unwrap_or_else(|error| Err(Error::Thread(error))));
    };
    thread::Builder::new().name("poll".into()).spawn(polls).map_err(Error::Thread)?;
    ended.await.unwrap_or_else(|_| Err(Error::Thread(std::io::Error::other("it died"))))
}

/// A poll in flight.
type Asked = Pin<Box<dyn Future<Output = Result<Orders, Refusal>> + Send>>;

/// The poll loop's own state.
struct Polling<T: Transport, L> {
    worker: Arc<Worker<T, L>>,
    masters: Arc<T::Masters>,
    /// Polls that were not answered when there was news, oldest first, kept until a newer one is answered. If one were
    /// dropped and the newer one arrived late, the master would see a closed connection. The oldest keeps trying.
    superseded: VecDeque<Asked>,
    /// Where attempts run.
    attempts: Handle,
    stop: watch::Receiver<Stop>,
    sequence: u64,
    /// The newest leadership whose assignments arrived.
    epoch: u64,
    backoff: Duration,
    /// When the first poll without an answer failed, while no master answers.
    silent_since: Option<Instant>,
}

/// The next step after a poll.
enum Next {
    Poll,
    Register,
    Leave,
}

impl<T: Transport, L: Launcher> Polling<T, L> {
    fn new(worker: Arc<Worker<T, L>>, attempts: Handle, stop: watch::Receiver<Stop>) -> Self {
        Polling {
            masters: Arc::new(worker.transport.masters()),
            superseded: VecDeque::new(),
            worker,
            attempts,
            stop,
            sequence: 0,
            epoch: 0,
            backoff: BACKOFF_FIRST,
            silent_since: None,
        }
    }

    async fn run(mut self) -> Result<(), Error> {
        while let Some(Registered { worker, lease_ms, .. }) = self.register().await? {
            self.worker.folders.keep_worker(worker);
            let deadline = Duration::from_millis(lease_ms).max(POLL_LEAST);
            loop {
                match self.poll(worker, deadline).await? {
                    Next::Poll => {}
                    Next::Register => break,
                    Next::Leave => {
                        self.say_goodbye(worker).await;
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Registers this worker. Returns `None` if the worker is stopped first.
    async fn register(&mut self) -> Result<Option<Registered>, Error> {
        loop {
            let options = &self.worker.options;
            let request = Register {
                incarnation: options.incarnation,
                worker: self.worker.folders.worker(),
                facts: self.facts(),
                outputs: self.worker.outputs.held(),
                cluster: self.worker.folders.cluster(),
            };
            let answer = tokio::select! {
                biased;
                answer = answered(REGISTER_MAX, self.masters.register(request)) => answer,
                () = stopped(&mut self.stop) => return Ok(None),
            };
            match answer {
                Ok(registered) => {
                    self.check_cluster(registered.cluster)?;
                    self.heard();
                    return Ok(Some(registered));
                }
                // The same registration would be refused again.
                Err(refusal @ (Refusal::Invalid { .. } | Refusal::Limit { .. })) => {
                    return Err(Error::Refused { refusal });
                }
                Err(refusal) => self.unheard(refusal).await?,
            }
            if *self.stop.borrow() == Stop::Now {
                return Ok(None);
            }
        }
    }

    /// Refuses masters of another cluster, whose jobs may have the same ids as jobs here.
    fn check_cluster(&self, cluster: u128) -> Result<(), Error> {
        let folders = &self.worker.folders;
        match folders.cluster() {
            Some(own) if own != cluster => Err(Error::OtherCluster {
                path: self.worker.options.data.clone(),
                own: Nonce(own),
                other: Nonce(cluster),
            }),
            _ => {
                folders.keep_cluster(cluster);
                Ok(())
            }
        }
    }

    /// Tells the masters that this process ends, so that its tasks move at once and not only when its lease ends.
    async fn say_goodbye(&mut self, worker: WorkerId) {
        let leave = Leave { worker, incarnation: self.worker.options.incarnation };
        match answered(GOODBYE_MAX, self.masters.leave(leave)).await {
            // Not found: the masters have already removed it.
            Ok(()) | Err(Refusal::NotFound { .. }) => {}
            Err(refusal) => (self.worker.options.log)(&format!(
                "worker {worker} ends, but failed to report that to a master: {refusal}"
            )),
        }
    }

    fn facts(&self) -> WorkerFacts {
        let options = &self.worker.options;
        let limiter = match options.attempt_memory_bytes {
            0 => UNLIMITED,
            _ => self.worker.launcher.limiter(),
        };
        WorkerFacts {
            pid: options.pid,
            address: options.address.clone(),
            slots: options.slots,
            attempt_memory_bytes: options.attempt_memory_bytes,
            limiter: limiter.into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    async fn poll(&mut self, id: WorkerId, deadline: Duration) -> Result<Next, Error> {
        self.sequence += 1;
        let stop = *self.stop.borrow_and_update();
        if stop == Stop::Now {
            return Ok(Next::Leave);
        }
        let is_draining = stop == Stop::Drain;
        // Subscribed before the held attempts are read, so that no news is missed in between.
        let mut news = self.worker.held_attempts.news();
        let poll = Poll {
            worker: id,
            incarnation: self.worker.options.incarnation,
            sequence: self.sequence,
            held: self.worker.held_attempts.report(),
            jobs: self.worker.folders.jobs().into_iter().map(|(_, job)| job).collect(),
            draining: is_draining,
            room: room::look(&self.worker.options.data),
        };
        let jobs = poll.jobs.clone();
        let masters = Arc::clone(&self.masters);
        let mut asked: Asked =
            Box::pin(async move { answered(deadline, masters.poll(poll)).await });
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut asked => break answer,
                // If a master stops answering, the oldest poll is the first to try another one. Each newer poll starts
                // its own wait, so with frequent news none of them might ever time out.
                () = oldest(&mut self.superseded) => {}
                // A newer poll ends this one.
                _ = news.changed() => {
                    self.supersede(asked);
                    return Ok(Next::Poll);
                }
                stop = told(&mut self.stop) => {
                    return Ok(if stop == Stop::Now { Next::Leave } else { Next::Poll });
                }
            }
        };
        let orders = match answer {
            Ok(orders) => orders,
            Err(Refusal::NotFound { .. }) => return Ok(Next::Register),
            Err(refusal) => {
                if matches!(refusal, Refusal::Invalid { .. } | Refusal::Limit { .. }) {
                    self.refused(&refusal);
                }
                self.unheard(refusal).await?;
                let is_over = *self.stop.borrow() == Stop::Now;
                return Ok(if is_over { Next::Leave } else { Next::Poll });
            }
        };
        self.heard();
        self.worker.held_attempts.confirm_reports();
        // Ignores a master that does not yet know that another one leads.
        let counts = orders.sequence == self.sequence && orders.epoch >= self.epoch;
        self.epoch = self.epoch.max(orders.epoch);
        let may_leave = orders.may_leave && counts;
        let has_changed = counts && self.obey(orders, &jobs, is_draining);
        if may_leave && self.worker.held_attempts.is_empty() {
            return Ok(Next::Leave);
        }
        let pause = if has_changed { SHORT_TASK } else { IDLE_PAUSE };
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            _ = news.changed() => {}
            () = stopped(&mut self.stop) => return Ok(Next::Leave),
        }
        Ok(Next::Poll)
    }

    /// Carries out the answer. Returns whether it changes anything.
    fn obey(&self, orders: Orders, jobs: &[JobId], is_draining: bool) -> bool {
        // As if the answer that acknowledges the attempt's success were lost.
        crash_point!(
            "w06",
            self.has_heard_of(&orders, |end| matches!(end, HeldState::Done(Done::Map { .. })))
        );
        crash_point!(
            "w12",
            self.has_heard_of(&orders, |end| matches!(end, HeldState::Done(Done::Reduce { .. })))
        );
        let worker = &self.worker;
        let before = worker.held_attempts.len();
        let ordered: Vec<(Nonce, JobId)> =
            orders.attempts.iter().map(|order| (order.nonce, order.attempt.task.job)).collect();
        let starts = worker.held_attempts.reconcile(orders.attempts, is_draining);
        let busy = worker.held_attempts.jobs();
        for (nonce, job) in worker.folders.jobs() {
            // The same id under another nonce: a job of a cluster that no longer exists.
            let is_replaced = ordered.iter().any(|&(other, same)| same == job && other != nonce);
            let is_forgotten =
                jobs.contains(&job) && !orders.keep.contains(&job) && !busy.contains(&job);
            if is_replaced || is_forgotten {
                self.remove(nonce);
            }
        }
        let has_changed = !starts.is_empty() || worker.held_attempts.len() != before;
        for start in starts {
            worker.folders.expect_job(start.order.nonce, start.order.attempt.task.job);
            self.attempts.spawn(carry_out(Arc::clone(worker), start));
        }
        has_changed
    }

    /// Whether an answer no longer names an attempt with such an end.
    #[cfg(feature = "crash-points")]
    fn has_heard_of(&self, orders: &Orders, is_so: impl Fn(&HeldState) -> bool) -> bool {
        let is_named = |attempt| orders.attempts.iter().any(|order| order.attempt == attempt);
        let mut held = self.worker.held_attempts.report().into_iter();
        held.any(|held| is_so(&held.state) && !is_named(held.attempt))
    }

    fn remove(&self, nonce: Nonce) {
        let worker = Arc::clone(&self.worker);
        let remove = move || {
            worker.outputs.forget(nonce);
            worker.slots.close_idle(|other| other == nonce);
            worker.artifacts.release(nonce);
            worker.specs.release(nonce);
            worker.folders.remove_job(nonce);
        };
        self.attempts.spawn(offload(remove));
    }

    fn supersede(&mut self, asked: Asked) {
        if self.superseded.len() == SUPERSEDED_MAX {
            // Never the oldest, which is the first to try another master.
            drop(self.superseded.remove(1));
        }
        self.superseded.push_back(asked);
    }

    /// The master refused a poll permanently. An attempt whose report is the reason ends, and the worker continues.
    fn refused(&mut self, refusal: &Refusal) {
        let ended = self.worker.held_attempts.note_refusal(refusal);
        let what = match ended {
            Some(attempt) => {
                format!("attempt {attempt} fails, because its report is refused every time")
            }
            // While no master answers, one line covers all polls.
            None if self.silent_since.is_none() => {
                "from now on, this worker reports each attempt separately".into()
            }
            None => return,
        };
        (self.worker.options.log)(&add_place(
            &format!("the master refuses a poll: {refusal}"),
            what,
        ));
    }

    fn heard(&mut self) {
        self.superseded.clear();
        self.silent_since = None;
        self.backoff = BACKOFF_FIRST;
    }

    /// Waits before the next try. Fails if no master has answered for too long.
    async fn unheard(&mut self, refusal: Refusal) -> Result<(), Error> {
        let now = self.worker.options.clock.now();
        let waited = now - *self.silent_since.get_or_insert(now);
        if waited >= self.worker.options.masterless_max {
            return Err(Error::Masterless { waited, last: refusal });
        }
        // Workers that lost a master at the same moment must not all come back at the same moment.
        let spread =
            (self.worker.options.incarnation.wrapping_add(self.sequence.into()) % 8) as u32;
        let pause = self.backoff / 2 + self.backoff * spread / 16;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = stopped(&mut self.stop) => {}
        }
        Ok(())
    }
}

/// Continues the oldest of these polls and ends with it. Its answer is dropped.
async fn oldest(superseded: &mut VecDeque<Asked>) {
    match superseded.front_mut() {
        Some(asked) => {
            let _stale = asked.await;
            drop(superseded.pop_front());
        }
        None => std::future::pending().await,
    }
}

/// Returns the answer, or a refusal if none came within the deadline.
async fn answered<A>(
    deadline: Duration,
    answer: impl Future<Output = Result<A, Refusal>>,
) -> Result<A, Refusal> {
    tokio::time::timeout(deadline, answer).await.unwrap_or_else(|_| {
        let message = format!("no master answered within {} ms", deadline.as_millis());
        Err(Refusal::Unavailable { message })
    })
}

/// Returns the next instruction. Waits forever if no instruction can arrive.
async fn told(stop: &mut watch::Receiver<Stop>) -> Stop {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *stop.borrow()
}

/// Resolves when the worker must stop at once.
async fn stopped(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|&stop| stop == Stop::Now).await.is_err() {
        std::future::pending::<()>().await;
    }
}
