//! One worker thread of a run. It runs attempts, one at a time.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender};

use super::outputs::Outputs;
use crate::job::{Combine, Job, Partition};
use crate::model::{
    AttemptId, Cause, Counters, Failure, FileRange, Manifest, Nonce, TaskKind, WorkerId,
};
use crate::record::block::Codec;
use crate::shuffle::{Filling, MergeLimits, ReadProgress, SpillHeader, SpillPlace};
use crate::storage::{Scratch, Staging};
use crate::task::{self, Env, JobCollector, JobFold, JobPartitioner, PartDone, Plan};

/// An instruction to a thread.
pub(super) enum Order {
    /// Carry out a plan, map or reduce attempt.
    Run(AttemptId),
    /// Carry out the commit attempt.
    Commit { attempt: AttemptId, created: String, parts: Vec<PartDone>, counters: Counters },
    /// Hand over the output of all map tasks so far.
    Seal,
}

impl Order {
    fn attempt(&self) -> Option<AttemptId> {
        match self {
            Order::Run(attempt) | Order::Commit { attempt, .. } => Some(*attempt),
            Order::Seal => None,
        }
    }
}

/// A thread's report.
pub(super) enum Report {
    /// A plan attempt is done.
    Planned { attempt: AttemptId, splits: u32, reducers: u32 },
    /// A map or reduce attempt is done, and its parts are accepted.
    Done { attempt: AttemptId, counters: Counters, parts: Vec<PartDone> },
    /// The output is published.
    Committed { attempt: AttemptId, manifest: Manifest },
    /// An attempt failed.
    Failed { attempt: AttemptId, failure: Failure },
    /// The thread has handed over its map output.
    Sealed(Result<(), Failure>),
}

/// State shared by all threads of a run.
pub(super) struct Shared<'s, J: Job, C: Combine<J>, P> {
    pub(super) env: Env<'s>,
    pub(super) staging: &'s Staging,
    pub(super) files: &'s [FileRange],
    pub(super) scratch: &'s Scratch,
    pub(super) nonce: Nonce,
    pub(super) plan: OnceLock<Plan>,
    pub(super) fold: JobFold<'s, J, C>,
    pub(super) partitioner: &'s P,
    pub(super) outputs: Outputs<C::Acc>,
    pub(super) shuffling: &'s ReadProgress,
    /// Memory limit of a collector.
    pub(super) collector_bytes: usize,
    /// Memory limit of a reduce.
    pub(super) reduce_bytes: usize,
}

impl<J: Job, C: Combine<J>, P: Partition<J>> Shared<'_, J, C, P> {
    pub(super) fn plan(&self) -> &Plan {
        self.plan.get_or_init(Plan::default)
    }

    pub(super) fn limits(&self) -> MergeLimits {
        MergeLimits::within(self.reduce_bytes, self.plan().reducers)
    }

    pub(super) fn header(&self, map: u32, attempt: u32) -> SpillHeader {
        SpillHeader {
            codec: Codec::Lz4,
            nonce: self.nonce.0,
            map,
            attempt,
            partitions: self.plan().reducers,
        }
    }

    fn collector<'c>(
        &'c self,
        name: String,
        map: u32,
        attempt: u32,
        spare: &mut Option<Filling>,
    ) -> JobCollector<'c, J, C, P> {
        let plan = self.plan();
        let partitioner = JobPartitioner::new(self.partitioner, plan.reducers, &plan.cuts);
        let folder = self.scratch.path().to_path_buf();
        let place = SpillPlace { folder, name, header: self.header(map, attempt), given: 0 };
        JobCollector::new(&self.fold, partitioner, place, self.collector_bytes, spare)
    }
}

/// One thread of a run.
pub(super) struct SlotThread<'s, J: Job, C: Combine<J>, P: Partition<J>> {
    pub(super) shared: &'s Shared<'s, J, C, P>,
    pub(super) worker: WorkerId,
    /// The table that all map tasks fold into, if the job's combiner is exact.
    pub(super) collector: Option<JobCollector<'s, J, C, P>>,
    /// An emptied sort buffer, whose memory the next map task reuses.
    pub(super) spare: Option<Filling>,
}

impl<J: Job, C: Combine<J>, P: Partition<J>> SlotThread<'_, J, C, P> {
    /// Carries out orders until the channel closes.
    pub(super) fn work(mut self, orders: &Receiver<Order>, reports: &Sender<Report>) {
        for order in orders {
            // The receiver is gone once the run has ended.
            let attempt = order.attempt();
            let done = task::in_attempt(attempt, || task::guard(|| Ok(self.carry_out(order))));
            let report = done.unwrap_or_else(|attempt_error| {
                let failure = attempt_error.into_failure();
                match attempt {
                    Some(attempt) => Report::Failed { attempt, failure },
                    None => Report::Sealed(Err(failure)),
                }
            });
            if reports.send(report).is_err() {
                return;
            }
        }
    }

    fn carry_out(&mut self, order: Order) -> Report {
        let (attempt, done) = match order {
            Order::Seal => return Report::Sealed(self.seal()),
            Order::Run(attempt) => (attempt, self.run(attempt)),
            Order::Commit { attempt, created, parts, counters } => {
                let (staging, name) = (self.shared.staging, &self.shared.env.spec.name);
                let done = task::commit(staging, name, created, &parts, counters);
                (attempt, done.map(|manifest| Report::Committed { attempt, manifest }))
            }
        };
        done.unwrap_or_else(|failure| Report::Failed { attempt, failure })
    }

    fn run(&mut self, attempt: AttemptId) -> Result<Report, Failure> {
        let shared = self.shared;
        let job =
            shared.env.job::<J>(attempt, shared.plan.get().map_or(0, |plan| plan.reducers))?;
        let (counters, parts) = match attempt.task.kind {
            TaskKind::Plan => {
                let plan = task::plan::<J, P>(&shared.env, &job, attempt, shared.files)?;
                let (splits, reducers) = (plan.splits.len() as u32, plan.reducers);
                shared.plan.get_or_init(|| plan);
                return Ok(Report::Planned { attempt, splits, reducers });
            }
            TaskKind::Map => self.map(&job, attempt)?,
            TaskKind::Reduce => {
                let (partition, counter) = (attempt.task.index, shared.shuffling.counter());
                let sources =
                    shared.outputs.sources(partition, &shared.fold, shared.limits(), &counter);
                let sources = sources.map_err(task::shuffle_failure)?;
                let done = task::run_reduce::<J, C>(&shared.env, &job, attempt, sources)?;
                (done.counters, done.parts)
            }
            TaskKind::Commit => {
                return Err(Failure::new(
                    Cause::None,
                    "the request for a commit has no list of parts",
                ));
            }
        };
        task::accept(shared.staging, attempt, &parts)?;
        Ok(Report::Done { attempt, counters, parts })
    }

    fn map(&mut self, job: &J, attempt: AttemptId) -> Result<(Counters, Vec<PartDone>), Failure> {
        let shared = self.shared;
        let index = attempt.task.index;
        let Some(split) = shared.plan().splits.get(index as usize) else {
            return Err(Failure::new(Cause::None, format!("split {index} does not exist")));
        };
        let done = if J::MAP_ONLY {
            task::run_map_only(&shared.env, job, attempt, split)?
        } else if C::COMBINES && C::EXACT {
            let number = self.worker.0 as u32;
            let spare = &mut self.spare;
            let collector = self.collector.get_or_insert_with(|| {
                shared.collector(format!("thread-{number}"), number, 1, spare)
            });
            task::run_map::<J, C>(&shared.env, job, attempt, split, collector)?
        } else {
            let name = format!("map-{index}");
            let mut collector = shared.collector(name, index, attempt.number, &mut self.spare);
            let done = task::run_map::<J, C>(&shared.env, job, attempt, split, &mut collector)?;
            let may_keep = |bytes| shared.outputs.reserve(bytes);
            let output = collector.finish(&shared.fold, &mut self.spare, may_keep);
            shared.outputs.keep(index, output.map_err(task::shuffle_failure)?);
            done
        };
        Ok((done.counters, done.parts))
    }

    fn seal(&mut self) -> Result<(), Failure> {
        if let Some(collector) = self.collector.take() {
            let output = collector.finish(&self.shared.fold, &mut self.spare, |_| true);
            self.shared.outputs.keep(self.worker.0 as u32, output.map_err(task::shuffle_failure)?);
        }
        self.spare = None;
        Ok(())
    }
}
