//! Registers a worker with its slots.

use serde::{Deserialize, Serialize};

use super::lose_worker::{self, Departure};
use super::{HeldOutput, restore_outputs};
use crate::scheduler::slots::Worker;
use crate::scheduler::{Effect, Field, Rejection, Scheduler};
use crate::spec::WorkerId;

/// Attempts that one worker may run at once; more than any machine has cores.
const SLOTS_MAX: u32 = 4_096;

/// Sent by the leader for a worker that polls and is not registered with this incarnation: it is
/// new, was lost and is back, or its process was started again.
///
/// A higher incarnation than the registered one ends that one in the same step: its attempts and
/// map outputs are lost as by [`LoseWorker`](super::LoseWorker), and it is no longer excluded or
/// draining. A lower one is a late message and is refused. While the same one is
/// registered it is refused too, so a repeated one changes nothing. Lost, the worker polls again.
///
/// A worker that was lost and still has its map outputs names them here, so that none of those maps
/// is started again for the slots that it brings; what does not fit into one command follows in
/// [`RestoreOutputs`](super::RestoreOutputs).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterWorker {
    /// Its id.
    pub worker: WorkerId,
    /// Which process of this worker it is, rising with each start.
    pub incarnation: u64,
    /// Attempts it can run at once, 1 to 4,096.
    pub slots: u32,
    /// Its process id on its machine, for people.
    pub pid: u32,
    /// Where others fetch its map outputs; means nothing to the scheduler.
    pub address: String,
    /// What it still holds of map outputs, as many as fit into one command.
    pub outputs: Vec<HeldOutput>,
}

impl RegisterWorker {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { worker, incarnation, slots, pid, address, outputs } = self;
        Field::Slots.check(slots, 1..=SLOTS_MAX)?;
        if let Some(current) = scheduler.slots.get(worker).map(|worker| worker.incarnation) {
            if current == incarnation {
                return Err(Rejection::WorkerExists { worker });
            }
            if current > incarnation {
                return Err(Rejection::OtherIncarnation { worker, incarnation, current });
            }
            lose_worker::remove(scheduler, worker, Departure::Lost, effects)?;
        }
        scheduler.slots.add(worker, Worker::new(incarnation, pid, address, slots));
        restore_outputs::restore(scheduler, worker, outputs, effects)
    }
}
