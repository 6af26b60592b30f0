//! Says what job a command line asks for, to whoever submits it: flags are read, and what can be refused is, here.

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
use crate::spec::{JobSpec, Location};
use crate::storage::SharedStaging;
use crate::task;

/// Writes the description of the job as one frame to standard output.
pub(super) fn describe<J: Job>(name: &str, args: Vec<OsString>) -> u8 {
    let description = described::<J>(name, args)
        .unwrap_or_else(|Message { line, details }| Description::Refused { line, details });
    let written = frame::encode(&description).map_err(io::Error::other);
    let written =
        written.and_then(|frame| write_out(&[frame::DESCRIPTION_MARK, &frame[..]].concat()));
    written.map_or_else(|error| stdout_failed(&error, STDOUT_HINT), |()| exit::OK)
}

fn described<J: Job>(name: &str, args: Vec<OsString>) -> Result<Description, Message> {
    clash_message::<J>()?;
    let (flags, job) = match command::read::<J>(name, args)? {
        Asked::Run { flags, job } => (flags, job),
        Asked::Text(text) => return Ok(Description::Text(text)),
    };
    flags.check(J::MAP_ONLY)?;
    let spec = for_cluster(spec::<J>(name, &flags, &job)?)?;
    let spec = Box::new(spec);
    let (version, map_only) = (frame::VERSION, J::MAP_ONLY);
    Ok(Description::Job { version, spec, map_only, report: report(&flags) })
}

/// The spec with paths that mean the same wherever they are read; refused when it cannot be run by a cluster.
fn for_cluster(mut spec: JobSpec) -> Result<JobSpec, Message> {
    if spec.inputs.iter().any(|input| input.location.is_standard_stream()) {
        return Err(Message::new(
            "standard input (-) cannot be read by a cluster; command line; write it to a file, and name that",
        ));
    }
    let Some(output) = &spec.output else {
        return Err(Message::new(
            "a cluster writes to a folder, and none is named; command line; name one with --output DIR",
        ));
    };
    let output = Location::from(&absolute(output.path(), false)?);
    spec.validate().map_err(|error| own(&error))?;
    for input in &mut spec.inputs {
        input.location = Location::from(&absolute(input.location.path(), true)?);
    }
    spec.output = Some(output.clone());
    // Parts outlive the machines that make them.
    spec.sync = true;
    task::list(&spec).map_err(|error| own(&error))?;
    SharedStaging::check(output.path(), spec.overwrite).map_err(|error| own(&error))?;
    Ok(spec)
}

/// The path from the root on. A pattern stays one, and the current folder's name does not become part of it.
fn absolute(path: &Path, may_be_pattern: bool) -> Result<PathBuf, Message> {
    let cannot =
        |error: io::Error| Message::new(format!("cannot tell the current folder: {error}"));
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

/// The flags that say how the submitter is to report.
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
