//! Registers a worker with its slots.

use serde::{Deserialize, Serialize};

use super::lose_worker::{self, Departure};
use super::{HeldOutput, restore_outputs};
use crate::model::WorkerId;
use crate::model::limits::SLOTS;
use crate::scheduler::slots::Worker;
use crate::scheduler::{Effect, Field, Rejection, Scheduler};

/// Sent by the leader for a worker that polls and is not registered with this incarnation: it is new, has returned
/// after being lost, or its process was restarted.
///
/// A higher incarnation than the registered one ends that one in the same step: its attempts and map outputs are lost
/// as with [`LoseWorker`](super::LoseWorker), and the worker is no longer excluded or draining. A lower incarnation is
/// a late message and is refused. The same incarnation is refused too while it is registered, so repeating changes
/// nothing. If it is lost, the worker polls again.
///
/// A lost worker that still has its map outputs names them here, so that none of those maps is started again on its
/// new slots. Outputs that do not fit into one command follow in [`RestoreOutputs`](super::RestoreOutputs).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterWorker {
    /// Its id.
    pub worker: WorkerId,
    /// The process of this worker, as a number that increases with each start.
    pub incarnation: u64,
    /// Number of attempts that it can run at once, within [`SLOTS`].
    pub slots: u32,
    /// Memory that it gives to an attempt, in bytes; 0 if that is not limited.
    pub attempt_memory_bytes: u64,
    /// Map outputs that it still holds, as many as fit into one command.
    pub outputs: Vec<HeldOutput>,
}

impl RegisterWorker {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { worker, incarnation, slots, attempt_memory_bytes, outputs } = self;
        Field::Slots.check(slots, SLOTS)?;
        if let Some(current) = scheduler.slots.get(worker).map(|worker| worker.incarnation) {
            if current == incarnation {
                return Err(Rejection::WorkerExists { worker });
            }
            if current > incarnation {
                return Err(Rejection::OtherIncarnation { worker, incarnation, current });
            }
            lose_worker::remove(scheduler, worker, Departure::Lost, effects)?;
        }
        scheduler.slots.add(worker, Worker::new(incarnation, slots, attempt_memory_bytes));
        restore_outputs::restore(scheduler, worker, outputs, effects)
    }
}
