//! The `gristmill` command: starts clusters, submits jobs and looks at them, looks at outputs and checks them.

mod cat;
mod cluster;
mod daemon;
mod dev;
mod duration;
pub mod exit;
mod jobs;
mod joining;
mod master;
mod masters;
mod progress;
mod refused;
mod replay;
mod report;
mod submit;
mod table;
mod tasks;
mod verify;
mod why;
mod worker;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use self::cluster::Cluster;
use self::refused::Refused;
use self::table::Format;
use self::tasks::Which;
use crate::launch::{print, refusal, say};
use crate::spec::{JobId, MasterId, WorkerId};

/// Runs MapReduce jobs on a cluster, and looks after them.
#[derive(Debug, Parser)]
#[command(name = "gristmill", version, after_help = AFTER_HELP)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
A job is an executable of its own, which also runs without a cluster: see the README for how to write one.
The cluster is named by --cluster or GRISTMILL_CLUSTER, else it is the one at 127.0.0.1:7400.
Exit codes: 0 ok, 1 job failed, 2 usage, input or spec, 3 no such job, task or worker, 4 no cluster or no quorum,
5 refused by a limit, 6 verification failed, 7 cancelled, 8 outcome unknown (repeat with the same --id), 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a whole cluster on this machine, in child processes that end with it
    Dev(dev::Dev),
    /// Start a master
    Master(master::Master),
    /// Start a worker
    Worker(worker::Worker),
    /// Submit a job and follow it; Ctrl-C leaves it running, twice kills it
    Submit(submit::Submit),
    /// List all jobs
    Jobs(Listed),
    /// Say how a job stands
    Status(ListedJob),
    /// Follow a job until it ends
    Watch(OneJob),
    /// List a job's tasks and attempts
    Tasks(ListedJob),
    /// List what a job has counted
    Counters(ListedJob),
    /// Print what a job's user code has printed, of each task's last attempt
    Logs {
        #[command(flatten)]
        cluster: Cluster,
        /// A job, a task or an attempt: j7, j7/m12 or j7/m12#2
        #[arg(value_name = "JOB[/TASK[#N]]", value_parser = Which::parse)]
        which: Which,
        /// Go on printing until the job has ended
        #[arg(short, long)]
        follow: bool,
    },
    /// Say why a job stands as it does: what it failed of and what to do, or what it waits for
    #[command(after_help = why::AFTER_HELP)]
    Why(ListedJob),
    /// Do a task once more, here, with the same input, executable and arguments
    #[command(after_help = replay::AFTER_HELP)]
    Replay(replay::Replay),
    /// Write all that is to be said of a job as one page, for a ticket
    #[command(after_help = report::AFTER_HELP)]
    Report(OneJob),
    /// Cancel a job
    Kill(OneJob),
    /// List workers, or send one home
    #[command(args_conflicts_with_subcommands = true)]
    Workers {
        #[command(flatten)]
        listed: Listed,
        #[command(subcommand)]
        verb: Option<WorkersVerb>,
    },
    /// List masters: which one leads, and how far each is; or have one come, go or lead
    #[command(args_conflicts_with_subcommands = true)]
    Masters {
        #[command(flatten)]
        listed: Listed,
        #[command(subcommand)]
        verb: Option<MastersVerb>,
    },
    /// Check an output: every part's size and checksum, nothing missing, nothing strange
    Verify {
        /// Folder of the output
        dir: PathBuf,
    },
    /// Print an output's parts, in order, uncompressed
    Cat {
        /// Folder of the output
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum WorkersVerb {
    /// Have a worker take no new attempts, and leave when nobody needs its map outputs
    Drain {
        #[command(flatten)]
        cluster: Cluster,
        /// The worker, such as w4
        worker: WorkerId,
    },
}

#[derive(Debug, Subcommand)]
enum MastersVerb {
    /// Print the command that starts one more master, to be typed on its machine
    Add(Listed),
    /// Take a master out of the cluster, whether it runs or not; its process ends, and its number is not given again
    Remove {
        #[command(flatten)]
        cluster: Cluster,
        /// The master, such as m2
        master: MasterId,
    },
    /// Have a master lead; nothing waits meanwhile for longer than a moment
    Transfer {
        #[command(flatten)]
        cluster: Cluster,
        /// The master, such as m2
        master: MasterId,
    },
}

/// What a list is told.
#[derive(Debug, Args)]
struct Listed {
    #[command(flatten)]
    cluster: Cluster,
    /// Form of the list: table or json
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value = "table",
        hide_possible_values = true
    )]
    format: Format,
}

/// What a list of something of a job is told.
#[derive(Debug, Args)]
struct ListedJob {
    #[command(flatten)]
    listed: Listed,
    /// The job, such as j7
    job: JobId,
}

/// What a verb about a job is told.
#[derive(Debug, Args)]
struct OneJob {
    #[command(flatten)]
    cluster: Cluster,
    /// The job, such as j7
    job: JobId,
}

/// Reads the command line and carries it out.
pub fn main() -> ExitCode {
    let done = match Command::try_parse() {
        Ok(Command { verb }) => verb.run(),
        // Without a verb there is nothing wrong to name: the help says what there is.
        Err(text) if text.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say(&text.to_string());
            Ok(exit::USAGE)
        }
        Err(text) if !text.use_stderr() => Ok(print(&text.to_string())),
        Err(error) => Err(refusal("gristmill", &error).into()),
    };
    ExitCode::from(done.unwrap_or_else(Refused::say))
}

impl Verb {
    fn run(self) -> Result<u8, Refused> {
        match self {
            Self::Dev(dev) => dev.run(),
            Self::Master(master) => master.run(),
            Self::Worker(worker) => worker.run(),
            Self::Submit(submit) => submit.run(),
            Self::Jobs(Listed { cluster, format }) => jobs::jobs(&cluster, format),
            Self::Status(ListedJob { listed: Listed { cluster, format }, job }) => {
                jobs::status(&cluster, job, format)
            }
            Self::Watch(OneJob { cluster, job }) => submit::watch(&cluster, job),
            Self::Tasks(ListedJob { listed: Listed { cluster, format }, job }) => {
                tasks::tasks(&cluster, job, format)
            }
            Self::Counters(ListedJob { listed: Listed { cluster, format }, job }) => {
                tasks::counters(&cluster, job, format)
            }
            Self::Logs { cluster, which, follow } => tasks::logs(&cluster, which, follow),
            Self::Why(ListedJob { listed: Listed { cluster, format }, job }) => {
                why::why(&cluster, job, format)
            }
            Self::Replay(replay) => replay.run(),
            Self::Report(OneJob { cluster, job }) => report::report(&cluster, job),
            Self::Kill(OneJob { cluster, job }) => jobs::kill(&cluster, job),
            Self::Workers { verb: Some(WorkersVerb::Drain { cluster, worker }), .. } => {
                workers::drain(&cluster, worker)
            }
            Self::Workers { listed: Listed { cluster, format }, verb: None } => {
                workers::workers(&cluster, format)
            }
            Self::Masters { verb: Some(MastersVerb::Add(Listed { cluster, format })), .. } => {
                masters::add(&cluster, format)
            }
            Self::Masters { verb: Some(MastersVerb::Remove { cluster, master }), .. } => {
                masters::remove(&cluster, master)
            }
            Self::Masters { verb: Some(MastersVerb::Transfer { cluster, master }), .. } => {
                masters::transfer(&cluster, master)
            }
            Self::Masters { listed: Listed { cluster, format }, verb: None } => {
                masters::masters(&cluster, format)
            }
            Self::Verify { dir } => Ok(verify::verify(&dir)?),
            Self::Cat { dir } => Ok(cat::cat(&dir)?),
        }
    }
}
