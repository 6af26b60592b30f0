//! A simulated master: it assigns the attempts that a test requests, and records what workers report.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill::model::{AttemptId, JobId, WorkerId};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::refusal::Refusal;
use gristmill::rpc::workers::{
    Held, HeldState, Leave, Locate, Located, LocatedMap, Order, Orders, Poll, Register, Registered,
    Workers,
};
use tokio::sync::Notify;

/// How long a poll is held: a third of the lease.
const HOLD: Duration = Duration::from_millis(200);
/// How long a poll waits for a silent master.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// The state of the master.
#[derive(Default)]
pub(crate) struct Known {
    /// The attempts that each worker should hold.
    pub(crate) orders: BTreeMap<WorkerId, Vec<Order>>,
    pub(crate) keep: Vec<JobId>,
    pub(crate) may_leave: bool,
    pub(crate) registered: Vec<Register>,
    /// Whether it refuses registrations and polls.
    pub(crate) is_away: bool,
    /// Whether it leaves polls unanswered until one has waited long enough and found another master.
    pub(crate) is_silent: bool,
    /// Sequence numbers of the polls that have found another master.
    pub(crate) turned: Vec<u64>,
    /// Whether it refuses registrations for good.
    pub(crate) refuses: bool,
    /// The cluster that it belongs to.
    pub(crate) cluster: u128,
    /// Whether it refuses polls as if it did not know the worker, until the worker registers.
    pub(crate) forgets: bool,
    /// How many more polls it answers like an old master, under the number of the poll before.
    pub(crate) zombies: u32,
    pub(crate) polls: Vec<Poll>,
    /// Sequence number of the newest poll that was answered.
    answered: u64,
    /// Polls that were dropped before a newer one was answered, as if the connection had been closed.
    pub(crate) closed: Vec<u64>,
    /// The final state of each attempt that has ended.
    pub(crate) ended: BTreeMap<AttemptId, HeldState>,
    pub(crate) located: Vec<LocatedMap>,
    /// Workers that have reported that they leave.
    pub(crate) left: Vec<Leave>,
    pub(crate) artifacts: BTreeMap<Digest, Vec<u8>>,
}

/// The master. Clones share one state.
#[derive(Clone, Default)]
pub(crate) struct Master {
    known: Arc<Mutex<Known>>,
    changed: Arc<Notify>,
    pub(crate) artifacts_got: Arc<AtomicU32>,
}

impl Master {
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        let result = f(&mut self.known.lock().unwrap());
        self.changed.notify_waiters();
        result
    }

    /// Stores an artifact.
    pub(crate) fn store(&self, bytes: &[u8]) -> Digest {
        let digest = Digest(xxhash_rust::xxh3::xxh3_128(bytes));
        self.with(|known| known.artifacts.insert(digest, bytes.to_vec()));
        digest
    }

    /// Waits until `is_so` returns a value, for at most half a minute.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut is_so: impl FnMut(&mut Known) -> Option<T>,
    ) -> T {
        for _ in 0..3000 {
            if let Some(found) = is_so(&mut self.known.lock().unwrap()) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never so: {what}");
    }

    /// Waits until an attempt has ended, and returns how.
    pub(crate) async fn end_of(&self, attempt: AttemptId) -> HeldState {
        self.until(&format!("{attempt} ended"), |known| known.ended.get(&attempt).cloned()).await
    }

    fn answer(&self, poll: &Poll) -> Option<Orders> {
        let mut known = self.known.lock().unwrap();
        let held: Vec<AttemptId> = poll.held.iter().map(|held| held.attempt).collect();
        for Held { attempt, state, .. } in &poll.held {
            if !matches!(state, HeldState::Running { .. }) {
                known.ended.insert(*attempt, state.clone());
                known
                    .orders
                    .entry(poll.worker)
                    .or_default()
                    .retain(|order| order.attempt != *attempt);
            }
        }
        let attempts = known.orders.entry(poll.worker).or_default().clone();
        let is_same = attempts.len() == held.len()
            && attempts.iter().all(|order| held.contains(&order.attempt));
        let keeps_all = poll.jobs.iter().all(|job| known.keep.contains(job));
        let may_leave = known.may_leave && poll.draining;
        let (sequence, keep) = (poll.sequence, known.keep.clone());
        (!is_same || !keeps_all || may_leave).then_some(Orders {
            sequence,
            epoch: 0,
            attempts,
            keep,
            may_leave,
        })
    }
}

impl Workers for Master {
    async fn register(&self, request: Register) -> Result<Registered, Refusal> {
        self.with(|known| {
            if known.is_away {
                return Err(Refusal::Unavailable { message: "away".into() });
            }
            if known.refuses {
                return Err(Refusal::Limit { message: "too many slots".into() });
            }
            known.forgets = false;
            let worker = request.worker.unwrap_or(WorkerId(known.registered.len() as u64 + 1));
            known.registered.push(request);
            let lease_ms = 3 * HOLD.as_millis() as u64;
            Ok(Registered { worker, lease_ms, cluster: known.cluster })
        })
    }

    async fn poll(&self, poll: Poll) -> Result<Orders, Refusal> {
        if self.with(|known| {
            known.polls.push(poll.clone());
            known.is_silent
        }) {
            tokio::time::sleep(SILENCE_MAX).await;
            self.with(|known| {
                known.is_silent = false;
                known.turned.push(poll.sequence);
            });
        }
        let zombie = self.with(|known| {
            if known.is_away {
                return Err(Refusal::Unavailable { message: "away".into() });
            }
            if known.forgets {
                return Err(Refusal::NotFound { message: "no such worker".into() });
            }
            let is_zombie = known.zombies > 0;
            known.zombies = known.zombies.saturating_sub(1);
            Ok(is_zombie)
        })?;
        if zombie {
            // A master that does not know this worker's attempts yet would answer like this.
            let sequence = poll.sequence - 1;
            return Ok(Orders {
                sequence,
                epoch: 0,
                attempts: Vec::new(),
                keep: Vec::new(),
                may_leave: true,
            });
        }
        let mut open = Open { master: self.clone(), sequence: poll.sequence, is_answered: false };
        let held = tokio::time::timeout(HOLD, async {
            loop {
                let changed = self.changed.notified();
                if let Some(orders) = self.answer(&poll) {
                    return orders;
                }
                changed.await;
            }
        });
        let held = held.await;
        open.is_answered = true;
        self.with(|known| known.answered = known.answered.max(poll.sequence));
        if let Ok(orders) = held {
            return Ok(orders);
        }
        let known = self.known.lock().unwrap();
        let attempts = known.orders.get(&poll.worker).cloned().unwrap_or_default();
        Ok(Orders {
            sequence: poll.sequence,
            epoch: 0,
            attempts,
            keep: known.keep.clone(),
            may_leave: false,
        })
    }

    async fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        let known = self.known.lock().unwrap();
        let changes = known.located.iter().skip(request.since as usize).cloned().collect();
        Ok(Located { version: known.located.len() as u64, changes })
    }

    async fn leave(&self, request: Leave) -> Result<(), Refusal> {
        self.with(|known| {
            if known.is_away {
                return Err(Refusal::Unavailable { message: "away".into() });
            }
            known.left.push(request);
            Ok(())
        })
    }
}

/// A poll that waits for its answer.
struct Open {
    master: Master,
    sequence: u64,
    is_answered: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Ok(mut known) = self.master.known.lock() else { return };
        if !self.is_answered && known.answered < self.sequence {
            known.closed.push(self.sequence);
        }
    }
}

impl Artifacts for Master {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        Ok(self.known.lock().unwrap().artifacts.contains_key(&digest))
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        assert_eq!(self.store(&std::fs::read(file).unwrap()), digest);
        Ok(())
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        let bytes = self.known.lock().unwrap().artifacts.get(&digest).cloned();
        let bytes = bytes.ok_or(Refusal::NotFound { message: "no such artifact".into() })?;
        self.artifacts_got.fetch_add(1, Ordering::SeqCst);
        std::fs::write(file, bytes)
            .map_err(|error| Refusal::Internal { message: error.to_string() })
    }
}
