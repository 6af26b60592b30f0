//! `gristmill submit`: brings a job to the cluster and follows it; `gristmill watch`: follows one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use serde::Serialize;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::cluster::{Cluster, runtime, with_way_out};
use super::jobs::killed;
use super::progress::Progress;
use super::refused::{Refused, one_line};
use super::table::json;
use super::{duration, exit};
use crate::client::{DESCRIBE_WITHIN, Described, Submission, describe, submit, submitted};
use crate::clock::Clock;
use crate::launch::{Message, Showing, check_output, notes_json, print, render_failure, say};
use crate::rpc::client::{Master, Options};
use crate::rpc::jobs::{JobStatus, State};
use crate::rpc::refusal::Refusal;
use crate::spec::job::check_name;
use crate::spec::{InputNotes, JobId, JobSpec, escape_text};

/// How long after the first Ctrl-C a second one kills the job.
const SECOND_WITHIN: Duration = Duration::from_secs(2);

/// What `submit` is told; the job's own arguments come last, and are its own business.
#[derive(Debug, Args)]
pub(super) struct Submit {
    #[command(flatten)]
    cluster: Cluster,
    /// Id of this submission: once more with the same is the same job, not another
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Name of the job, for people [default: the executable's]
    #[arg(long, value_name = "N", value_parser = name)]
    name: Option<String>,
    /// Print the job's id on standard output and leave; the job goes on
    #[arg(long)]
    detach: bool,
    /// From 0 to 9; of jobs that wait for slots, the higher goes first
    #[arg(long, value_name = "P", default_value = "5", value_parser = clap::value_parser!(i32).range(0..=9))]
    priority: i32,
    /// Failed attempts at a task after which the job fails, from 1 to 100 [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    max_attempts: Option<u32>,
    /// Kill an attempt that makes no progress for so long, such as 30s or 10m [default: 10m]
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    task_timeout: Option<Duration>,
    /// Start no second attempt at a task whose first is slow
    #[arg(long)]
    no_backups: bool,
    /// Executable of the job, and its arguments as if it were run here
    // One list, so that all behind the executable is the job's, also what looks like a flag of ours.
    #[arg(value_names = ["EXECUTABLE", "ARGS"], required = true, num_args = 1.., trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

impl Submit {
    /// Submits, and follows unless it is to detach.
    pub(super) fn run(self) -> Result<u8, Refused> {
        let addresses = self.cluster.addresses()?;
        if self.detach {
            // Before anything is submitted: without its id the job could not be found again.
            check_output().map_err(|why| {
                Refused::usage(format!(
                    "cannot write the job's id to standard output: {why}; redirect it to a file or a pipe, or submit without --detach"
                ))
            })?;
        }
        runtime()?.block_on(async {
            let [executable, arguments @ ..] = &self.command[..] else {
                return Err(Refused::usage("no executable is named; command line; name a job's"));
            };
            let described = describe(Path::new(executable), arguments, DESCRIBE_WITHIN).await;
            let described = match (described, &self.id) {
                (Ok(described), _) => described,
                // A repetition, as exit code 8 demands: the executable refuses it when the job has ended meanwhile, since
                // its output exists. What became of the job is the answer then.
                (Err(refused), Some(id)) => {
                    let master = Master::connect(&addresses, Options::default())?;
                    let Some(job) = submitted(&master, id).await.map_err(Refused::from)? else {
                        return Err(refused.into());
                    };
                    return self.repeated(master, job).await;
                }
                (Err(refused), None) => return Err(refused.into()),
            };
            let (executable, spec, map_only, report, notes) = match described {
                Described::Job { executable, spec, map_only, report, notes } => {
                    (executable, *spec, map_only, report, notes)
                }
                // Whose help it is, nobody has looked at.
                Described::Text(text) => return Ok(print(&escape_text(text.as_bytes()))),
            };
            let master = Master::connect(&addresses, Options::default())?;
            let is_detached = self.detach;
            let submission = self.submission(executable, spec, map_only);
            let bad_records = submission.spec.max_bad_records;
            let job =
                submit(&master, submission).await.map_err(|error| with_way_out(error.into()))?;
            if is_detached {
                return Ok(print(&format!("{job}\n")));
            }
            let progress = Progress::of_report(&report);
            if !progress.is_quiet() {
                say(&format!("{job} is submitted; Ctrl-C leaves it running\n"));
                notes.sentences().iter().for_each(|note| say(&format!("note: {note}\n")));
            }
            Watched { master, job, bad_records, progress, report, notes }.run().await
        })
    }

    /// Answers a submission whose id is that of a job that was submitted before.
    async fn repeated(&self, master: Master, job: JobId) -> Result<u8, Refused> {
        if self.detach {
            return Ok(print(&format!("{job}\n")));
        }
        say(&format!("{job} was submitted with this --id before; Ctrl-C leaves it as it is\n"));
        let (progress, report) = (Progress::new(Showing::Auto, false, false), Vec::new());
        let notes = InputNotes::default();
        Watched { master, job, bad_records: 0, progress, report, notes }.run().await
    }

    fn submission(self, executable: PathBuf, mut spec: JobSpec, map_only: bool) -> Submission {
        if let Some(name) = self.name {
            spec.name = name;
        }
        let id = self.id.unwrap_or_else(|| Submission::fresh_id(Clock::system().wall_ms()));
        Submission {
            priority: self.priority,
            max_attempts: self.max_attempts.unwrap_or(0),
            task_timeout: self.task_timeout.unwrap_or(Duration::ZERO),
            backups: !self.no_backups,
            ..Submission::new(id, executable, spec, map_only)
        }
    }
}

/// What `watch` is told.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    cluster: Cluster,
    /// What is drawn meanwhile: auto, always, never or hadoop
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
    /// Follows a job that was submitted before.
    pub(super) fn run(&self) -> Result<u8, Refused> {
        let Self { ref cluster, progress, job } = *self;
        cluster.ask(async |master| {
            let (progress, report) = (Progress::new(progress, false, false), Vec::new());
            let notes = InputNotes::default();
            Watched { master, job, bad_records: 0, progress, report, notes }.run().await
        })
    }
}

/// A job that is followed.
struct Watched {
    master: Master,
    job: JobId,
    /// How many records might be set aside, for the advice that goes with a failure.
    bad_records: u64,
    progress: Progress,
    report: Vec<(String, String)>,
    /// What of the input is left out or reached more than once.
    notes: InputNotes,
}

impl Watched {
    async fn run(mut self) -> Result<u8, Refused> {
        let mut interrupts = signal(SignalKind::interrupt()).map_err(|error| {
            Refused::failed(format!(
                "cannot listen for Ctrl-C: {error}; this machine; submit with --detach"
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
            State::Failed => {
                match (&status.failure, &status.error) {
                    (Some((attempt, failure)), _) => {
                        render_failure(*attempt, failure, self.bad_records).say();
                    }
                    (None, error) => Message::new(format!(
                        "{} failed: {}; see `gristmill why {}`",
                        self.job,
                        error.as_deref().unwrap_or(&status.reason),
                        self.job
                    ))
                    .say(),
                }
                Ok(exit::FAILED)
            }
            State::Cancelled => {
                Message::new(format!(
                    "{} was cancelled; {}; submit it again",
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
                    say(&format!("{} succeeded: {}\n", self.job, one_line(&status.output)));
                }
                Ok(exit::OK)
            }
        }
    }

    /// The status, and what the summary of an embedded run says of the input's notes.
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

    /// The job goes on without anybody watching.
    fn lost(&self, refusal: Refusal) -> Refused {
        let unavailable = matches!(refusal, Refusal::Unavailable { .. });
        let mut refused = Refused::from(refusal);
        if unavailable {
            refused.message.details.push(format!(
                "{} goes on if its cluster does; follow it with `gristmill watch {}`",
                self.job, self.job
            ));
        }
        refused
    }

    async fn interrupted(&self, interrupts: &mut Signal) -> Result<u8, Refused> {
        let job = self.job;
        say(&format!(
            "\ndetached; {job} goes on; Ctrl-C again or `gristmill kill {job}` kills it, `gristmill watch {job}` follows it\n"
        ));
        if tokio::time::timeout(SECOND_WITHIN, interrupts.recv()).await.is_err() {
            return Ok(exit::INTERRUPTED);
        }
        say(&format!("\n{}", killed(&self.master, job).await?));
        Ok(exit::CANCELLED)
    }
}
