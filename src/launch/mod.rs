//! `fn main` of every job executable: parses its command line, runs the job, and reports how it ended.
//!
//! Results go to standard output, everything else to standard error. No matter how a run ends, its temporary
//! folders are removed: by its own process, or by the next run with the same output or scratch folder.

mod clash;
mod command;
mod describe;
mod ending;
pub mod exit;
mod failure;
mod flags;
mod foreign;
mod inputs;
mod interrupt;
mod message;
mod name;
mod progress;
mod refusal;
mod standard;
mod status;
mod summary;
mod terminal;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

pub use clash::clashes;
pub use failure::render_failure;
#[cfg(feature = "cluster")]
pub(crate) use flags::{When as Showing, whole};
pub(crate) use foreign::Foreign;
pub use message::Message;
pub(crate) use message::say;
#[cfg(feature = "cluster")]
pub(crate) use message::{count, span};
#[cfg(all(test, feature = "cluster"))]
pub(crate) use refusal::SUBMIT_FLAGS;
#[cfg(feature = "cluster")]
pub(crate) use refusal::{Typed, refusal};
pub(crate) use standard::check_output;
#[cfg(feature = "cluster")]
pub(crate) use summary::notes_json;
#[cfg(feature = "cluster")]
pub(crate) use terminal::{is_dumb, size};

use self::command::Asked;
use self::ending::{Watch, When};
use self::flags::Flags;
pub(crate) use self::interrupt::survive_file_size_limit;
use self::interrupt::{Interrupts, interrupted};
use self::status::umask;
use self::summary::Times;
use crate::clock::Clock;
use crate::embedded::{self, Options, Outcome, Prepared, Progress};
use crate::executor;
use crate::format::Input;
use crate::frame::{DESCRIBE_AGAIN_ARG, DESCRIBE_ARG, EXECUTOR_ARG};
use crate::job::{By, Job, Partition, named_by, says_the_same};
use crate::model::{Invocation, JobSpec, JobState, escape_message};
use crate::record::{Key, Misfit, SERDE_HINT, probe};
use crate::{storage, task};

/// Runs a job with the arguments of this process, and returns the exit code for `main` of a job executable.
///
/// When this function returns, the output is published completely or not at all. The exit code tells which; see
/// [`exit`].
pub fn launch<J: Job>() -> ExitCode {
    launch_from::<J>(std::env::args_os())
}

/// Runs a job with these arguments, like [`launch`]. The first argument is the name of the executable.
pub fn launch_from<J: Job>(args: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    const {
        let sources = if J::INPUTS.is_empty() { 1 } else { J::INPUTS.len() };
        assert!(
            sources == J::Input::SOURCES,
            "Job::INPUTS must name each input that Job::Input reads"
        );
    }
    survive_file_size_limit();
    let mut args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let name = name::job_name(args.first().map(OsString::as_os_str));
    let begun = match args.get(1) {
        Some(arg) if arg == EXECUTOR_ARG && args.len() == 2 => execute::<J>(),
        Some(arg) if arg == DESCRIBE_ARG || arg == DESCRIBE_AGAIN_ARG => {
            let is_repeated = args.remove(1) == DESCRIBE_AGAIN_ARG;
            Ok(describe::describe::<J>(&name, args, is_repeated))
        }
        _ => begin::<J>(&name, args),
    };
    let code = match begun {
        Ok(code) => code,
        Err(message) => {
            message.say();
            exit::USAGE
        }
    };
    ExitCode::from(code)
}

/// Prepares the run. Errors here are usage errors.
fn begin<J: Job>(name: &str, args: Vec<OsString>) -> Result<u8, Message> {
    clash_message::<J>()?;
    let (flags, job, invocation) = match command::read::<J>(name, args)? {
        Asked::Run { flags, job, invocation } => (flags, job, invocation),
        Asked::Text(text) => return Ok(print(&text)),
    };
    flags.check(J::MAP_ONLY)?;
    let progress = Arc::new(Progress::default());
    // The job's code runs from here on: the job value is written, read and dropped.
    let watch =
        ending::watch(flags.memory_bytes(), flags.output_folder().is_none(), progress.clone());
    let spec = spec::<J>(name, &flags, &job, invocation)?;
    drop(job);
    check_standard_streams(&spec)?;
    let clock = Clock::system();
    let options = Options {
        threads: flags.threads(),
        scratch: flags.scratch.clone(),
        temporary: std::env::temp_dir(),
        nonce: storage::draw_nonce(),
    };
    let started = clock.now();
    let prepared = embedded::prepare::<J>(&spec, &options).map_err(|error| own(&error))?;
    let listing = clock.now().saturating_duration_since(started);
    run::<J>(&Run { flags, spec, options, prepared, clock, started, listing }, progress, watch)
}

/// Serves a worker until the worker closes the socket.
fn execute<J: Job>() -> Result<u8, Message> {
    executor::start().and_then(executor::serve::<J>).map_err(|error| own(&error))?;
    Ok(exit::OK)
}

/// Refuses a job with clashing flags.
fn clash_message<J: Job>() -> Result<(), Message> {
    let clashes = clashes::<J>();
    if clashes.is_empty() {
        return Ok(());
    }
    let line = "the job's flags are not valid\nhint: fix the problems below";
    Err(Message { line: line.into(), details: clashes })
}

/// Refuses a run that needs an unusable standard stream: its result or input would be lost.
fn check_standard_streams(spec: &JobSpec) -> Result<(), Message> {
    if spec.inputs.iter().any(|input| input.location.is_standard_stream()) {
        standard::check_input().map_err(|why| {
            Message::new(format!(
                "cannot read standard input (`-`): {why}\nhint: redirect a file or a \
                 pipe to it, or name a file"
            ))
        })?;
    }
    if spec.output.is_none() {
        check_output().map_err(|why| {
            Message::new(format!(
                "cannot write the result to standard output: {why}\nhint: redirect it to a file or a pipe, or name a folder with --output DIR"
            ))
        })?;
    }
    Ok(())
}

/// Prints to standard output.
pub(crate) fn print(text: &str) -> u8 {
    match write_out(text.as_bytes()) {
        Ok(()) => exit::OK,
        Err(error) => stdout_failed(&error, STDOUT_HINT),
    }
}

/// Prints a line about a daemon's state. Failures to write are ignored, so that the daemon keeps running.
#[cfg(feature = "cluster")]
pub(crate) fn announce(text: &str) {
    let _arrived_or_not = write_out(text.as_bytes());
}

/// Writes all bytes to standard output.
pub(crate) fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = standard::output()?;
    out.write_all(bytes)?;
    // The library would write the text after the last line break only at exit, and ignore errors then.
    out.flush()
}

/// Hint for a standard output that cannot be written to.
pub(crate) const STDOUT_HINT: &str =
    "redirect standard output to a file with free space, or to a pipe";

/// Reports that standard output cannot be written to, and returns the exit code. If the reader has closed the pipe, as
/// `head` does when it has read enough, that is not a failure.
pub(crate) fn stdout_failed(error: &io::Error, hint: &str) -> u8 {
    if error.kind() == ErrorKind::BrokenPipe {
        return exit::OK;
    }
    Message::new(format!("cannot write the result to standard output: {error}\nhint: {hint}"))
        .say();
    exit::FAILED
}

/// Turns one of our own errors into a message. Foreign text in it was escaped and cut when it was inserted.
fn own(error: &dyn std::error::Error) -> Message {
    Message::new(escape_message(&error.to_string()))
}

/// Refuses, before any work, a job whose types cannot be read back from bytes.
fn check_types<J: Job>() -> Result<(), Message> {
    fn look(what: &str, probe: fn() -> Result<(), Misfit>) -> Result<(), Message> {
        // A panic on made-up data does not prove that the type cannot be read back.
        match task::guard(|| Ok(probe())) {
            Ok(Err(misfit)) => Err(Message::new(format!("the job's {what} type {misfit}"))),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
    look("own", J::probe)?;
    if J::MAP_ONLY {
        return Ok(());
    }
    look("`Key`", <J::Key<'static> as Key<'static>>::probe)?;
    look("`Value`", probe::probe::<J::Value<'static>>)
}

fn spec<J: Job>(
    name: &str,
    flags: &Flags,
    job: &J,
    invocation: Invocation,
) -> Result<JobSpec, Message> {
    check_types::<J>()?;
    let (bytes, side_files) = named_by(|| job.to_bytes());
    let bytes = bytes.map_err(|error| own(&error))?;
    // Each task rebuilds the job value from these bytes, so they must hold everything.
    let again = J::from_bytes(&bytes).and_then(|job| job.to_bytes()).map_err(|error| {
        Message::new(format!(
            "the values of the job's flags cannot be read back after they were written: \
             {error}: {}\nhint: {SERDE_HINT}",
            std::any::type_name::<J>()
        ))
    })?;
    if !says_the_same(&again, &bytes) {
        return Err(Message::new(format!(
            "the values of the job's flags change when they are written and read back: \
             {}\nhint: {SERDE_HINT}",
            std::any::type_name::<J>()
        )));
    }
    Ok(JobSpec {
        name: name.into(),
        inputs: inputs::inputs(J::INPUTS, &flags.input)?,
        output: flags.output_folder().map(Into::into),
        overwrite: flags.overwrite,
        reducers: flags.reducers,
        split_bytes: flags.split_size,
        memory_bytes: flags.memory_bytes(),
        memory_is_given: flags.memory.is_some(),
        max_bad_records: flags.max_bad_records,
        umask: umask(),
        sync: flags.sync,
        side_files,
        job: bytes,
        invocation,
    })
}

/// A run that is ready to start.
struct Run {
    flags: Flags,
    spec: JobSpec,
    options: Options,
    prepared: Prepared,
    clock: Clock,
    started: Instant,
    /// Time spent on listing the input and creating the folders.
    listing: Duration,
}

fn run<J: Job>(run: &Run, progress: Arc<Progress>, watch: Watch) -> Result<u8, Message> {
    let Run { flags, spec, options, prepared, clock, started, listing } = run;
    let interrupts = Interrupts::listen(progress.clone(), spec.output.is_none());
    interrupts.remove([prepared.staging.cleanup(), prepared.scratch.cleanup()]);
    watch.covers([prepared.staging.cleanup(), prepared.scratch.cleanup()]);
    let results = standard::set_output_aside().map_err(|error| {
        let hint = storage::hint(&error);
        Message::new(format!(
            "cannot reserve standard output for the result: {error}\nhint: {hint}"
        ))
    })?;
    let (ended, end) = channel::<()>();
    let outcome = std::thread::scope(|scope| {
        if let Some(style) = progress::style(flags.progress, flags.quiet, flags.summary) {
            let (progress, drawn) = (&*progress, interrupts.drawn());
            scope.spawn(move || progress::show(style, progress, clock, drawn, &end));
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
            interrupted(When::Running).say();
            return Ok(exit::INTERRUPTED);
        }
        _ => return Ok(failed(run, &outcome)),
    }
    let is_wanted = interrupts.at_once();
    if spec.output.is_none() {
        if !is_wanted {
            interrupted(When::Running).say();
            return Ok(exit::INTERRUPTED);
        }
        let mut out = Foreign::aside(results);
        let written = task::write_to_stdout(&prepared.staging, &outcome.parts, &mut out)
            .and_then(|()| out.end());
        if let Err(error) = written {
            return Ok(stdout_failed(&error, "name a folder with --output DIR"));
        }
    }
    if !flags.quiet {
        let times =
            Times { listing: *listing, whole: clock.now().saturating_duration_since(*started) };
        let by = J::from_bytes(&spec.job).map_or(By::Hash, |job| by(&job.partitioner()));
        say(&summary::render(flags.summary, spec, prepared, &outcome, &progress, (by, times)));
    }
    // Until here, threads of the job may still run and end the process.
    drop(watch);
    Ok(exit::OK)
}

/// Returns how a partitioner works. It takes a value, because the partitioner's type has no name here.
fn by<J: Job, P: Partition<J>>(_: &P) -> By {
    P::BY
}

fn failed(run: &Run, outcome: &Outcome) -> u8 {
    match &outcome.failure {
        Some((attempt, failure)) => {
            render_failure(*attempt, failure, run.spec.max_bad_records).say();
        }
        None => Message::new(
            "the job failed, but no reason was recorded\nhint: this is a bug in gristmill; report it",
        )
        .say(),
    }
    exit::FAILED
}
