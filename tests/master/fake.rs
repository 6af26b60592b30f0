//! A fake worker: it runs nothing, and reports each assigned attempt as done.

use gristmill::model::{AttemptId, Counters, JobId, JobState, Room, Volume, WorkerFacts, WorkerId};
use gristmill::rpc::refusal::Refusal;
use gristmill::rpc::workers::{
    Done, Held, HeldOutput, HeldState, Orders, Poll, Register, Registered, Work, Workers,
};
use std::collections::{BTreeMap, BTreeSet};

use crate::bench::Bench;

/// Maps and reduces of each job in these tests.
pub(crate) const MAPS: u32 = 3;
pub(crate) const REDUCES: u32 = 2;
/// The map that stages no output.
const UNSTAGED: u32 = 1;

pub(crate) struct Fake {
    pub(crate) id: WorkerId,
    pub(crate) incarnation: u128,
    pub(crate) slots: u32,
    pub(crate) sequence: u64,
    pub(crate) held: BTreeMap<AttemptId, HeldState>,
    pub(crate) work: BTreeMap<AttemptId, Work>,
    pub(crate) jobs: BTreeSet<JobId>,
    pub(crate) is_draining: bool,
    /// Number of reduces in the plans that it makes; 0 for map-only jobs.
    pub(crate) reduces: u32,
}

/// Returns the registration of a new worker.
pub(crate) fn register(incarnation: u128, slots: u32) -> Register {
    Register {
        incarnation,
        worker: None,
        facts: WorkerFacts {
            pid: 4_000 + incarnation as u32,
            address: format!("127.0.0.1:{}", 9_000 + incarnation),
            slots,
            ..WorkerFacts::default()
        },
        outputs: Vec::new(),
        cluster: None,
    }
}

/// Returns the digest of a map's output, which is the same for all attempts at one map.
pub(crate) fn digest(attempt: AttemptId) -> u64 {
    100 + u64::from(attempt.task.index)
}

impl Fake {
    pub(crate) async fn new(bench: &Bench, incarnation: u128, slots: u32) -> Self {
        let registered = bench.at_once(bench.master.register(register(incarnation, slots))).await;
        let Registered { worker, lease_ms, .. } = registered.unwrap();
        assert_eq!(lease_ms, crate::bench::LEASE_MS);
        Self {
            id: worker,
            incarnation,
            slots,
            sequence: 0,
            held: BTreeMap::new(),
            work: BTreeMap::new(),
            jobs: BTreeSet::new(),
            is_draining: false,
            reduces: REDUCES,
        }
    }

    /// Registers the same process again, with these outputs.
    pub(crate) async fn again(&mut self, bench: &Bench, outputs: Vec<HeldOutput>) {
        let mut request = register(self.incarnation, self.slots);
        request.worker = Some(self.id);
        request.outputs = outputs;
        let registered = bench.at_once(bench.master.register(request)).await.unwrap();
        assert_eq!(registered.worker, self.id);
    }

    pub(crate) fn message(&mut self) -> Poll {
        self.sequence += 1;
        let held = self.held.iter().map(|(&attempt, state)| Held {
            attempt,
            pid: 77,
            state: state.clone(),
        });
        Poll {
            worker: self.id,
            incarnation: self.incarnation,
            sequence: self.sequence,
            held: held.collect(),
            jobs: self.jobs.iter().copied().collect(),
            draining: self.is_draining,
            room: Room::default(),
        }
    }

    /// Polls and starts or drops attempts as assigned, but finishes none.
    pub(crate) async fn poll(&mut self, bench: &Bench) -> Result<Orders, Refusal> {
        let message = self.message();
        let orders = bench.in_time(bench.master.poll(message)).await?;
        self.take(&orders);
        Ok(orders)
    }

    /// Polls like [`Fake::poll`], for an answer that must come at once.
    pub(crate) async fn poll_at_once(&mut self, bench: &Bench) -> Orders {
        let message = self.message();
        let orders = bench.at_once(bench.master.poll(message)).await.unwrap();
        self.take(&orders);
        orders
    }

    pub(crate) fn take(&mut self, orders: &Orders) {
        assert_eq!(orders.sequence, self.sequence);
        let ordered: BTreeSet<AttemptId> =
            orders.attempts.iter().map(|order| order.attempt).collect();
        self.held.retain(|attempt, _| ordered.contains(attempt));
        for order in &orders.attempts {
            let running =
                HeldState::Running { progress: 0.0, bytes: 0, fetched: 0, joined: 0, wants: 0 };
            self.held.entry(order.attempt).or_insert(running);
            self.work.insert(order.attempt, order.work.clone());
        }
        self.jobs.retain(|job| orders.keep.contains(job));
        self.jobs.extend(orders.attempts.iter().map(|order| order.attempt.task.job));
    }

    /// Marks an attempt as successfully finished.
    pub(crate) async fn finish(&mut self, bench: &Bench, attempt: AttemptId) {
        let mut counters = Counters::new();
        counters.add("Words", "seen", 10);
        let end = match &self.work[&attempt] {
            Work::Plan => {
                let plan = bench.put(b"the plan").await;
                let (splits, reducers, input_bytes) = (MAPS, self.reduces, 0);
                HeldState::Done(Done::Plan { plan, splits, reducers, input_bytes, counters })
            }
            Work::Map { .. } => {
                let is_staged = self.reduces == 0 || attempt.task.index != UNSTAGED;
                let (joined, digest, bytes, volume) = (0, digest(attempt), 1, Volume::of_bytes(1));
                HeldState::Done(Done::Map {
                    output: (),
                    joined,
                    digest,
                    bytes,
                    is_staged,
                    counters,
                    volume,
                })
            }
            Work::Reduce { .. } => {
                HeldState::Done(Done::Reduce { counters, volume: Volume::default() })
            }
            Work::Commit { .. } => HeldState::Done(Done::Commit { records: 1, bytes: 1 }),
            Work::Sweep => HeldState::Done(Done::Sweep),
        };
        self.held.insert(attempt, end);
    }

    pub(crate) async fn finish_all(&mut self, bench: &Bench) {
        for attempt in self.attempts() {
            self.finish(bench, attempt).await;
        }
    }

    pub(crate) fn attempts(&self) -> Vec<AttemptId> {
        self.held.keys().copied().collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.held.keys().map(ToString::to_string).collect()
    }
}

/// Lets these workers do all assigned work until the job has ended. Returns the states that the job was in.
pub(crate) async fn run(bench: &Bench, workers: &mut [Fake], job: JobId) -> Vec<JobState> {
    let mut states = vec![bench.state(job).await];
    for _ in 0..100 {
        for worker in &mut *workers {
            worker.poll(bench).await.unwrap();
            let state = bench.state(job).await;
            if states.last() != Some(&state) {
                states.push(state);
            }
            worker.finish_all(bench).await;
        }
        if states.last() >= Some(&JobState::Succeeded) {
            return states;
        }
    }
    panic!("{job} has not ended: {states:?}, {:?}", bench.status(job).await);
}

/// Lets a worker with one slot continue until it holds an attempt at this task.
pub(crate) async fn run_until(bench: &Bench, worker: &mut Fake, task: &str) -> AttemptId {
    for _ in 0..100 {
        worker.poll(bench).await.unwrap();
        let found = worker.attempts().into_iter().find(|attempt| attempt.task.to_string() == task);
        if let Some(attempt) = found {
            return attempt;
        }
        worker.finish_all(bench).await;
    }
    panic!("{task} never came");
}
