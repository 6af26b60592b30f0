//! Registers workers, and restores the map outputs that they still have.

use std::sync::Arc;

use super::Shared;
use super::reports::decide;
use super::state::{Change, State, WorkerRecord};
use crate::model::{Nonce, WorkerId};
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{HeldOutput, Register, Registered};
use crate::scheduler::{self, RegisterWorker, RestoreOutputs};

/// Map outputs in one command, about 30 bytes each.
const OUTPUTS_AT_ONCE: usize = 10_000;

/// The id for a worker.
enum Identity {
    /// The worker is already registered with the same incarnation.
    Known(WorkerId),
    /// The worker gets this id.
    Fresh(WorkerId),
}

impl Shared {
    pub(super) async fn register(
        self: &Arc<Self>,
        request: Register,
    ) -> Result<Registered, Refusal> {
        let cluster = self.cluster();
        if let Some(other) = request.cluster.filter(|&other| other != cluster) {
            let message = format!(
                "the worker's data folder belongs to cluster {}, but this is cluster {}\nhint: name the \
                 right cluster with --cluster, or give another --data DIR",
                Nonce(other),
                Nonce(cluster)
            );
            return Err(Refusal::Invalid { message });
        }
        let _one_at_a_time = self.admission.lock().await;
        let now_ms = self.now_ms();
        let identity = self.proposer.read(|state| identify(state, &request));
        let worker = match identity {
            Identity::Known(worker) => worker,
            Identity::Fresh(worker) => {
                let (introduce, restores) =
                    self.proposer.read(|state| introduce(state, worker, &request));
                self.propose(vec![introduce]).await?;
                let worker = self.proposer.read(|state| registered(state, &request))?;
                // One after another, because an entry of the log is sent to the other masters in one piece.
                for restore in restores {
                    self.propose(vec![restore]).await?;
                }
                worker
            }
        };
        self.volatile().open_session(worker, request.incarnation, now_ms, self.lease_ms);
        Ok(Registered { worker, lease_ms: self.lease_ms, cluster })
    }

    /// The cluster's random number; a master without a log has none.
    fn cluster(&self) -> u128 {
        self.group.as_ref().map_or(0, |group| group.identity().cluster)
    }
}

/// The current id of a worker. The id that it should get may be taken: an earlier try that timed out without a
/// majority may have been committed after all.
fn registered(state: &State, request: &Register) -> Result<WorkerId, Refusal> {
    match identify(state, request) {
        Identity::Known(worker) => Ok(worker),
        Identity::Fresh(_) => {
            let message =
                "another registration was committed first\nhint: register again".to_string();
            Err(Refusal::Unavailable { message })
        }
    }
}

/// A process keeps its id for life, and the worker's next process takes it over. If two processes claim to be the same
/// worker, for example because its folder was copied, the older one returns as a new worker, so that they do not
/// replace each other forever.
fn identify(state: &State, request: &Register) -> Identity {
    let known = state.workers().find(|(_, record)| record.incarnation == request.incarnation);
    if let Some((worker, _)) = known {
        return match state.registered(worker, request.incarnation) {
            Some(_) => Identity::Known(worker),
            None => Identity::Fresh(worker),
        };
    }
    let before = request.worker.and_then(|worker| Some((worker, state.worker(worker)?)));
    match before {
        Some((worker, record)) if record.former != Some(request.incarnation) => {
            Identity::Fresh(worker)
        }
        _ => Identity::Fresh(state.next_worker()),
    }
}

/// The change that registers a worker, and further changes for outputs that do not fit into it.
fn introduce(state: &State, worker: WorkerId, request: &Register) -> (Change, Vec<Change>) {
    let before = state.worker(worker);
    let number = before.map_or(1, |before| before.number.saturating_add(1));
    let former = match before {
        Some(before) if before.incarnation != request.incarnation => Some(before.incarnation),
        Some(before) => before.former,
        None => None,
    };
    let Register { incarnation, ref facts, .. } = *request;
    let record = WorkerRecord { incarnation, former, number, facts: facts.clone(), gone: None };
    let outputs: Vec<_> = request.outputs.iter().filter_map(|held| output(state, held)).collect();
    let mut portions = outputs.chunks(OUTPUTS_AT_ONCE).map(<[_]>::to_vec);
    let outputs = portions.next().unwrap_or_default();
    let register = RegisterWorker {
        worker,
        incarnation: number,
        slots: facts.slots,
        attempt_memory_bytes: facts.attempt_memory_bytes,
        outputs,
    };
    let restore = |outputs| decide(RestoreOutputs { worker, incarnation: number, outputs });
    (Change::Introduce { register, record }, portions.map(restore).collect())
}

/// Whether an output belongs to the job with this nonce, and not to another job with the same id.
fn output(state: &State, held: &HeldOutput) -> Option<scheduler::HeldOutput> {
    let HeldOutput { attempt, nonce, digest } = *held;
    let job = state.scheduler.job(attempt.task.job)?;
    (job.nonce() == nonce).then_some(scheduler::HeldOutput { attempt, digest })
}
