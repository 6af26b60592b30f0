//! Classifies a failure, and suggests the next step.

use crate::model::{About, Cause, Failure, escape_hint};
use crate::rpc::why::Kind;

/// The kind of a failure.
pub(super) fn kind(failure: &Failure) -> Kind {
    match (failure.about, failure.cause) {
        (About::FullDisk, _) => Kind::DiskFull,
        (About::Version, _) => Kind::VersionSkew,
        (About::OtherOutput, _) => Kind::NondeterministicMap,
        (About::Input | About::BadInput, Cause::UserError) => Kind::Input,
        (
            About::Output | About::OutputTaken | About::StagedDamaged | About::StagedMissing,
            Cause::UserError,
        ) => Kind::Output,
        (_, Cause::UserError) if failure.record.is_some() => Kind::BadRecord,
        (_, Cause::UserError | Cause::None | Cause::BackupWon | Cause::Killed) => Kind::UserError,
        (_, Cause::Panic) => Kind::Panic,
        (_, Cause::Exit) => Kind::Exit,
        (_, Cause::Signal) => Kind::Signal,
        (_, Cause::Memory) => Kind::Memory,
        (_, Cause::Timeout) => Kind::Timeout,
        (_, Cause::Disk) => Kind::Disk,
        (_, Cause::WorkerLost) => Kind::WorkerLost,
        (_, Cause::FetchFailed) => Kind::FetchFailed,
        (_, Cause::WorkerError) => Kind::WorkerError,
        (_, Cause::MasterError) => Kind::MasterError,
    }
}

/// The suggested next step.
pub(super) fn advice(kind: Kind, failure: &Failure) -> String {
    match escape_hint(&failure.message) {
        // The message says it best.
        Some(hint) if failure.record.is_some() => format!("{hint}; or {BAD_RECORD}"),
        Some(hint) => hint,
        None => in_general(kind, failure),
    }
}

/// The next step for a record on which a job or a format fails.
const BAD_RECORD: &str = "fix the record, or set such records aside with --max-bad-records N";

fn in_general(kind: Kind, failure: &Failure) -> String {
    let fix = |what: &str| match &failure.at {
        Some(at) => format!("fix {what} at {}", super::text(at)),
        None => format!("fix {what}"),
    };
    let with_record = failure.record.is_some();
    match kind {
        Kind::Panic | Kind::UserError if with_record => {
            fix("the code") + ", or set such records aside with --max-bad-records N"
        }
        Kind::Panic | Kind::UserError if failure.at.is_some() => fix("the code"),
        Kind::Signal => of_signal(&failure.message).into(),
        Kind::Input if failure.about == About::BadInput => FOLLOW.into(),
        _ => of_kind(kind).into(),
    }
}

/// The next step for failures whose message may end in a hint.
const FOLLOW: &str = "fix what the message describes, then submit the job again";

/// Advice that depends only on the kind of the failure.
fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::BadRecord => BAD_RECORD,
        Kind::Exit => {
            "find out what ends the process in the job's code or its libraries, and return an error there instead"
        }
        Kind::Memory => {
            "reduce the job's memory (its own data, and --memory), or start the workers with a larger --memory"
        }
        Kind::Timeout => {
            "replay the task to see where it hangs; if it is only slow, submit the job with a longer --task-timeout"
        }
        Kind::Input => {
            "make the whole input readable at the same path on every worker, then submit the job again"
        }
        Kind::DiskFull => {
            "free space on that disk, or write to a larger one (a worker's --data, the job's --output)"
        }
        Kind::Disk => "check the disk of that worker, and drain the worker if the disk is failing",
        Kind::WorkerLost => {
            "find out why those workers died (see their standard error and the system log): the task seems to kill each \
             worker that runs it"
        }
        Kind::FetchFailed => {
            "check that the workers can reach each other at the addresses that `gristmill workers` lists: a firewall \
             may block one, or it may be valid only on the worker's own machine; if an output was damaged, check \
             that worker's disk"
        }
        Kind::VersionSkew => {
            "build the job's executable with the cluster's version of gristmill, and run that version on all workers"
        }
        Kind::NondeterministicMap => {
            "make the map's output depend only on its input: use no random numbers, no clock, and no iteration order of a hash map"
        }
        Kind::WorkerError => {
            "check the machines of the named workers: the job did not cause this failure, and the message says what they lack"
        }
        Kind::MasterError => {
            "check the masters' disks and logs (gristmill masters), then submit the job again"
        }
        Kind::Output | Kind::Panic | Kind::UserError | Kind::Signal => FOLLOW,
        Kind::None | Kind::Waiting | Kind::Cancelled => "",
    }
}

/// Some signals suggest who sent them.
fn of_signal(message: &str) -> &'static str {
    if message.contains("SIGKILL") {
        "find out what killed the process; if it was the kernel, for lack of memory (see dmesg), \
         start the workers with a --memory that fits the machine"
    } else if message.contains("SIGABRT") {
        "see the last output of the process: the job's code or one of its libraries has aborted"
    } else {
        "look for unsafe code or a native library in the job; to debug it, replay the task with core \
         dumps enabled (ulimit -c unlimited)"
    }
}
