//! The command line of a job: adds the job's own flags to those that every job has, and parses them all.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};

use super::flags::{Flags, ours};
use super::message::Message;
use super::refusal::{Typed, refusal};
use crate::format::Input;
use crate::job::Job;
use crate::model::{Invocation, TEXT_CHARS_MAX, escape};
use crate::record::hash::hash;

/// Text below the flags, before the examples.
const AFTER_HELP: &str = "\
Results go to standard output, or to DIR, which must be new or empty. DIR gets
all results or none. Everything else goes to standard error. Sizes have units,
such as 256MiB or 1GB. Jobs with more bad records than --max-bad-records fail.
Exit codes: 0 success, 1 job failed, 2 wrong usage or input, 130 interrupted.";

/// Maximum number of the job's flags that are shown.
const FLAGS_SHOWN_MAX: usize = 100;

/// What a command line asks for.
pub(super) enum Asked<J> {
    /// A run of the job.
    Run {
        /// Our flags.
        flags: Flags,
        /// The job's own flags, as the job value.
        job: J,
        /// The command line as people read it.
        invocation: Invocation,
    },
    /// The help or version text, for standard output.
    Text(String),
}

/// Parses a command line; `args` begins with the executable.
pub(super) fn read<J: Job>(
    name: &str,
    args: impl IntoIterator<Item = OsString>,
) -> Result<Asked<J>, Message> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = command::<J>(name);
    let read = command.try_get_matches_from_mut(&args);
    let refused =
        |error: clap::Error| refusal(&Typed { name, command: &command, args: &args }, &error);
    let matches = match read {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Asked::Text(error.to_string())),
        Err(error) if error.kind() == ErrorKind::InvalidUtf8 => return Err(no_text(&args)),
        Err(error) => return Err(refused(error)),
    };
    let flags = Flags::from_arg_matches(&matches).map_err(refused)?;
    let job = J::from_flags(&matches).map_err(refused)?;
    let invocation = Invocation {
        executable: args.first().map(|path| file_name(path)).unwrap_or_default(),
        flags: own_flags(&own::<J>(), &matches),
        typed: typed(&own::<J>(), &matches),
    };
    Ok(Asked::Run { flags, job, invocation })
}

fn file_name(executable: &OsStr) -> String {
    let name = Path::new(executable).file_name().unwrap_or(executable);
    escape(name.as_encoded_bytes(), TEXT_CHARS_MAX)
}

/// Returns the job's own flags with their values, as people read them, except flags that are hidden from the help.
fn own_flags(own: &Command, matches: &ArgMatches) -> Vec<(String, String)> {
    let shown = own.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| {
        let id = arg.get_id().as_str();
        let values = matches.try_get_raw(id).ok()??;
        let values: Vec<_> = values.map(|value| value.to_string_lossy().into_owned()).collect();
        let note = match matches.value_source(id) {
            Some(ValueSource::DefaultValue) => " (default)",
            _ => "",
        };
        let name = match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => id.to_string(),
        };
        let value = escape(values.join(", ").as_bytes(), TEXT_CHARS_MAX);
        Some((escape(name.as_bytes(), TEXT_CHARS_MAX), format!("{value}{note}")))
    });
    shown.take(FLAGS_SHOWN_MAX).collect()
}

/// Returns a hash of the values of all the job's own flags.
fn typed(own: &Command, matches: &ArgMatches) -> u64 {
    let mut typed = Vec::new();
    for arg in own.get_arguments() {
        let id = arg.get_id().as_str();
        let values = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
        for value in [OsStr::new(id)].into_iter().chain(values) {
            typed.extend((value.len() as u64).to_le_bytes());
            typed.extend(value.as_encoded_bytes());
        }
    }
    hash(&typed)
}

/// Returns the error that names all arguments that are not UTF-8. The parser does not tell which one it refused, so the
/// list may include paths, which may contain any bytes.
fn no_text(args: &[OsString]) -> Message {
    let args = args.iter().skip(1).filter(|arg| arg.to_str().is_none());
    let shown: Vec<String> =
        args.map(|arg| format!("`{}`", escape(arg.as_encoded_bytes(), TEXT_CHARS_MAX))).collect();
    Message::new(format!(
        "cannot use an argument that is not UTF-8: {}\nhint: only paths may contain other bytes",
        shown.join(", ")
    ))
}

/// Builds the whole command. Requires that no flags clash.
fn command<J: Job>(name: &str) -> Command {
    let about = own::<J>().get_about().cloned();
    let mut command = ours();
    if J::MAP_ONLY {
        command = command.mut_arg("reducers", |arg| arg.hide(true));
    }
    let mut example = "in.txt".to_string();
    if J::Input::SOURCES > 1 {
        let each: Vec<String> = J::INPUTS.iter().map(|name| format!("{name}=PATH")).collect();
        example = each.join(" ");
        let help = format!("{}: files, folders or globs", each.join(" and "));
        command = command.mut_arg("input", |arg| arg.value_name("NAME=PATH").help(help));
    }
    command = J::with_flags(command.next_help_heading(format!("Options of {name}")));
    let version = format!("(gristmill {})", env!("CARGO_PKG_VERSION"));
    let after = format!(
        "{AFTER_HELP}\n\nHere:         ./{name} {example} -o out\nOn a cluster: gristmill submit ./{name} {example} -o out"
    );
    command = command.after_help(after);
    command.name(name.to_string()).version(version).about(about.unwrap_or_default())
}

/// Builds the command with the job's own flags only.
pub(super) fn own<J: Job>() -> Command {
    J::with_flags(Command::new("job"))
}
