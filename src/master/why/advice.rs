//! Classifies a failure, and suggests the next step.

use crate::rpc::why::Kind;
use crate::spec::{About, Cause, Failure};

/// What a failure is.
pub(super) fn kind(failure: &Failure) -> Kind {
    match (failure.about, failure.cause) {
        (About::FullDisk, _) => Kind::DiskFull,
        (About::Version, _) => Kind::VersionSkew,
        (About::OtherOutput, _) => Kind::NondeterministicMap,
        (About::Input | About::BadInput, Cause::UserError) => Kind::Input,
        (About::Output, Cause::UserError) => Kind::Output,
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

/// What to do about it.
pub(super) fn advice(kind: Kind, failure: &Failure) -> String {
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
        Kind::BadRecord => "fix the record, or set such records aside with --max-bad-records N".into(),
        Kind::Exit => {
            "find what ends the process in the job's code or in a library of its: a job returns an error instead".into()
        }
        Kind::Signal => of_signal(&failure.message).into(),
        Kind::Memory => {
            "make the job hold less at once (its own data, and --memory), or start the workers with a larger --memory"
                .into()
        }
        Kind::Timeout => {
            "see where it stands still by doing it once more; if it only takes long, submit with a longer --task-timeout"
                .into()
        }
        Kind::Input if failure.about == About::BadInput => {
            "do as the message says, and submit the job again".into()
        }
        Kind::Input => {
            "put the input there, whole and readable, under the same path for every worker, and submit the job again"
                .into()
        }
        Kind::DiskFull => {
            "make room on that disk, or give what is written to it a roomier place (a worker's --data, the job's --output)"
                .into()
        }
        Kind::Disk => "see whether that worker's disk is well, and drain the worker if not".into(),
        Kind::WorkerLost => {
            "see why those workers died (their standard error, the system's log): the task seems to end each worker that runs it"
                .into()
        }
        Kind::FetchFailed => {
            "see whether that address can be reached from the other workers: a firewall, or an address that only the \
             worker itself knows"
                .into()
        }
        Kind::VersionSkew => {
            "build the job's executable with the gristmill of this cluster, or bring all workers to one version".into()
        }
        Kind::NondeterministicMap => {
            "let the map's output follow from its input alone: no random numbers, no clock, no order of a hash map".into()
        }
        Kind::WorkerError => {
            "check the machines of the workers named here: they lack what the message says, whatever the job does".into()
        }
        Kind::MasterError => {
            "check the masters' disks and logs (gristmill masters), then submit the job again".into()
        }
        // The message ends in what can be done, where anything can.
        Kind::Output | Kind::Panic | Kind::UserError => "do as the message says, and submit the job again".into(),
        Kind::None | Kind::Waiting | Kind::Cancelled => String::new(),
    }
}

/// Some signals tell where they came from.
fn of_signal(message: &str) -> &'static str {
    if message.contains("SIGKILL") {
        "see who killed it, such as the kernel for want of memory (dmesg): start the workers with --memory then"
    } else if message.contains("SIGABRT") {
        "see what it printed last: the job's code, or a library of its, has aborted"
    } else {
        "look for unsafe code or a native library in the job: do the task once more with a core dump (ulimit -c unlimited)"
    }
}
