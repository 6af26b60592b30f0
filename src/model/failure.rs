//! Describes why an attempt or a job failed, as structured data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Location;

/// Maximum bytes of each text of a failure, including the note about what was cut: far more than is ever shown.
const FAILURE_TEXT_BYTES_MAX: usize = 4 << 10;
/// Maximum lines of a failure's details, and of its log, including the note about what was cut.
const FAILURE_LINES_MAX: usize = 100;

/// Why an attempt ended without winning; [`Cause::None`] if it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nothing went wrong, or not yet.
    None,
    /// User code returned an error.
    UserError,
    /// User code panicked.
    Panic,
    /// The executor exited by itself.
    Exit,
    /// The executor died of a signal.
    Signal,
    /// The attempt went over its memory limit.
    Memory,
    /// The attempt made no progress within the task timeout.
    Timeout,
    /// Its worker was lost, and the attempt or its output with it.
    WorkerLost,
    /// A map output could not be fetched.
    FetchFailed,
    /// Another attempt at the same task won.
    BackupWon,
    /// It was stopped through no fault of its own: its job has ended, or its slot was needed.
    Killed,
    /// Its worker's disk was full, or lost data.
    Disk,
    /// Its worker could not run it: memory, processes or descriptors ran out, or the worker itself failed.
    WorkerError,
    /// The masters did not serve an artifact that it needs, or served a damaged one.
    MasterError,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::UserError,
        Self::Panic,
        Self::Exit,
        Self::Signal,
        Self::Memory,
        Self::Timeout,
        Self::WorkerLost,
        Self::FetchFailed,
        Self::BackupWon,
        Self::Killed,
        Self::Disk,
        Self::WorkerError,
        Self::MasterError,
    ];
}

impl fmt::Display for Cause {
    /// Writes the name that JSON uses too, such as `user_error`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::UserError => "user_error",
            Self::Panic => "panic",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::WorkerLost => "worker_lost",
            Self::FetchFailed => "fetch_failed",
            Self::BackupWon => "backup_won",
            Self::Killed => "killed",
            Self::Disk => "disk",
            Self::WorkerError => "worker_error",
            Self::MasterError => "master_error",
        })
    }
}

/// The subject of a failure, where its cause leaves that open.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The cause says everything, or nothing more is known.
    #[default]
    Nothing,
    /// An input is missing, or cannot be read or used.
    Input,
    /// The output cannot be written to its place, or its place is not shared by the workers.
    Output,
    /// A disk is full.
    FullDisk,
    /// Two versions are incompatible.
    Version,
    /// A map produced different output when it ran again.
    OtherOutput,
    /// The content of an input is not what the job needs, or has changed. Every attempt fails because of it, on any
    /// worker.
    BadInput,
    /// Something else exists at the output's place, so no commit can ever publish there.
    OutputTaken,
    /// The staged output is damaged, contradicts itself or has too many parts, so no commit can ever publish it.
    StagedDamaged,
    /// The commit does not find the staged output: it was removed, or its file system is not mounted there.
    StagedMissing,
}

impl About {
    /// Whether every other attempt would fail in the same way, on any worker and whatever a user changes outside the
    /// job.
    pub fn is_permanent(self) -> bool {
        match self {
            Self::BadInput | Self::OutputTaken | Self::StagedDamaged => true,
            Self::Nothing
            | Self::Input
            | Self::Output
            | Self::FullDisk
            | Self::Version
            | Self::OtherOutput
            | Self::StagedMissing => false,
        }
    }
}

/// A failure as structured data, all the way from the executor to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub cause: Cause,
    /// Its subject, where the cause does not name it.
    pub about: About,
    /// The message of user code or of the framework. Escape it before showing it.
    pub message: String,
    /// `file:line` of the user code that failed, if known.
    pub at: Option<String>,
    /// The record that was being processed, if any.
    pub record: Option<RecordRef>,
    /// Further lines, the most informative first.
    pub details: Vec<String>,
    /// The last lines that the attempt printed, escaped.
    pub log: Vec<String>,
}

impl Failure {
    /// Creates a failure with only a cause and a message.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            about: About::Nothing,
            message: message.into(),
            at: None,
            record: None,
            details: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Sets what the failure is about.
    #[must_use]
    pub fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// Cuts each text to a length that is safe to send and to store, and says how much was cut. User code can fill any
    /// of them. Cutting twice changes nothing.
    pub fn cut(&mut self) {
        cut(&mut self.message);
        self.at.iter_mut().for_each(cut);
        for texts in [&mut self.details, &mut self.log] {
            let lines = texts.len();
            if lines > FAILURE_LINES_MAX {
                texts.truncate(FAILURE_LINES_MAX - 1);
                texts.push(format!("(truncated: {lines} lines in total)"));
            }
            texts.iter_mut().for_each(cut);
        }
        if let Some(record) = &mut self.record {
            record.excerpt.truncate(FAILURE_TEXT_BYTES_MAX);
        }
    }
}

fn cut(text: &mut String) {
    let bytes = text.len();
    if bytes > FAILURE_TEXT_BYTES_MAX {
        let note = format!(" (truncated: {bytes} bytes in total)");
        text.truncate(text.floor_char_boundary(FAILURE_TEXT_BYTES_MAX - note.len()));
        text.push_str(&note);
        text.shrink_to_fit();
    }
}

/// A reference to a record of the input: its place and its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRef {
    /// The file that contains it.
    pub location: Location,
    /// Where it begins, in bytes from the start of the file (after decompression).
    pub offset: u64,
    /// Its first bytes.
    pub excerpt: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_written_alike_in_json_and_for_people() {
        for cause in Cause::ALL {
            let json = serde_json::to_string(&cause).unwrap();
            assert_eq!(json, format!("\"{cause}\""));
            assert_eq!(serde_json::from_str::<Cause>(&json).unwrap(), cause);
        }
    }

    #[test]
    fn long_texts_of_a_failure_are_cut_once() {
        let mut failure = Failure {
            at: Some("ü".repeat(5_000)),
            details: vec!["x".repeat(4_096), "y".repeat(4_097)],
            log: vec!["line".into(); 101],
            ..Failure::new(Cause::Panic, "m".repeat(70 << 20))
        };
        failure.cut();
        assert!(failure.message.ends_with("m (truncated: 73400320 bytes in total)"));
        let at = failure.at.as_deref().unwrap();
        assert!(
            at.starts_with("üü") && at.ends_with("ü (truncated: 10000 bytes in total)"),
            "{at}"
        );
        assert_eq!(failure.details[0].len(), 4_096);
        assert!(failure.details[1].ends_with("y (truncated: 4097 bytes in total)"));
        let texts = failure.details.iter().chain([&failure.message]);
        assert!(texts.map(String::len).all(|bytes| bytes <= FAILURE_TEXT_BYTES_MAX));
        assert_eq!(failure.log.len(), FAILURE_LINES_MAX);
        assert_eq!(failure.log[FAILURE_LINES_MAX - 1], "(truncated: 101 lines in total)");
        let once = failure.clone();
        failure.cut();
        assert_eq!(failure, once);
    }
}
