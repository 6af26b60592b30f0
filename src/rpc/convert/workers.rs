//! Converts messages about the work of workers, between workers and masters, to and from protobuf.

use super::field::{bytes, texts};
use super::{all, decode, digest, each, encode, id, ids, required, wide};
use crate::rpc::pb;
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{
    Held, HeldOutput, HeldState, Leave, Locate, Located, LocatedMap, LostOutput, Order, OrderWork,
    Orders, Poll, Register, Registered, Room,
};
use crate::spec::Nonce;

impl From<Register> for pb::RegisterRequest {
    fn from(request: Register) -> Self {
        Self {
            incarnation: bytes(request.incarnation),
            worker: request.worker.map(|worker| worker.to_string()),
            pid: request.pid,
            address: request.address,
            slots: request.slots,
            attempt_memory_bytes: request.attempt_memory_bytes,
            limiter: request.limiter,
            outputs: all(request.outputs),
            cluster: request.cluster.map(bytes),
        }
    }
}

impl TryFrom<pb::RegisterRequest> for Register {
    type Error = Refusal;

    fn try_from(wire: pb::RegisterRequest) -> Result<Self, Refusal> {
        Ok(Self {
            incarnation: wide("incarnation", &wire.incarnation)?,
            worker: wire.worker.as_deref().map(id).transpose()?,
            pid: wire.pid,
            address: wire.address,
            slots: wire.slots,
            attempt_memory_bytes: wire.attempt_memory_bytes,
            limiter: wire.limiter,
            outputs: each(wire.outputs)?,
            cluster: wire.cluster.as_deref().map(|it| wide("cluster", it)).transpose()?,
        })
    }
}

impl From<HeldOutput> for pb::HeldOutput {
    fn from(HeldOutput { attempt, nonce, digest }: HeldOutput) -> Self {
        Self { attempt: attempt.to_string(), nonce: bytes(nonce.0), digest }
    }
}

impl TryFrom<pb::HeldOutput> for HeldOutput {
    type Error = Refusal;

    fn try_from(wire: pb::HeldOutput) -> Result<Self, Refusal> {
        let nonce = Nonce(wide("nonce", &wire.nonce)?);
        Ok(Self { attempt: id(&wire.attempt)?, nonce, digest: wire.digest })
    }
}

impl From<Registered> for pb::RegisterAnswer {
    fn from(Registered { worker, lease_ms, cluster }: Registered) -> Self {
        Self { worker: worker.to_string(), lease_ms, cluster: bytes(cluster) }
    }
}

impl TryFrom<pb::RegisterAnswer> for Registered {
    type Error = Refusal;

    fn try_from(wire: pb::RegisterAnswer) -> Result<Self, Refusal> {
        let cluster = wide("cluster", &wire.cluster)?;
        Ok(Self { worker: id(&wire.worker)?, lease_ms: wire.lease_ms, cluster })
    }
}

impl From<Poll> for pb::PollRequest {
    fn from(poll: Poll) -> Self {
        Self {
            worker: poll.worker.to_string(),
            incarnation: bytes(poll.incarnation),
            sequence: poll.sequence,
            held: all(poll.held),
            jobs: texts(&poll.jobs),
            draining: poll.draining,
            room: Some(poll.room.into()),
        }
    }
}

impl TryFrom<pb::PollRequest> for Poll {
    type Error = Refusal;

    fn try_from(wire: pb::PollRequest) -> Result<Self, Refusal> {
        Ok(Self {
            worker: id(&wire.worker)?,
            incarnation: wide("incarnation", &wire.incarnation)?,
            sequence: wire.sequence,
            held: each(wire.held)?,
            jobs: ids(&wire.jobs)?,
            draining: wire.draining,
            room: wire.room.map(Room::from).unwrap_or_default(),
        })
    }
}

impl From<Room> for pb::Room {
    fn from(Room { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes }: Room) -> Self {
        Self { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes }
    }
}

impl From<pb::Room> for Room {
    fn from(wire: pb::Room) -> Self {
        let pb::Room { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes } = wire;
        Self { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes }
    }
}

impl From<Held> for pb::Held {
    fn from(Held { attempt, pid, state }: Held) -> Self {
        Self { attempt: attempt.to_string(), pid, state: Some(state.into()) }
    }
}

impl TryFrom<pb::Held> for Held {
    type Error = Refusal;

    fn try_from(wire: pb::Held) -> Result<Self, Refusal> {
        let state = required("state", wire.state)?.try_into()?;
        Ok(Self { attempt: id(&wire.attempt)?, pid: wire.pid, state })
    }
}

impl From<HeldState> for pb::held::State {
    fn from(state: HeldState) -> Self {
        match state {
            HeldState::Running { progress, bytes, fetched, joined, wants } => {
                Self::Running(pb::Running { progress, fetched, joined, wants, bytes })
            }
            HeldState::Planned { plan, splits, reducers, input_bytes, counters } => {
                let (plan, counters_bincode) = (plan.to_wire(), encode(&counters));
                let planned = pb::Planned { plan, splits, reducers, counters_bincode, input_bytes };
                Self::Planned(planned)
            }
            HeldState::Mapped { joined, digest, bytes, is_staged, counters, volume } => {
                let (counters_bincode, volume_bincode) = (encode(&counters), encode(&volume));
                Self::Mapped(pb::Mapped {
                    digest,
                    bytes,
                    counters_bincode,
                    is_staged,
                    joined,
                    volume_bincode,
                })
            }
            HeldState::Reduced { counters, volume } => {
                let (counters_bincode, volume_bincode) = (encode(&counters), encode(&volume));
                Self::Reduced(pb::Reduced { counters_bincode, volume_bincode })
            }
            HeldState::Committed { records, bytes } => {
                Self::Committed(pb::Committed { records, bytes })
            }
            HeldState::Swept => Self::Swept(pb::Ack {}),
            HeldState::Failed { failure, lost } => {
                Self::Failed(pb::Failed { failure_bincode: encode(&failure), lost: all(lost) })
            }
        }
    }
}

impl TryFrom<pb::held::State> for HeldState {
    type Error = Refusal;

    fn try_from(wire: pb::held::State) -> Result<Self, Refusal> {
        use pb::held::State;
        Ok(match wire {
            State::Running(pb::Running { progress, fetched, joined, wants, bytes }) => {
                // Sums and comparisons must not contain NaN.
                let progress = if progress.is_finite() { progress.clamp(0.0, 1.0) } else { 0.0 };
                Self::Running { progress, bytes, fetched, joined, wants }
            }
            State::Planned(planned) => Self::Planned {
                plan: digest("plan", &planned.plan)?,
                splits: planned.splits,
                reducers: planned.reducers,
                input_bytes: planned.input_bytes,
                counters: decode("counters", &planned.counters_bincode)?,
            },
            State::Mapped(mapped) => Self::Mapped {
                joined: mapped.joined,
                digest: mapped.digest,
                bytes: mapped.bytes,
                is_staged: mapped.is_staged,
                counters: decode("counters", &mapped.counters_bincode)?,
                volume: decode("volume", &mapped.volume_bincode)?,
            },
            State::Reduced(reduced) => Self::Reduced {
                counters: decode("counters", &reduced.counters_bincode)?,
                volume: decode("volume", &reduced.volume_bincode)?,
            },
            State::Committed(pb::Committed { records, bytes }) => {
                Self::Committed { records, bytes }
            }
            State::Swept(pb::Ack {}) => Self::Swept,
            State::Failed(failed) => Self::Failed {
                failure: decode("failure", &failed.failure_bincode)?,
                lost: each(failed.lost)?,
            },
        })
    }
}

impl From<LostOutput> for pb::LostOutput {
    fn from(LostOutput { attempt, worker, is_corrupt }: LostOutput) -> Self {
        Self { attempt: attempt.to_string(), worker: worker.to_string(), is_corrupt }
    }
}

impl TryFrom<pb::LostOutput> for LostOutput {
    type Error = Refusal;

    fn try_from(wire: pb::LostOutput) -> Result<Self, Refusal> {
        let (attempt, worker) = (id(&wire.attempt)?, id(&wire.worker)?);
        Ok(Self { attempt, worker, is_corrupt: wire.is_corrupt })
    }
}

impl From<Orders> for pb::PollAnswer {
    fn from(Orders { sequence, epoch, attempts, keep, may_leave }: Orders) -> Self {
        Self { sequence, epoch, attempts: all(attempts), keep: texts(&keep), may_leave }
    }
}

impl TryFrom<pb::PollAnswer> for Orders {
    type Error = Refusal;

    fn try_from(wire: pb::PollAnswer) -> Result<Self, Refusal> {
        Ok(Self {
            sequence: wire.sequence,
            epoch: wire.epoch,
            attempts: each(wire.attempts)?,
            keep: ids(&wire.keep)?,
            may_leave: wire.may_leave,
        })
    }
}

impl From<Order> for pb::Order {
    fn from(order: Order) -> Self {
        Self {
            attempt: order.attempt.to_string(),
            nonce: bytes(order.nonce.0),
            executable: order.executable.to_wire(),
            spec: order.spec.to_wire(),
            timeout_ms: order.timeout_ms,
            work: Some(order.work.into()),
        }
    }
}

impl TryFrom<pb::Order> for Order {
    type Error = Refusal;

    fn try_from(wire: pb::Order) -> Result<Self, Refusal> {
        Ok(Self {
            attempt: id(&wire.attempt)?,
            nonce: Nonce(wide("nonce", &wire.nonce)?),
            executable: digest("executable", &wire.executable)?,
            spec: digest("spec", &wire.spec)?,
            work: required("work", wire.work)?.try_into()?,
            timeout_ms: wire.timeout_ms,
        })
    }
}

impl From<OrderWork> for pb::order::Work {
    fn from(work: OrderWork) -> Self {
        match work {
            OrderWork::Plan => Self::Plan(pb::Ack {}),
            OrderWork::Map { plan, reducers, joined } => {
                Self::Map(pb::MapWork { plan: plan.to_wire(), reducers, joined })
            }
            OrderWork::Reduce { plan, maps } => {
                Self::Reduce(pb::ReduceWork { plan: plan.to_wire(), maps })
            }
            OrderWork::Commit { maps, reduces, counters, created } => {
                let counters_bincode = encode(&counters);
                Self::Commit(pb::CommitWork { maps, reduces, counters_bincode, created })
            }
            OrderWork::Sweep => Self::Sweep(pb::Ack {}),
        }
    }
}

impl TryFrom<pb::order::Work> for OrderWork {
    type Error = Refusal;

    fn try_from(wire: pb::order::Work) -> Result<Self, Refusal> {
        use pb::order::Work;
        Ok(match wire {
            Work::Plan(pb::Ack {}) => Self::Plan,
            Work::Map(map) => Self::Map {
                plan: digest("plan", &map.plan)?,
                reducers: map.reducers,
                joined: map.joined,
            },
            Work::Reduce(reduce) => {
                Self::Reduce { plan: digest("plan", &reduce.plan)?, maps: reduce.maps }
            }
            Work::Commit(commit) => Self::Commit {
                maps: commit.maps,
                reduces: commit.reduces,
                counters: decode("counters", &commit.counters_bincode)?,
                created: commit.created,
            },
            Work::Sweep(pb::Ack {}) => Self::Sweep,
        })
    }
}

impl From<Leave> for pb::LeaveRequest {
    fn from(Leave { worker, incarnation }: Leave) -> Self {
        Self { worker: worker.to_string(), incarnation: bytes(incarnation) }
    }
}

impl TryFrom<pb::LeaveRequest> for Leave {
    type Error = Refusal;

    fn try_from(wire: pb::LeaveRequest) -> Result<Self, Refusal> {
        Ok(Self { worker: id(&wire.worker)?, incarnation: wide("incarnation", &wire.incarnation)? })
    }
}

impl From<Locate> for pb::LocateRequest {
    fn from(Locate { job, since }: Locate) -> Self {
        Self { job: job.to_string(), since }
    }
}

impl TryFrom<pb::LocateRequest> for Locate {
    type Error = Refusal;

    fn try_from(wire: pb::LocateRequest) -> Result<Self, Refusal> {
        Ok(Self { job: id(&wire.job)?, since: wire.since })
    }
}

impl From<Located> for pb::LocateAnswer {
    fn from(Located { version, changes }: Located) -> Self {
        Self { version, changes: all(changes) }
    }
}

impl TryFrom<pb::LocateAnswer> for Located {
    type Error = Refusal;

    fn try_from(wire: pb::LocateAnswer) -> Result<Self, Refusal> {
        Ok(Self { version: wire.version, changes: each(wire.changes)? })
    }
}

impl From<LocatedMap> for pb::LocatedMap {
    fn from(LocatedMap { map, within, at }: LocatedMap) -> Self {
        match at {
            Some((number, worker, address)) => {
                Self { map, number, worker: Some(worker.to_string()), address, within }
            }
            None => Self { map, within, ..Self::default() },
        }
    }
}

impl TryFrom<pb::LocatedMap> for LocatedMap {
    type Error = Refusal;

    fn try_from(wire: pb::LocatedMap) -> Result<Self, Refusal> {
        let at = match &wire.worker {
            Some(worker) => Some((wire.number, id(worker)?, wire.address)),
            None => None,
        };
        Ok(Self { map: wire.map, within: wire.within, at })
    }
}
