//! Asks a job executable which job its arguments describe.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Error;
use crate::frame::{
    self, DESCRIBE_AGAIN_ARG, DESCRIBE_ARG, DESCRIPTION_MARK, Description, FRAME_BYTES_MAX,
    LENGTH_BYTES, VERSION,
};
use crate::model::{InputNotes, JobSpec, Location, TEXT_CHARS_MAX, escape};

/// How long an executable may take to describe its job: it only reads its flags.
pub const DESCRIBE_WITHIN: Duration = Duration::from_secs(10);
/// Maximum bytes that are read from an executable's standard output: a description, and what user code prints before
/// it.
const ANSWER_BYTES_MAX: u64 = FRAME_BYTES_MAX as u64 + (16 << 20);
/// Maximum bytes that are read from an executable's standard error, and lines of it that are shown.
const SAID_BYTES_MAX: u64 = 16 << 10;
const SAID_LINES_MAX: usize = 10;

/// An executable's answer to its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Described {
    /// The job that the arguments describe.
    Job {
        /// The executable, as an absolute path.
        executable: PathBuf,
        /// The job spec.
        spec: Box<JobSpec>,
        /// Whether it has no reduce.
        map_only: bool,
        /// Flags that control what the submitter prints, with their values.
        report: Vec<(String, String)>,
        /// Input that was skipped or reached more than once.
        notes: InputNotes,
    },
    /// A text to print, such as its help; there is nothing to run.
    Text(String),
}

/// Runs an executable, which describes the job that `arguments` specify.
///
/// # Errors
/// If it cannot be run, is not a job, takes longer than `within`, or refuses its arguments.
pub async fn describe(
    executable: &Path,
    arguments: &[OsString],
    within: Duration,
) -> Result<Described, Error> {
    ask(executable, DESCRIBE_ARG, arguments, within).await
}

/// Like [`describe`], for a job that was submitted before. Its output may exist.
///
/// # Errors
/// As [`describe`].
pub async fn describe_again(
    executable: &Path,
    arguments: &[OsString],
    within: Duration,
) -> Result<Described, Error> {
    ask(executable, DESCRIBE_AGAIN_ARG, arguments, within).await
}

async fn ask(
    executable: &Path,
    question: &str,
    arguments: &[OsString],
    within: Duration,
) -> Result<Described, Error> {
    let location = Location::from(executable);
    let unusable = |cause| Error::Executable { executable: location.clone(), cause };
    // The path must be absolute, so that a bare name means the file in the current folder rather than one on the PATH.
    let executable = executable.canonicalize().map_err(unusable)?;
    let mut child = Command::new(&executable)
        .arg(question)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(unusable)?;
    let not_a_job = |problem: String, said: &[u8]| Error::NotAJob {
        executable: location.clone(),
        problem,
        said: lines(said),
    };
    let (answer, said) = match timeout(within, listen(&mut child)).await {
        Ok(heard) => heard,
        Err(_) => {
            let problem = format!("the executable described no job within {} s", within.as_secs());
            return Err(not_a_job(problem, b""));
        }
    };
    let description = answer.map_err(|problem| not_a_job(problem, &said))?;
    match description {
        Description::Job { version, spec, map_only, report, notes } if version == VERSION => {
            Ok(Described::Job { executable, spec, map_only, report, notes })
        }
        Description::Job { version, .. } => {
            Err(Error::Version { executable: location, theirs: version, ours: VERSION })
        }
        Description::Text(text) => Ok(Described::Text(text)),
        Description::Refused { line, details } => Err(Error::Arguments { line, details }),
    }
}

/// Returns the executable's answer, or what it did instead, and its standard error.
async fn listen(child: &mut Child) -> (Result<Description, String>, Vec<u8>) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (answer, said) = tokio::join!(answer(stdout), async {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            // If it cannot be read, it is not shown.
            let _read_or_not = stderr.take(SAID_BYTES_MAX).read_to_end(&mut said).await;
        }
        said
    });
    (answer, said)
}

/// Reads the description from the executable's standard output. User code may have printed something before it.
async fn answer(stdout: Option<impl AsyncRead + Unpin>) -> Result<Description, String> {
    let Some(stdout) = stdout else { return Err("the executable has no standard output".into()) };
    let mut written = Vec::new();
    let read = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut written).await;
    read.map_err(|cause| format!("the executable's job description cannot be read: {cause}"))?;
    let other =
        |cause: frame::Error| format!("the executable's output does not describe a job: {cause}");
    // An executable of another version may write no mark. It then names its version in the frame.
    let begin = memchr::memmem::find(&written, DESCRIPTION_MARK);
    let begin = begin.map_or(0, |mark| mark + DESCRIPTION_MARK.len());
    let Some((length, message)) = written[begin..].split_first_chunk::<LENGTH_BYTES>() else {
        return Err("the executable ended without describing a job".into());
    };
    let bytes = frame::message_bytes(*length).map_err(other)?;
    let message =
        message.get(..bytes).ok_or("the executable ended in the middle of its job description")?;
    frame::decode(message).map_err(other)
}

fn lines(said: &[u8]) -> Vec<String> {
    let lines = said.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.take(SAID_LINES_MAX).map(|line| escape(line, TEXT_CHARS_MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn description_is_found_behind_what_user_code_has_printed() {
        let text = Description::Text("help".into());
        let frame = frame::encode(&text).unwrap();
        let marked = [DESCRIPTION_MARK, &frame[..]].concat();
        let printed = [&b"loading\n\0gristmill"[..], &marked].concat();
        for written in [&frame, &marked, &printed, &[&printed[..], b"bye"].concat()] {
            assert_eq!(answer(Some(&written[..])).await, Ok(text.clone()));
        }
        for cut in [&printed[..printed.len() - 1], b"loading\n", b"abc", b""] {
            assert!(answer(Some(cut)).await.is_err(), "{cut:?}");
        }
    }
}
