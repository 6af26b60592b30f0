//! Parses and checks the flags of a job, and describes the job to the process that submits it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::command::{self, Asked};
use super::flags::Flags;
use super::message::Message;
use super::{STDOUT_HINT, clash_message, exit, own, spec, stdout_failed, write_out};
use crate::frame::{self, Description};
use crate::job::Job;
use crate::model::{InputNotes, JobSpec, Location};
use crate::storage::SharedStaging;
use crate::task;

/// Writes the description of the job as one frame to standard output. If the job is repeated, its output may exist.
pub(super) fn describe<J: Job>(name: &str, args: Vec<OsString>, is_repeated: bool) -> u8 {
    let description = described::<J>(name, args, is_repeated)
        .unwrap_or_else(|Message { line, details }| Description::Refused { line, details });
    let written = frame::encode(&description).map_err(io::Error::other);
    let written =
        written.and_then(|frame| write_out(&[frame::DESCRIPTION_MARK, &frame[..]].concat()));
    written.map_or_else(|error| stdout_failed(&error, STDOUT_HINT), |()| exit::OK)
}

fn described<J: Job>(
    name: &str,
    args: Vec<OsString>,
    is_repeated: bool,
) -> Result<Description, Message> {
    clash_message::<J>()?;
    let (flags, job, invocation) = match command::read::<J>(name, args)? {
        Asked::Run { flags, job, invocation } => (flags, job, invocation),
        Asked::Text(text) => return Ok(Description::Text(text)),
    };
    flags.check(J::MAP_ONLY)?;
    let (spec, notes) = for_cluster::<J>(spec::<J>(name, &flags, &job, invocation)?, is_repeated)?;
    let spec = Box::new(spec);
    let (version, map_only) = (frame::VERSION, J::MAP_ONLY);
    Ok(Description::Job { version, spec, map_only, report: report(&flags), notes })
}

/// Returns the spec with absolute paths, and notes on its input. Refuses a job that a cluster cannot run.
fn for_cluster<J: Job>(
    mut spec: JobSpec,
    is_repeated: bool,
) -> Result<(JobSpec, InputNotes), Message> {
    if spec.inputs.iter().any(|input| input.location.is_standard_stream()) {
        return Err(Message::new(
            "a cluster cannot read standard input (`-`)\nhint: save the input to a \
             file, and name that file",
        ));
    }
    let Some(output) = &spec.output else {
        return Err(Message::new(
            "a job on a cluster needs an output folder\nhint: name one with --output DIR",
        ));
    };
    let output = Location::from(&absolute(output.path(), false)?);
    spec.output = Some(output.clone());
    spec.validate().map_err(|error| own(&error))?;
    for input in &mut spec.inputs {
        input.location = Location::from(&absolute(input.location.path(), true)?);
    }
    // The output must survive the failure of the machines that wrote it.
    spec.sync = true;
    let task::Listing { notes, .. } = task::list::<J>(&spec).map_err(|error| own(&error))?;
    let output = match is_repeated {
        true => SharedStaging::place(output.path()),
        false => SharedStaging::check(output.path(), spec.overwrite),
    };
    let output = output.map_err(|error| own(&error))?;
    // The path has no links and no `..`, so that the masters notice if two jobs would write to the same place.
    spec.output = Some(Location::from(&output));
    Ok((spec, notes))
}

/// Makes a path absolute. A pattern stays a pattern, but special characters in the working folder's name do not become
/// part of it.
fn absolute(path: &Path, may_be_pattern: bool) -> Result<PathBuf, Message> {
    let cannot =
        |error: io::Error| Message::new(format!("cannot determine the working folder: {error}"));
    if path.is_absolute() || !may_be_pattern || path.symlink_metadata().is_ok() {
        return std::path::absolute(path).map_err(cannot);
    }
    let current = std::env::current_dir().map_err(cannot)?;
    let mut bytes = Vec::new();
    for &byte in current.as_os_str().as_bytes() {
        if b"*?[{\\".contains(&byte) && is_pattern(path) {
            bytes.push(b'\\');
        }
        bytes.push(byte);
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)).join(path))
}

fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().any(|byte| b"*?[{".contains(byte))
}

/// Returns the flags that control what the submitter prints.
fn report(flags: &Flags) -> Vec<(String, String)> {
    fn name(value: &impl ValueEnum) -> String {
        value.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
    }
    let mut report = vec![
        ("progress".to_string(), name(&flags.progress)),
        ("summary".to_string(), name(&flags.summary)),
    ];
    if flags.quiet {
        report.push(("quiet".into(), "true".into()));
    }
    report
}
