//! `fn main` of every job executable: reads its command line, runs the job, and says how it ended.
//!
//! Results go to standard output, everything else to standard error. However a run ends, nothing of it is left
//! behind: its folders are removed by the run itself, by the thread that hears signals, or by a later run.

mod clash;
mod command;
pub mod exit;
mod failure;
mod flags;
mod inputs;
mod interrupt;
mod message;
mod name;
mod nonce;
mod progress;
mod refusal;
mod summary;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;

pub use clash::clashes;
pub use failure::render_failure;
pub use message::Message;
pub(crate) use message::say;
#[cfg(feature = "cluster")]
pub(crate) use refusal::refusal;

use self::command::Asked;
use self::flags::Flags;
use self::interrupt::{Interrupts, interrupted};
use crate::clock::Clock;
use crate::embedded::{self, Options, Outcome, Prepared, Progress};
use crate::format::Input;
use crate::job::Job;
use crate::record::value;
use crate::scheduler::JobState;
use crate::spec::failure::TEXT_CHARS_MAX;
use crate::spec::{JobSpec, escape};
use crate::task;

/// Runs a job with the arguments of this process: what `main` of a job executable returns.
///
/// When it returns, the output is published or nothing of it is there; the exit code says which, see [`exit`].
pub fn launch<J: Job>() -> ExitCode {
    launch_from::<J>(std::env::args_os())
}

/// Runs a job with these arguments, the first of which is the name of the executable.
pub fn launch_from<J: Job>(args: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    const {
        let sources = if J::INPUTS.is_empty() { 1 } else { J::INPUTS.len() };
        assert!(
            sources == J::Input::SOURCES,
            "Job::INPUTS names each of the inputs that Job::Input reads"
        );
    }
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let name = name::job_name(args.first().map(OsString::as_os_str));
    let code = match begin::<J>(&name, args) {
        Ok(code) => code,
        Err(message) => {
            message.say();
            exit::USAGE
        }
    };
    ExitCode::from(code)
}

/// Everything up to the run; an error is one of usage.
fn begin<J: Job>(name: &str, args: Vec<OsString>) -> Result<u8, Message> {
    let clashes = clashes::<J>();
    if !clashes.is_empty() {
        let line = "the job's flags clash with those that every job has; its struct; rename the fields below";
        return Err(Message { line: line.into(), details: clashes });
    }
    let (flags, job) = match command::read::<J>(name, args)? {
        Asked::Run { flags, job } => (flags, job),
        Asked::Text(text) => return Ok(print(&text)),
    };
    flags.check(J::MAP_ONLY)?;
    let spec = spec::<J>(name, &flags, &job)?;
    let clock = Clock::system();
    let options = Options {
        threads: flags.threads(),
        scratch: flags.scratch.clone(),
        temporary: std::env::temp_dir(),
        nonce: nonce::draw(clock.wall_ms()),
    };
    let prepared = embedded::prepare::<J>(&spec, &options).map_err(|error| own(&error))?;
    run::<J>(&Run { flags, spec, options, prepared, clock })
}

/// Prints to standard output.
pub(crate) fn print(text: &str) -> u8 {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => exit::OK,
        Err(error) => stdout_failed(&error),
    }
}

/// A reader that has seen enough, as `head` has, is no failure of ours.
pub(crate) fn stdout_failed(error: &io::Error) -> u8 {
    if error.kind() == ErrorKind::BrokenPipe {
        return exit::OK;
    }
    Message::new(format!(
        "cannot write the result: {error}; standard output; name a folder with --output DIR"
    ))
    .say();
    exit::FAILED
}

/// An error of ours as a message; foreign text in it has been escaped and cut where it was put in.
fn own(error: &dyn std::error::Error) -> Message {
    Message::new(escape(error.to_string().as_bytes(), 10 * TEXT_CHARS_MAX))
}

fn spec<J: Job>(name: &str, flags: &Flags, job: &J) -> Result<JobSpec, Message> {
    let mut bytes = Vec::new();
    value::encode_into(job, &mut bytes).map_err(|error| own(&error))?;
    // Every task gets a value made from these bytes, so they must say all that the flags said.
    let mut again = Vec::new();
    let read = value::decode::<J>(&bytes).and_then(|job| value::encode_into(&job, &mut again));
    if let Err(error) = read {
        return Err(Message::new(format!(
            "the job value does not survive serialization: {error}; its struct; mend its serde attributes"
        )));
    }
    if again != bytes {
        let line =
            "the job value is another after serialization; its struct; mend its serde attributes";
        return Err(Message::new(line));
    }
    Ok(JobSpec {
        name: name.into(),
        inputs: inputs::inputs(J::INPUTS, &flags.input)?,
        output: flags.output_folder().map(Into::into),
        overwrite: flags.overwrite,
        reducers: flags.reducers,
        split_bytes: flags.split_size,
        memory_bytes: flags.memory,
        max_bad_records: flags.max_bad_records,
        sync: flags.sync,
        job: bytes,
    })
}

/// A run that can begin.
struct Run {
    flags: Flags,
    spec: JobSpec,
    options: Options,
    prepared: Prepared,
    clock: Clock,
}

fn run<J: Job>(run: &Run) -> Result<u8, Message> {
    let Run { flags, spec, options, prepared, clock } = run;
    let progress = Arc::new(Progress::default());
    let interrupts = Interrupts::listen(progress.clone());
    interrupts.remove([prepared.staging.cleanup(), prepared.scratch.cleanup()]);
    let started = clock.now();
    let (ended, end) = channel::<()>();
    let outcome = std::thread::scope(|scope| {
        if let Some(style) = progress::style(flags.progress, flags.quiet) {
            let progress = &*progress;
            scope.spawn(move || progress::show(style, progress, clock, &end));
        }
        let outcome =
            embedded::run::<J>(spec, prepared, options, &progress, clock, interrupts.stop());
        drop(ended);
        outcome
    });
    let outcome = outcome.map_err(|error| own(&error))?;
    match outcome.state {
        JobState::Succeeded => {}
        JobState::Cancelled => {
            interrupted(false).say();
            return Ok(exit::INTERRUPTED);
        }
        _ => return Ok(failed(run, &outcome)),
    }
    interrupts.at_once();
    if spec.output.is_none() {
        let written =
            task::write_to_stdout(&prepared.staging, &outcome.parts, &mut io::stdout().lock());
        if let Err(error) = written {
            return Ok(stdout_failed(&error));
        }
    }
    if !flags.quiet {
        let elapsed = clock.now().saturating_duration_since(started);
        say(&summary::render(flags.summary, spec, prepared, &outcome, &progress, elapsed));
    }
    Ok(exit::OK)
}

fn failed(run: &Run, outcome: &Outcome) -> u8 {
    match &outcome.failure {
        Some((attempt, failure)) => {
            render_failure(*attempt, failure, run.spec.max_bad_records).say();
        }
        None => Message::new(
            "the job failed, and nothing says why; this is a fault of gristmill; report it",
        )
        .say(),
    }
    exit::FAILED
}
