//! Accepts a submission that `rpc::check` has validated, if its artifacts were uploaded and there is room for the job.

use std::sync::Arc;

use super::state::{Change, JobRecord, State};
use super::{LIVE_JOBS_MAX, Shared};
use crate::crash::crash_point;
use crate::model::{JobId, JobOptions, JobSpec, Location, TEXT_CHARS_MAX, escape};
use crate::record::value;
use crate::rpc::artifacts::Digest;
use crate::rpc::jobs::Submit;
use crate::rpc::refusal::Refusal;
use crate::scheduler::{self, Rejection};

impl Shared {
    pub(super) async fn submit(self: &Arc<Self>, request: Submit) -> Result<JobId, Refusal> {
        crash_point!("l01");
        let _one_at_a_time = self.admission.lock().await;
        let known = |state: &State| state.scheduler.job_of_request(&request.id).map(|job| job.id());
        if let Some(job) = self.proposer.read(known) {
            self.proposer.read(|state| check_same(state, job, &request))?;
            return Ok(job);
        }
        self.check_artifacts(&request).await?;
        self.proposer.read(|state| check_room(state, &request.spec))?;

        let Submit { id, spec, spec_digest, executable, map_only, options } = request;
        let memory_bytes = if spec.memory_is_given { spec.memory_bytes } else { 0 };
        let record = JobRecord {
            spec: spec_digest,
            same: same(&spec),
            executable,
            side_files: side_files(&spec).collect(),
            output: spec.output,
            plan: None,
            is_swept: false,
        };
        let submit = scheduler::Submit {
            job: self.proposer.read(|state| state.scheduler.next_job()),
            request: id,
            name: spec.name,
            nonce: (self.nonces)(),
            reducers: spec.reducers.filter(|_| !map_only),
            map_only,
            options: JobOptions { early_reduces: true, memory_bytes, ..options },
        };
        let job = submit.job;
        let accept = Change::Accept { submit: Box::new(submit), record };
        let applied = self.propose(vec![accept]).await?;
        match applied.into_iter().next() {
            Some(Err(Rejection::AlreadySubmitted { job })) => Ok(job),
            // An earlier try that timed out was committed after all.
            Some(Err(Rejection::JobIdNotNew { .. })) => {
                let message =
                    "another submission was committed first\nhint: submit again".to_string();
                Err(Refusal::Unavailable { message })
            }
            Some(Err(rejection)) => Err(Refusal::Invalid { message: rejection.to_string() }),
            _ => Ok(job),
        }
    }

    /// Checks that a majority holds what the job names, and that the executable can run on this kind of machine.
    async fn check_artifacts(self: &Arc<Self>, request: &Submit) -> Result<(), Refusal> {
        let side_files = side_files(&request.spec).map(|digest| ("side file", digest));
        let named = [("spec", request.spec_digest), ("executable", request.executable)];
        for (what, digest) in named.into_iter().chain(side_files) {
            if !self.hold(digest).await? {
                let message =
                    format!("the {what} {digest} has not been uploaded\nhint: send it first");
                return Err(Refusal::NotFound { message });
            }
        }
        let head = self.store.head(request.executable)?;
        elf_problem(&head).map_or(Ok(()), |problem| invalid(format!("the executable {problem}")))
    }
}

/// A repeated submission returns the same job. A different job under the same id must not be ignored silently, so it
/// is refused.
fn check_same(state: &State, job: JobId, request: &Submit) -> Result<(), Refusal> {
    // A forgotten job cannot be compared.
    let Some(record) = state.job(job) else { return Ok(()) };
    if record.spec == request.spec_digest || record.same == same(&request.spec) {
        return Ok(());
    }
    let shown = record.output.as_ref().map(|output| format!(", with output `{output}`"));
    invalid(format!(
        "--id {} belongs to another job: {job}{}\nhint: give another --id",
        escape(request.id.as_bytes(), TEXT_CHARS_MAX),
        shown.unwrap_or_default()
    ))
}

/// Computes an identity of what a spec requests. Each process writes a `HashSet` or `HashMap` among the job's flags in
/// another order, so the order of the job value's bytes does not count. This confuses no two jobs: values that differ only
/// in the order of their bytes come from different command lines, and the command line is part of the spec.
fn same(spec: &JobSpec) -> Digest {
    let mut spec = spec.clone();
    spec.job.sort_unstable();
    let mut bytes = Vec::new();
    value::encode_into(&spec, &mut bytes).expect("`rpc::check` has already encoded the spec");
    Digest::of(&bytes)
}

fn side_files(spec: &JobSpec) -> impl Iterator<Item = Digest> {
    // `rpc::check` refuses side files without a digest.
    spec.side_files.iter().filter_map(|file| file.digest)
}

fn invalid<T>(message: String) -> Result<T, Refusal> {
    Err(Refusal::Invalid { message })
}

/// Checks that there is room for the job, and that no other job writes to its folder.
fn check_room(state: &State, spec: &JobSpec) -> Result<(), Refusal> {
    let live = || state.scheduler.jobs().filter(|job| !job.state().is_terminal());
    if live().count() >= LIVE_JOBS_MAX {
        let message = format!(
            "the limit of {LIVE_JOBS_MAX} unfinished jobs is reached\nhint: wait until some have ended"
        );
        return Err(Refusal::Limit { message });
    }
    let Some(output) = &spec.output else { return Ok(()) };
    let of = |job| state.job(job).and_then(|record| record.output.as_ref());
    let same = live().find(|job| of(job.id()).is_some_and(|other| overlap(output, other)));
    let Some(same) = same else { return Ok(()) };
    invalid(format!(
        "output `{output}` overlaps the output of job {} ({}), which has not ended\nhint: choose another folder, or wait for that job",
        same.id(),
        escape(same.name().as_bytes(), TEXT_CHARS_MAX)
    ))
}

/// Whether two outputs are the same folder, or one lies inside the other. Clients have already resolved links and
/// `..`.
fn overlap(one: &Location, other: &Location) -> bool {
    one.path().starts_with(other.path()) || other.path().starts_with(one.path())
}

/// First bytes of an executable that say which machine it is for.
pub(super) const ELF_HEAD_BYTES: usize = 20;
/// ELF's number of this machine's architecture, and its name.
const MACHINE: (u16, &str) =
    if cfg!(target_arch = "aarch64") { (183, "aarch64") } else { (62, "x86_64") };

/// Returns why a file with this beginning cannot run here, or `None` if it can.
///
/// The ELF header: magic, class at 4 (2: 64 bits), byte order at 5 (1: little-endian), type at 16
/// (2: executable, 3: position-independent one), machine at 18.
fn elf_problem(head: &[u8]) -> Option<String> {
    let (machine, name) = MACHINE;
    let Some(&[0x7f, b'E', b'L', b'F', class, order, .., t0, t1, m0, m1]) =
        head.first_chunk::<ELF_HEAD_BYTES>()
    else {
        let shown = escape(&head[..head.len().min(4)], TEXT_CHARS_MAX);
        return Some(format!(
            "does not begin with a complete ELF header: it begins with `{shown}`\nhint: build it for Linux"
        ));
    };
    let found = u16::from_le_bytes([m0, m1]);
    let kind = u16::from_le_bytes([t0, t1]);
    if (class, order) != (2, 1) {
        Some(format!("is not a 64-bit little-endian program; workers run on {name}"))
    } else if found != machine {
        let known = [(3, "x86"), (40, "arm"), (62, "x86_64"), (183, "aarch64"), (243, "riscv")];
        let known = known.into_iter().find(|&(number, _)| number == found);
        let found = known.map_or(format!("machine {found}"), |(_, name)| name.to_string());
        Some(format!("is an ELF file for {found}; workers run on {name}"))
    } else if !(2..=3).contains(&kind) {
        Some(format!("is an ELF file of type {kind}, not a program"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(class: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut head = b"\x7fELF".to_vec();
        head.extend([class, 1]);
        head.resize(16, 0);
        head.extend(kind.to_le_bytes());
        head.extend(machine.to_le_bytes());
        head
    }

    #[test]
    fn outputs_overlap_if_one_is_or_holds_the_other() {
        for (other, expected) in
            [("/a/b", true), ("/a/b/c", true), ("/a", true), ("/a/bc", false), ("/a/c", false)]
        {
            let (one, other) = (Location::from("/a/b"), Location::from(other));
            assert_eq!((overlap(&one, &other), overlap(&other, &one)), (expected, expected));
        }
    }

    #[test]
    fn only_programs_for_this_machine_are_accepted() {
        let table = [
            (head(2, 3, MACHINE.0), None),
            (head(2, 2, MACHINE.0), None),
            (Vec::new(), Some("not begin with a complete ELF header")),
            (b"#!/bin/sh\nexit 0\n123456".to_vec(), Some("begins with `#!/b`")),
            (head(2, 3, MACHINE.0)[..19].to_vec(), Some("a complete ELF header")),
            (head(1, 3, MACHINE.0), Some("64-bit")),
            (head(2, 3, 243), Some("is an ELF file for riscv; workers run on")),
            (head(2, 3, 9_999), Some("machine 9999")),
            (head(2, 1, MACHINE.0), Some("type 1")),
        ];
        for (head, expected) in table {
            match (elf_problem(&head), expected) {
                (None, None) => {}
                (Some(found), Some(expected)) if found.contains(expected) => {}
                (found, expected) => panic!("{head:?}: {found:?} instead of {expected:?}"),
            }
        }
    }
}
