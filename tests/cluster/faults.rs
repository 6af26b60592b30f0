//! Writes the table of faults that `.ci/long` prints: one row for each job that had a fault injected.
//!
//! A row names the fault, how the output was checked, the time that the fault added, and which attempts ran again. It
//! is written after a check that the job and its cluster have left nothing behind. The added time is relative to the
//! same job without a fault.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gristmill::clock::Clock;

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::fleet::Fleet;
use crate::odd::MARKS;

/// Variable that names the file to which rows are added. Without it nothing is measured.
const FILE: &str = "GRISTMILL_FAULTS";
/// Folder of the output of an undisturbed run.
const UNDISTURBED: &str = "undisturbed";

/// The jobs of one cluster, recorded only if a table is written.
#[derive(Default)]
pub(crate) struct Faults {
    file: Option<PathBuf>,
    jobs: RefCell<BTreeMap<String, Record>>,
}

/// The record of one job.
struct Record {
    submission: Submission,
    /// The trouble that the job itself made, if any.
    trouble: String,
    began: Instant,
    /// Duration and path of the job, once it has ended.
    ended: Option<(Duration, String)>,
    /// What the test found about its output.
    output: &'static str,
}

/// Everything needed to run a job once more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Submission {
    /// Arguments of `gristmill submit`. The last one is the output.
    arguments: Vec<String>,
    /// Files in the folder of marks that the job's tasks wait for.
    gates: Vec<String>,
    workers: usize,
}

/// Returns the time, for measuring jobs.
pub(crate) fn now() -> Instant {
    Clock::system().now()
}

impl Faults {
    pub(crate) fn new() -> Self {
        Self { file: std::env::var_os(FILE).map(PathBuf::from), jobs: RefCell::default() }
    }

    /// Records that this job was submitted at this time with these arguments, the output last.
    pub(crate) fn begun(
        &self,
        commands: &Commands,
        (job, began): (&str, Instant),
        arguments: Vec<String>,
        trouble: &str,
    ) -> Result {
        if self.file.is_some() {
            let workers = commands.json(&["workers"])?.as_array().map_or(0, Vec::len);
            let submission = Submission { arguments, gates: Vec::new(), workers };
            let trouble = trouble.to_owned();
            let record = Record { submission, trouble, began, ended: None, output: "-" };
            self.jobs.borrow_mut().insert(job.into(), record);
        }
        Ok(())
    }

    /// Records that this file was created, so jobs no longer wait for it.
    pub(crate) fn opened(&self, gate: &str) {
        for record in self.jobs.borrow_mut().values_mut() {
            record.submission.gates.push(gate.into());
        }
    }

    pub(crate) fn ended(&self, job: &str, attempts: &Attempts) {
        if let Some(record) = self.jobs.borrow_mut().get_mut(job) {
            record.ended = Some((now() - record.began, path(attempts)));
        }
    }

    /// Leaves the jobs so far out of the table: their inputs are gone, so they cannot run undisturbed.
    pub(crate) fn leave_out(&self) {
        self.jobs.borrow_mut().clear();
    }

    /// Records what was found about a job's output, such as that it equals another.
    pub(crate) fn found(&self, job: &str, output: &'static str) {
        if let Some(record) = self.jobs.borrow_mut().get_mut(job) {
            record.output = output;
        }
    }
}

/// Describes how the job differed from an undisturbed one: attempts that did not succeed, and maps that succeeded
/// again.
fn path(attempts: &Attempts) -> String {
    let mut steps: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for attempt in attempts.iter() {
        let first_won = attempts.at(&attempt.task).into_iter().find(|a| a.state == "succeeded");
        if attempt.state != "succeeded" {
            *steps.entry((&attempt.kind, &attempt.cause)).or_default() += 1;
        } else if first_won.is_some_and(|first| !std::ptr::eq(first, attempt)) {
            *steps.entry((&attempt.kind, "again")).or_default() += 1;
        }
    }
    let steps = steps.iter().map(|((kind, what), count)| format!("{count} {kind} {what}"));
    let steps = steps.collect::<Vec<_>>().join(", ");
    if steps.is_empty() { "nothing ran again".into() } else { steps }
}

/// Adds the rows of a cluster that has left nothing behind.
pub(crate) fn add_rows(mut fleet: Fleet) -> Result {
    let Some(file) = fleet.faults().file.clone() else { return Ok(()) };
    let test = std::thread::current().name().unwrap_or_default().replace('_', " ");
    let (_, test) = test.rsplit_once("::").ok_or("a test lies in a module")?;
    let mut undisturbed = BTreeMap::new();
    let mut rows = String::new();
    for (_, record) in fleet.faults().jobs.take() {
        let Record { submission, trouble, ended, output, .. } = record;
        let Some((took, path)) = ended else { continue };
        let added = if output == "none" {
            "-".to_owned()
        } else {
            if !undisturbed.contains_key(&submission) {
                undisturbed.insert(submission.clone(), run_again(&mut fleet, &submission)?);
            }
            let added = took.as_secs_f64() - undisturbed[&submission].as_secs_f64();
            // If the job waited for a file, the time includes the test's own work.
            let sign = if submission.gates.is_empty() { "" } else { "<" };
            format!("{sign}{added:+.1}")
        };
        let fault = if trouble.is_empty() { test.to_owned() } else { format!("{test}: {trouble}") };
        rows += &format!("{fault}\t{output}\tnone\t{added}\t{path}\n");
    }
    let mut file = File::options().create(true).append(true).open(file)?;
    Ok(file.write_all(rows.as_bytes())?)
}

/// Returns how long a job takes when nothing happens to it.
fn run_again(fleet: &mut Fleet, submission: &Submission) -> Result<Duration> {
    // The job may have been submitted before all workers were there.
    fleet.begin_anew(submission.workers.max(1))?;
    let marks = fleet.path(MARKS);
    fs::create_dir_all(&marks)?;
    submission.gates.iter().try_for_each(|gate| fs::write(marks.join(gate), ""))?;
    let mut arguments = vec!["submit"];
    arguments.extend(submission.arguments.iter().map(String::as_str));
    arguments.pop();
    arguments.push(UNDISTURBED);
    let began = now();
    let ended = fleet.run(&arguments)?;
    let took = now() - began;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    fs::remove_dir_all(fleet.path(UNDISTURBED))?;
    fs::remove_dir_all(marks)?;
    Ok(took)
}
