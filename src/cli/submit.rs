//! `gristmill submit`: submits a job and follows it. `gristmill watch`: follows a job.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use serde::Serialize;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::cluster::{Cluster, runtime, with_hint};
use super::jobs::killed;
use super::progress::Progress;
use super::refused::Refused;
use super::table::json;
use super::{duration, exit};
use crate::client::{
    DESCRIBE_WITHIN, Described, Submission, describe, describe_again, submit, submitted,
};
use crate::launch::{
    Message, Showing, check_output, notes_json, print, render_failure, say, whole,
};
use crate::model::job::check_name;
use crate::model::limits::{MAX_ATTEMPTS, PRIORITY};
use crate::model::{InputNotes, JobId, JobOptions, JobSpec, JobState, escape_text, escape_what};
use crate::rpc::client::{Master, Options};
use crate::rpc::jobs::JobStatus;
use crate::rpc::refusal::Refusal;

/// Time after the first Ctrl-C within which a second one kills the job.
const SECOND_WITHIN: Duration = Duration::from_secs(2);

/// Arguments of `submit`; the job's own arguments come last.
#[derive(Debug, Args)]
pub(super) struct Submit {
    #[command(flatten)]
    cluster: Cluster,
    /// Id of this submission: repeating it with the same id gives the same job, not another
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Name of the job in lists [default: the executable's]
    #[arg(long, value_name = "N", value_parser = name)]
    name: Option<String>,
    /// Print the job's id on standard output and exit; the job continues
    #[arg(long)]
    detach: bool,
    /// From 0 to 9; a higher priority gets free slots first
    #[arg(long, value_name = "P", default_value = "5", value_parser = whole(PRIORITY))]
    priority: u8,
    /// Failed attempts of one task that fail the job, from 1 to 100 [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(MAX_ATTEMPTS))]
    max_attempts: Option<u32>,
    /// Kill an attempt that makes no progress for this long, such as 30s or 10m [default: 10m]
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    task_timeout: Option<Duration>,
    /// Start no backup attempts of slow tasks
    #[arg(long)]
    no_backups: bool,
    /// Executable of the job, and its arguments as for a run without a cluster
    // One list, so that everything after the executable belongs to the job, even an argument that looks like a flag of
    // `submit`.
    #[arg(value_names = ["EXECUTABLE", "ARGS"], required = true, num_args = 1.., trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

impl Submit {
    /// Submits the job, and follows it unless `--detach` is given.
    pub(super) fn run(self) -> Result<u8, Refused> {
        let (addresses, flag) = (self.cluster.addresses()?, self.cluster.flag());
        if self.detach {
            // Check this before anything is submitted: without its id, the job could not be found again.
            check_output().map_err(|why| {
                Refused::usage(format!(
                    "cannot write the job's id to standard output: {why}\nhint: redirect it to a file or a pipe, or submit without --detach"
                ))
            })?;
        }
        runtime()?.block_on(async {
            let [executable, arguments @ ..] = &self.command[..] else {
                return Err(Refused::usage(
                    "no executable is named\nhint: name the executable of a job",
                ));
            };
            let executable = Path::new(executable);
            // A client that got no answer repeats the submission with the same id. The job may have ended in the
            // meantime, so that its output exists. Therefore ask the cluster before the executable checks the output.
            let before = match &self.id {
                Some(id) => {
                    let master = Master::connect(&addresses, Options::default())?;
                    let known = submitted(&master, id).await;
                    known.map_err(|error| with_hint(error.into()))?.map(|job| (master, job))
                }
                None => None,
            };
            let is_repeated = before.is_some();
            let described = match before {
                None => describe(executable, arguments, DESCRIBE_WITHIN).await?,
                Some((master, job)) => {
                    match describe_again(executable, arguments, DESCRIBE_WITHIN).await {
                        Ok(described) => described,
                        Err(error) => return self.repeated(master, job, flag, error.into()).await,
                    }
                }
            };
            let (executable, spec, map_only, report, notes) = match described {
                Described::Job { executable, spec, map_only, report, notes } => {
                    (executable, *spec, map_only, report, notes)
                }
                // The help or version text of the job contains text of its author.
                Described::Text(text) => return Ok(print(&escape_text(text.as_bytes()))),
            };
            let master = Master::connect(&addresses, Options::default())?;
            let is_detached = self.detach;
            let submission = self.submission(executable, spec, map_only);
            let bad_records = submission.spec.max_bad_records;
            let job = submit(&master, submission).await.map_err(|error| with_hint(error.into()))?;
            if is_detached {
                return Ok(print(&format!("{job}\n")));
            }
            let progress = Progress::of_report(&report);
            if !progress.is_quiet() {
                let submitted = match is_repeated {
                    true => "was already submitted with this --id",
                    false => "is submitted",
                };
                say(&format!("{job} {submitted}; Ctrl-C leaves it running\n"));
                notes.sentences().iter().for_each(|note| say(&format!("note: {note}\n")));
            }
            Watched { master, job, flag, bad_records, progress, report, notes }.run().await
        })
    }

    /// Handles a repeated submission that can no longer be compared with the first, for example because its input no
    /// longer exists.
    async fn repeated(
        &self,
        master: Master,
        job: JobId,
        flag: String,
        why: Refused,
    ) -> Result<u8, Refused> {
        let id = escape_text(self.id.as_deref().unwrap_or_default().as_bytes());
        say(&format!(
            "note: --id {id} belongs to {job}; cannot check that this command line describes the same job: {}\n",
            escape_what(&why.message.line)
        ));
        if self.detach {
            return Ok(print(&format!("{job}\n")));
        }
        let progress = Progress::new(Showing::Auto, false, false);
        let (report, notes) = (Vec::new(), InputNotes::default());
        Watched { master, job, flag, bad_records: 0, progress, report, notes }.run().await
    }

    fn submission(self, executable: PathBuf, mut spec: JobSpec, map_only: bool) -> Submission {
        if let Some(name) = self.name {
            spec.name = name;
        }
        let id = self.id.unwrap_or_else(Submission::fresh_id);
        let defaults = JobOptions::default();
        let timeout_ms = self.task_timeout.and_then(|span| u64::try_from(span.as_millis()).ok());
        let options = JobOptions {
            priority: self.priority,
            max_attempts: self.max_attempts.unwrap_or(defaults.max_attempts),
            task_timeout_ms: timeout_ms.or(defaults.task_timeout_ms),
            backups: !self.no_backups,
            ..defaults
        };
        Submission { options, ..Submission::new(id, executable, spec, map_only) }
    }
}

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    cluster: Cluster,
    /// Progress: auto, always, never or hadoop
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value = "auto",
        hide_possible_values = true
    )]
    progress: Showing,
    /// The job, such as j7
    job: JobId,
}

impl Watch {
    /// Follows a job that is already submitted.
    pub(super) fn run(&self) -> Result<u8, Refused> {
        let Self { ref cluster, progress, job } = *self;
        cluster.ask(async |master| {
            let (progress, report) = (Progress::new(progress, false, false), Vec::new());
            let (flag, notes) = (cluster.flag(), InputNotes::default());
            Watched { master, job, flag, bad_records: 0, progress, report, notes }.run().await
        })
    }
}

/// A job that is followed.
struct Watched {
    master: Master,
    job: JobId,
    /// ` --cluster A,B,C` for commands in hints, or empty.
    flag: String,
    /// The value of `--max-bad-records`, for the hint of a failure.
    bad_records: u64,
    progress: Progress,
    report: Vec<(String, String)>,
    /// Input that was skipped or reached more than once.
    notes: InputNotes,
}

impl Watched {
    async fn run(mut self) -> Result<u8, Refused> {
        let mut interrupts = signal(SignalKind::interrupt()).map_err(|error| {
            Refused::failed(format!(
                "cannot listen for Ctrl-C: {error}\nhint: submit with --detach"
            ))
        })?;
        let followed = tokio::select! {
            followed = self.progress.follow(&self.master, self.job) => Some(followed),
            _ = interrupts.recv() => None,
        };
        match followed {
            Some(Ok(status)) => self.ended(&status),
            Some(Err(refusal)) => Err(self.lost(refusal)),
            None => self.interrupted(&mut interrupts).await,
        }
    }

    fn ended(&self, status: &JobStatus) -> Result<u8, Refused> {
        match status.state {
            JobState::Failed => {
                match (&status.failure, &status.error) {
                    (Some((attempt, failure)), _) => {
                        render_failure(*attempt, failure, self.bad_records).say();
                    }
                    (None, error) => Message::new(format!(
                        "{} failed: {}\nhint: run `gristmill why{} {}`",
                        self.job,
                        error.as_deref().unwrap_or(&status.reason),
                        self.flag,
                        self.job
                    ))
                    .say(),
                }
                Ok(exit::FAILED)
            }
            JobState::Cancelled => {
                Message::new(format!(
                    "{} was cancelled: {}\nhint: submit it again",
                    self.job, status.output
                ))
                .say();
                Ok(exit::CANCELLED)
            }
            _ => {
                let wants_json =
                    |(flag, value): &(String, String)| flag == "summary" && value == "json";
                if self.report.iter().any(wants_json) {
                    say(&self.json(status)?);
                } else if !self.progress.is_quiet() {
                    say(&format!("{} succeeded: {}\n", self.job, escape_what(&status.output)));
                }
                Ok(exit::OK)
            }
        }
    }

    /// Formats the status as JSON, with notes on the input as in the summary of an embedded run.
    fn json(&self, status: &JobStatus) -> Result<String, Refused> {
        #[derive(Serialize)]
        struct Summary<'s> {
            #[serde(flatten)]
            status: &'s JobStatus,
            skipped: Value,
            reached_again: Value,
        }
        let (skipped, reached_again) = notes_json(&self.notes);
        json(&Summary { status, skipped, reached_again })
    }

    /// Returns the error of a lost connection, which does not end the job.
    fn lost(&self, refusal: Refusal) -> Refused {
        let unavailable = matches!(refusal, Refusal::Unavailable { .. });
        let mut refused = Refused::from(refusal);
        if unavailable {
            refused.message.details.push(format!(
                "{} continues when its cluster is back; follow it with `gristmill watch{} {}`",
                self.job, self.flag, self.job
            ));
        }
        refused
    }

    async fn interrupted(&self, interrupts: &mut Signal) -> Result<u8, Refused> {
        let Self { job, flag, .. } = self;
        say(&format!(
            "\ndetached; {job} continues. To kill it, press Ctrl-C again within {} s, or run `gristmill \
             kill{flag} {job}`. To follow it, run `gristmill watch{flag} {job}`\n",
            SECOND_WITHIN.as_secs()
        ));
        if tokio::time::timeout(SECOND_WITHIN, interrupts.recv()).await.is_err() {
            return Ok(exit::INTERRUPTED);
        }
        say(&format!("\n{}", killed(&self.master, *job).await?));
        Ok(exit::CANCELLED)
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::launch::SUBMIT_FLAGS;

    #[test]
    fn job_executables_know_the_flags_of_submit() {
        let submit = Submit::augment_args(Command::new("submit"));
        let flags = submit.get_arguments().filter_map(|arg| arg.get_long());
        let flags: Vec<String> = flags.map(|flag| format!("--{flag}")).collect();
        assert_eq!(flags, SUBMIT_FLAGS);
    }
}
