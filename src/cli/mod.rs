//! The `gristmill` command: starts clusters, submits jobs, shows their state, and prints and verifies outputs.

mod cat;
mod cluster;
mod completions;
mod daemon;
mod dev;
mod duration;
pub mod exit;
mod help;
mod jobs;
mod joining;
mod logs;
mod master;
mod masters;
mod progress;
mod refused;
mod replay;
mod report;
mod submit;
mod table;
mod tasks;
mod terminal;
mod verify;
mod why;
mod worker;
mod workers;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use self::cluster::Cluster;
use self::logs::Which;
use self::refused::Refused;
use self::table::Format;
use crate::launch::{Message, Typed, print, refusal, say, survive_file_size_limit};
use crate::model::{JobId, MasterId, WorkerId};

/// Run MapReduce jobs on a cluster
#[derive(Debug, Parser)]
#[command(name = "gristmill", version, after_help = help::GRISTMILL)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a whole cluster on this machine, in child processes that end with this command
    #[command(after_help = help::DEV)]
    Dev(dev::Dev),
    /// Start a master, which accepts jobs and assigns tasks
    #[command(after_help = help::MASTER)]
    Master(master::Master),
    /// Start a worker, which runs tasks
    #[command(after_help = help::WORKER)]
    Worker(worker::Worker),
    /// Submit a job and follow it; Ctrl-C leaves it running, a second Ctrl-C kills it
    #[command(after_help = help::SUBMIT)]
    Submit(submit::Submit),
    /// List all jobs, the newest first
    #[command(after_help = help::JOBS)]
    Jobs(Listed),
    /// Show the state of a job
    #[command(after_help = help::STATUS)]
    Status(ListedJob),
    /// Follow a job until it ends
    #[command(after_help = help::WATCH)]
    Watch(submit::Watch),
    /// List a job's tasks and attempts
    #[command(after_help = help::TASKS)]
    Tasks(ListedJob),
    /// List the counters of a job: records, groups, attempts, and those of its own code
    #[command(after_help = help::COUNTERS)]
    Counters(ListedJob),
    /// Print what a job's code has printed, from the last attempt of each task
    #[command(after_help = logs::AFTER_HELP)]
    Logs {
        #[command(flatten)]
        cluster: Cluster,
        /// A job, a task or an attempt: j7, j7/m12 or j7/m12#2
        #[arg(value_name = "JOB[/TASK[#N]]", value_parser = Which::parse)]
        which: Which,
        /// Keep printing new output until the job ends
        #[arg(short, long)]
        follow: bool,
    },
    /// Explain why a job failed and what to do, or what it waits for
    #[command(after_help = why::AFTER_HELP)]
    Why(ListedJob),
    /// Run a task again in this terminal, with the same input, executable and arguments
    #[command(after_help = replay::AFTER_HELP)]
    Replay(replay::Replay),
    /// Write a report of a job as one HTML page
    #[command(after_help = report::AFTER_HELP)]
    Report(OneJob),
    /// Cancel a running or waiting job
    #[command(after_help = help::KILL)]
    Kill(OneJob),
    /// List workers, or drain one
    #[command(args_conflicts_with_subcommands = true, after_help = help::WORKERS)]
    Workers {
        #[command(flatten)]
        listed: Listed,
        /// Also list workers that were lost or left more than 10 minutes ago
        #[arg(long)]
        all: bool,
        #[command(subcommand)]
        verb: Option<WorkersVerb>,
    },
    /// List masters, or add, remove or promote one
    #[command(args_conflicts_with_subcommands = true, after_help = help::MASTERS)]
    Masters {
        #[command(flatten)]
        listed: Listed,
        #[command(subcommand)]
        verb: Option<MastersVerb>,
    },
    /// Verify an output: the size and checksum of every part, no missing and no extra files
    #[command(after_help = help::VERIFY)]
    Verify {
        /// Folder of the output
        dir: PathBuf,
    },
    /// Print the parts of an output in order, decompressed
    #[command(after_help = help::CAT)]
    Cat {
        /// Folder of the output
        dir: PathBuf,
    },
    /// Print a shell completion script
    #[command(after_help = completions::AFTER_HELP)]
    Completions {
        /// The shell: bash, zsh, fish, elvish or powershell
        #[arg(value_enum, hide_possible_values = true)]
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum WorkersVerb {
    /// Give a worker no new attempts, and let it leave when no job needs its map outputs
    #[command(after_help = help::DRAIN)]
    Drain {
        #[command(flatten)]
        cluster: Cluster,
        /// The worker, such as w4
        worker: WorkerId,
    },
}

#[derive(Debug, Subcommand)]
enum MastersVerb {
    /// Print the command that starts another master
    #[command(after_help = help::ADD)]
    Add(Listed),
    /// Remove a master, running or not; its process ends, and its number is not used again
    #[command(after_help = help::REMOVE)]
    Remove {
        #[command(flatten)]
        cluster: Cluster,
        /// The master, such as m2
        master: MasterId,
    },
    /// Make a master the leader
    #[command(after_help = help::TRANSFER)]
    Transfer {
        #[command(flatten)]
        cluster: Cluster,
        /// The master, such as m2
        master: MasterId,
    },
}

/// Arguments of commands that list something.
#[derive(Debug, Args)]
struct Listed {
    #[command(flatten)]
    cluster: Cluster,
    /// Output format: table or json
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value = "table",
        hide_possible_values = true
    )]
    format: Format,
}

/// Arguments of commands that list something of one job.
#[derive(Debug, Args)]
struct ListedJob {
    #[command(flatten)]
    listed: Listed,
    /// The job, such as j7
    job: JobId,
}

/// Arguments of commands about one job.
#[derive(Debug, Args)]
struct OneJob {
    #[command(flatten)]
    cluster: Cluster,
    /// The job, such as j7
    job: JobId,
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    survive_file_size_limit();
    let done = match Command::try_parse() {
        Ok(Command { verb }) => verb.run(),
        // Without a command, the help is the best answer.
        Err(text) if text.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say(&text.to_string());
            Ok(exit::USAGE)
        }
        Err(text) if !text.use_stderr() => Ok(print(&text.to_string())),
        Err(error) => Err(refused(&error).into()),
    };
    ExitCode::from(done.unwrap_or_else(Refused::say))
}

/// Returns the message about a wrong command line, based on the flags and the help of its command.
fn refused(error: &clap::Error) -> Message {
    let args: Vec<OsString> = std::env::args_os().collect();
    let whole = Command::command();
    let verb = args.get(1).and_then(|verb| whole.find_subcommand(verb));
    let name = verb.map_or("gristmill".into(), |verb| format!("gristmill {}", verb.get_name()));
    refusal(&Typed { name: &name, command: verb.unwrap_or(&whole), args: &args }, error)
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
            Self::Watch(watch) => watch.run(),
            Self::Tasks(ListedJob { listed: Listed { cluster, format }, job }) => {
                tasks::tasks(&cluster, job, format)
            }
            Self::Counters(ListedJob { listed: Listed { cluster, format }, job }) => {
                tasks::counters(&cluster, job, format)
            }
            Self::Logs { cluster, which, follow } => logs::logs(&cluster, which, follow),
            Self::Why(ListedJob { listed: Listed { cluster, format }, job }) => {
                why::why(&cluster, job, format)
            }
            Self::Replay(replay) => replay.run(),
            Self::Report(OneJob { cluster, job }) => report::report(&cluster, job),
            Self::Kill(OneJob { cluster, job }) => jobs::kill(&cluster, job),
            Self::Workers { verb: Some(WorkersVerb::Drain { cluster, worker }), .. } => {
                workers::drain(&cluster, worker)
            }
            Self::Workers { listed: Listed { cluster, format }, all, verb: None } => {
                workers::workers(&cluster, format, all)
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
            Self::Completions { shell } => Ok(completions::completions(shell, Command::command())),
        }
    }
}
