//! Converts messages about jobs, between clients and masters, to and from protobuf.

use std::collections::BTreeMap;

use super::field::bytes;
use super::{decode, digest, each, encode, parsed, required};
use crate::model::{Cause, JobOptions, JobSpec, JobState, Room, Usage, WorkerFacts};
use crate::rpc::artifacts::Digest;
use crate::rpc::check::{self, invalid};
use crate::rpc::jobs::{
    AttemptLine, ExclusionLine, JobLine, JobStatus, Submit, Tally, TaskLine, TasksRequest,
    WorkerLine,
};
use crate::rpc::pb;
use crate::rpc::refusal::Refusal;

impl From<Submit> for pb::SubmitRequest {
    fn from(request: Submit) -> Self {
        let JobOptions { max_attempts, priority, task_timeout_ms, backups, .. } = request.options;
        Self {
            id: request.id,
            spec_bincode: encode(&request.spec),
            spec_digest: request.spec_digest.to_wire(),
            executable: request.executable.to_wire(),
            map_only: request.map_only,
            priority: Some(priority.into()),
            max_attempts: Some(max_attempts),
            task_timeout_ms,
            backups: Some(backups),
        }
    }
}

impl TryFrom<pb::SubmitRequest> for Submit {
    type Error = Refusal;

    fn try_from(wire: pb::SubmitRequest) -> Result<Self, Refusal> {
        let spec: JobSpec = decode("spec", &wire.spec_bincode)?;
        let defaults = JobOptions::default();
        Ok(Self {
            id: wire.id,
            spec,
            spec_digest: digest("spec_digest", &wire.spec_digest)?,
            executable: digest("executable", &wire.executable)?,
            map_only: wire.map_only,
            options: JobOptions {
                max_attempts: wire.max_attempts.unwrap_or(defaults.max_attempts),
                priority: wire.priority.map_or(Ok(defaults.priority), check::priority)?,
                task_timeout_ms: wire.task_timeout_ms.or(defaults.task_timeout_ms),
                backups: wire.backups.unwrap_or(defaults.backups),
                ..defaults
            },
        })
    }
}

impl From<JobState> for pb::JobState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Waiting => Self::Waiting,
            JobState::Planning => Self::Planning,
            JobState::Mapping => Self::Mapping,
            JobState::Reducing => Self::Reducing,
            JobState::Committing => Self::Committing,
            JobState::Succeeded => Self::Succeeded,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

fn state(wire: i32) -> Result<JobState, Refusal> {
    Ok(match pb::JobState::try_from(wire) {
        Ok(pb::JobState::Waiting) => JobState::Waiting,
        Ok(pb::JobState::Planning) => JobState::Planning,
        Ok(pb::JobState::Mapping) => JobState::Mapping,
        Ok(pb::JobState::Reducing) => JobState::Reducing,
        Ok(pb::JobState::Committing) => JobState::Committing,
        Ok(pb::JobState::Succeeded) => JobState::Succeeded,
        Ok(pb::JobState::Failed) => JobState::Failed,
        Ok(pb::JobState::Cancelled) => JobState::Cancelled,
        Ok(pb::JobState::Unspecified) | Err(_) => {
            return Err(invalid(format!("{wire} is not the number of a job state")));
        }
    })
}

impl From<JobLine> for pb::JobLine {
    fn from(line: JobLine) -> Self {
        Self {
            id: line.id.to_string(),
            name: line.name,
            state: pb::JobState::from(line.state).into(),
            reason: line.reason,
            submitted: line.submitted,
            finished: line.finished,
            request: line.request,
        }
    }
}

impl TryFrom<pb::JobLine> for JobLine {
    type Error = Refusal;

    fn try_from(wire: pb::JobLine) -> Result<Self, Refusal> {
        Ok(Self {
            id: parsed(&wire.id)?,
            name: wire.name,
            state: state(wire.state)?,
            reason: wire.reason,
            submitted: wire.submitted,
            finished: wire.finished,
            request: wire.request,
        })
    }
}

impl From<Tally> for pb::Tally {
    fn from(Tally { total, done, running, progress, bytes_done, bytes_total }: Tally) -> Self {
        Self { total, done, running, progress, bytes_done, bytes_total }
    }
}

impl From<pb::Tally> for Tally {
    fn from(wire: pb::Tally) -> Self {
        let pb::Tally { total, done, running, progress, bytes_done, bytes_total } = wire;
        Self { total, done, running, progress, bytes_done, bytes_total }
    }
}

impl From<JobStatus> for pb::JobStatus {
    fn from(status: JobStatus) -> Self {
        let (failed_attempt, failure_bincode) = match &status.failure {
            Some((attempt, failure)) => (Some(attempt.to_string()), encode(failure)),
            None => (None, Vec::new()),
        };
        Self {
            id: status.id.to_string(),
            name: status.name,
            state: pb::JobState::from(status.state).into(),
            reason: status.reason,
            progress: status.progress,
            maps: Some(status.maps.into()),
            reduces: Some(status.reduces.into()),
            output: status.output,
            error: status.error,
            failed_attempt,
            failure_bincode,
            submitted: status.submitted,
            finished: status.finished,
            version: status.version,
        }
    }
}

impl TryFrom<pb::JobStatus> for JobStatus {
    type Error = Refusal;

    fn try_from(wire: pb::JobStatus) -> Result<Self, Refusal> {
        let failure = match &wire.failed_attempt {
            Some(attempt) => Some((parsed(attempt)?, decode("failure", &wire.failure_bincode)?)),
            None => None,
        };
        Ok(Self {
            id: parsed(&wire.id)?,
            name: wire.name,
            state: state(wire.state)?,
            reason: wire.reason,
            progress: wire.progress,
            maps: required("maps", wire.maps)?.into(),
            reduces: required("reduces", wire.reduces)?.into(),
            output: wire.output,
            error: wire.error,
            failure,
            submitted: wire.submitted,
            finished: wire.finished,
            version: wire.version,
        })
    }
}

impl From<TasksRequest> for pb::TasksRequest {
    fn from(TasksRequest { job, offset, limit }: TasksRequest) -> Self {
        Self { job: job.to_string(), offset, limit }
    }
}

impl TryFrom<pb::TasksRequest> for TasksRequest {
    type Error = Refusal;

    fn try_from(wire: pb::TasksRequest) -> Result<Self, Refusal> {
        Ok(Self { job: parsed(&wire.job)?, offset: wire.offset, limit: wire.limit })
    }
}

impl From<TaskLine> for pb::TaskLine {
    fn from(line: TaskLine) -> Self {
        let TaskLine { id, kind, state, attempts_started, attempts, usage } = line;
        let (id, state) = (id.to_string(), state.to_string());
        let (attempts, usage) = (super::all(attempts), usage.map(Into::into));
        Self { id, kind, state, attempts, usage, attempts_started }
    }
}

impl TryFrom<pb::TaskLine> for TaskLine {
    type Error = Refusal;

    fn try_from(wire: pb::TaskLine) -> Result<Self, Refusal> {
        Ok(Self {
            id: parsed(&wire.id)?,
            kind: wire.kind,
            state: parsed(&wire.state)?,
            attempts_started: wire.attempts_started,
            attempts: each(wire.attempts)?,
            usage: wire.usage.map(Into::into),
        })
    }
}

impl From<Usage> for pb::Usage {
    fn from(usage: Usage) -> Self {
        let Usage { bytes_in, records_in, bytes_out, records_out, spills, memory_bytes } = usage;
        Self { bytes_in, records_in, bytes_out, records_out, spills, memory_bytes }
    }
}

impl From<pb::Usage> for Usage {
    fn from(wire: pb::Usage) -> Self {
        let pb::Usage { bytes_in, records_in, bytes_out, records_out, spills, memory_bytes } = wire;
        Self { bytes_in, records_in, bytes_out, records_out, spills, memory_bytes }
    }
}

impl From<AttemptLine> for pb::AttemptLine {
    fn from(line: AttemptLine) -> Self {
        Self {
            id: line.id.to_string(),
            worker: line.worker.to_string(),
            pid: line.pid,
            state: line.state.to_string(),
            cause: line.cause.to_string(),
            started: line.started,
            ended: line.ended,
            runs_as: line.runs_as.to_string(),
        }
    }
}

impl TryFrom<pb::AttemptLine> for AttemptLine {
    type Error = Refusal;

    fn try_from(wire: pb::AttemptLine) -> Result<Self, Refusal> {
        let cause = Cause::ALL.into_iter().find(|cause| cause.to_string() == wire.cause);
        Ok(Self {
            id: parsed(&wire.id)?,
            worker: parsed(&wire.worker)?,
            pid: wire.pid,
            state: parsed(&wire.state)?,
            cause: required("a known cause", cause)?,
            started: wire.started,
            ended: wire.ended,
            runs_as: parsed(&wire.runs_as)?,
        })
    }
}

impl From<WorkerLine> for pb::WorkerLine {
    fn from(line: WorkerLine) -> Self {
        let WorkerFacts { pid, address, slots, attempt_memory_bytes, limiter, version } =
            line.facts;
        let Room { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes } = line.room;
        Self {
            id: line.id.to_string(),
            pid,
            address,
            state: line.state.to_string(),
            slots,
            running: line.running,
            last_seen_ms: line.last_seen_ms,
            limiter,
            exclusion: line.exclusion.map(|exclusion| pb::Exclusion {
                trouble: exclusion.trouble,
                reason: exclusion.reason,
                until: exclusion.until,
            }),
            room: Some(pb::Room { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes }),
            attempt_memory_bytes,
            version,
        }
    }
}

impl TryFrom<pb::WorkerLine> for WorkerLine {
    type Error = Refusal;

    fn try_from(wire: pb::WorkerLine) -> Result<Self, Refusal> {
        let pb::Room { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes } =
            wire.room.unwrap_or_default();
        Ok(Self {
            id: parsed(&wire.id)?,
            state: parsed(&wire.state)?,
            exclusion: wire.exclusion.map(|exclusion| ExclusionLine {
                trouble: exclusion.trouble,
                reason: exclusion.reason,
                until: exclusion.until,
            }),
            running: wire.running,
            last_seen_ms: wire.last_seen_ms,
            facts: WorkerFacts {
                pid: wire.pid,
                address: wire.address,
                slots: wire.slots,
                attempt_memory_bytes: wire.attempt_memory_bytes,
                limiter: wire.limiter,
                version: wire.version,
            },
            room: Room { memory_bytes, memory_free_bytes, disk_bytes, disk_free_bytes },
        })
    }
}

/// Counters of a job by group and name.
type Groups = BTreeMap<String, BTreeMap<String, u64>>;

impl From<Groups> for pb::CountersAnswer {
    fn from(groups: Groups) -> Self {
        let group = |counts: BTreeMap<String, u64>| pb::CounterGroup {
            counts: counts.into_iter().collect(),
        };
        Self { groups: groups.into_iter().map(|(name, counts)| (name, group(counts))).collect() }
    }
}

impl From<pb::CountersAnswer> for Groups {
    fn from(wire: pb::CountersAnswer) -> Self {
        let counts = |group: pb::CounterGroup| group.counts.into_iter().collect();
        wire.groups.into_iter().map(|(name, group)| (name, counts(group))).collect()
    }
}

impl Digest {
    /// As it travels.
    pub(in crate::rpc) fn to_wire(self) -> Vec<u8> {
        bytes(self.0)
    }
}
