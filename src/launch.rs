//! `fn main` of every job executable.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::{Args, Parser};

use crate::clock::Clock;
use crate::embedded::{self, Options, Progress};
use crate::job::Job;
use crate::spec::{InputSpec, JobSpec, Location, Nonce, size};

/// Flags of a run.
#[derive(Debug, Args)]
struct RunFlags {
    /// Files.
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// Folder.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Overwrite.
    #[arg(long)]
    overwrite: bool,
    /// Parts.
    #[arg(short, long)]
    reducers: Option<u32>,
    /// Bytes.
    #[arg(long)]
    split_size: Option<String>,
    /// Memory.
    #[arg(long, default_value = "1GiB")]
    memory: String,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Bad.
    #[arg(long, default_value_t = 0)]
    max_bad_records: u64,
}

#[derive(Parser)]
struct Flags<J: Args> {
    #[command(flatten)]
    run: RunFlags,
    #[command(flatten)]
    job: J,
}

/// Runs a job.
pub fn launch<J: Job>() -> ExitCode {
    let flags = Flags::<J>::parse();
    let run = flags.run;
    let mut job = Vec::new();
    if let Err(error) = crate::record::value::encode_into(&flags.job, &mut job) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let spec = JobSpec {
        name: "job".into(),
        inputs: run
            .input
            .iter()
            .map(|path| InputSpec { source: 0, location: Location::from(path) })
            .collect(),
        output: run.output.as_ref().map(Location::from),
        overwrite: run.overwrite,
        reducers: run.reducers,
        split_bytes: run.split_size.map(|text| size::parse(&text).unwrap_or(1 << 20)),
        memory_bytes: size::parse(&run.memory).unwrap_or(1 << 30),
        max_bad_records: run.max_bad_records,
        sync: false,
        job,
    };
    let options = Options {
        threads: run.threads,
        scratch: None,
        temporary: std::env::temp_dir(),
        nonce: Nonce(u128::from(std::process::id())),
    };
    let prepared = match embedded::prepare::<J>(&spec, &options) {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let stop = AtomicBool::new(false);
    match embedded::run::<J>(
        &spec,
        &prepared,
        &options,
        &Progress::default(),
        &Clock::system(),
        &stop,
    ) {
        Ok(outcome) => {
            if spec.output.is_none() && outcome.failure.is_none() {
                let written = crate::task::write_to_stdout(
                    &prepared.staging,
                    &outcome.parts,
                    &mut std::io::stdout().lock(),
                );
                if let Err(error) = written {
                    eprintln!("error: {error}");
                }
            }
            eprintln!(
                "{:?} {:?} {:?} {:?}",
                outcome.state, outcome.failure, outcome.phases, outcome.collected
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
