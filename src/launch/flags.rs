//! The flags that every job has.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Args, Command, ValueEnum};

use super::message::Message;
use crate::model::job::{MEMORY_BYTES, REDUCERS, SPLIT_BYTES};
use crate::model::{Error, TEXT_CHARS_MAX, escape, size, split_hint};

/// Maximum number of threads of one run: more would only wait for each other.
const THREADS_MAX: u64 = 1024;

/// Options of a run, beside the job's own flags. Each field is one flag.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// Files, folders, globs, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub(super) input: Vec<PathBuf>,

    /// Output folder; without one or -: standard output
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// Replace an old output once the new one is complete
    #[arg(long, help_heading = "Output")]
    pub(super) overwrite: bool,
    /// Number of parts [default: from the input's size]
    #[arg(short, long, value_name = "N", value_parser = reducers, allow_hyphen_values = true, help_heading = "Output")]
    pub(super) reducers: Option<u32>,
    /// Publish only after flushing to disk (fsync)
    #[arg(long, help_heading = "Output")]
    pub(super) sync: bool,
    /// Bad records to set aside in DIR/_bad
    #[arg(long, value_name = "N", default_value = "0", value_parser = max_bad_records, allow_hyphen_values = true, help_heading = "Output")]
    pub(super) max_bad_records: u64,

    /// Memory for all buffers together [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = memory, allow_hyphen_values = true, help_heading = "Resources")]
    pub(super) memory: Option<u64>,
    /// Tasks that run at once [default: number of cores]
    #[arg(long, value_name = "N", value_parser = threads, allow_hyphen_values = true, help_heading = "Resources")]
    pub(super) threads: Option<u32>,
    /// Input per map task [default: from the input's size]
    #[arg(long, value_name = "SIZE", value_parser = split_size, allow_hyphen_values = true, help_heading = "Resources")]
    pub(super) split_size: Option<u64>,
    /// Folder for spills [default: beside DIR or in TMPDIR]
    #[arg(long, value_name = "DIR", help_heading = "Resources")]
    pub(super) scratch: Option<PathBuf>,

    /// Progress: auto, always, never or hadoop
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto", hide_possible_values = true, help_heading = SAID, help = "Progress: auto, always, never or hadoop")]
    pub(super) progress: When,
    /// Print errors only: no progress, summary or notes
    #[arg(short, long, conflicts_with_all = ["progress", "summary"], help_heading = SAID)]
    pub(super) quiet: bool,
    /// Closing summary: text or json
    #[arg(long, value_name = "FORM", value_enum, default_value = "text", hide_possible_values = true, help_heading = SAID)]
    pub(super) summary: Form,
}

/// Memory for all buffers, in bytes, unless `--memory` is given.
const MEMORY_BYTES_DEFAULT: u64 = 1 << 30;

/// Heading of the flags that control standard error.
const SAID: &str = "Output on standard error";

/// Builds the command with our flags only.
pub(super) fn ours() -> Command {
    let said =
        |name, action, help| Arg::new(name).long(name).action(action).help(help).help_heading(SAID);
    let command = Command::new("job").disable_help_flag(true).disable_version_flag(true);
    Flags::augment_args(command)
        .arg(said("help", ArgAction::HelpShort, "Print this help").short('h'))
        .arg(said("version", ArgAction::Version, "Print the version").short('V'))
}

/// When and how progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// One redrawn line on a terminal, plain lines elsewhere; nothing for very short runs or if a program reads the
    /// summary.
    Auto,
    /// The redrawn line, from the start, even without a terminal.
    Always,
    /// No progress.
    Never,
    /// Hadoop's format, ` map 83% reduce 0%`: one line per change, for programs that parse it.
    Hadoop,
}

/// Format of the closing summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

impl Flags {
    /// Refuses flags that contradict each other or do not fit the kind of job.
    pub(super) fn check(&self, map_only: bool) -> Result<(), Message> {
        let needs_output = |flag| {
            Err(Message::new(format!(
                "{flag} needs an output folder\nhint: name one with --output DIR"
            )))
        };
        if self.output_folder().is_none() && self.overwrite {
            return needs_output("--overwrite");
        }
        if self.output_folder().is_none() && self.sync {
            return needs_output("--sync");
        }
        if let (true, Some(reducers)) = (map_only, self.reducers) {
            return Err(Message::new(format!(
                "this job has no reduce, so it cannot have --reducers {reducers}\nhint: to change the \
                 number of parts, set --split-size: each map task writes one part"
            )));
        }
        Ok(())
    }

    /// Returns the output folder, unless the output goes to standard output.
    pub(super) fn output_folder(&self) -> Option<&PathBuf> {
        self.output.as_ref().filter(|output| output.as_os_str() != "-")
    }

    /// Returns the memory for all buffers together, in bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.unwrap_or(MEMORY_BYTES_DEFAULT)
    }

    /// Returns the number of attempts that run at once.
    pub(super) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        self.threads.map_or_else(cores, |threads| threads as usize)
    }
}

/// Refuses a flag in place of a value. Negative numbers pass here; the range check refuses them.
fn value(text: &str, example: &str) -> Result<(), String> {
    let mut characters = text.chars();
    let is_flag = characters.next() == Some('-')
        && characters.next().is_some_and(|c| !c.is_ascii_digit() && c != '.');
    if is_flag {
        let shown = escape(text.as_bytes(), TEXT_CHARS_MAX);
        return Err(format!("expected a value, got `{shown}`\nhint: write {example}"));
    }
    Ok(())
}

/// Returns a parser of whole numbers in a range.
#[cfg(feature = "cluster")]
pub(crate) fn whole<N: TryFrom<u64> + Into<u64> + Copy>(
    range: std::ops::RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> + Clone {
    let range = (*range.start()).into()..=(*range.end()).into();
    move |text| {
        let number = number(text, range.clone())?;
        N::try_from(number).map_err(|_| format!("`{number}` is too large"))
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    value(text, &format!("a number from {} to {}", range.start(), range.end()))?;
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let shown = escape(text.as_bytes(), TEXT_CHARS_MAX);
        format!("`{shown}` is not a number from {} to {}", range.start(), range.end())
    })
}

fn bytes(text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let (least, most) = (size::format(*range.start()), size::format(*range.end()));
    value(text, &format!("a size from {least} to {most}"))?;
    let shown = escape(text.as_bytes(), TEXT_CHARS_MAX);
    let problem = match size::parse(text) {
        Ok(bytes) if range.contains(&bytes) => return Ok(bytes),
        Ok(_) => "is out of range",
        // The range of this flag replaces the general hint.
        Err(Error::Size { problem, .. }) => split_hint(problem).0,
        Err(error) => return Err(error.to_string()),
    };
    Err(format!(
        "size `{shown}` {problem}\nhint: write a size from {least} to {most}, such as 256MiB or 1GB"
    ))
}

fn reducers(text: &str) -> Result<u32, String> {
    number(text, REDUCERS).map(|reducers| reducers as u32)
}

fn threads(text: &str) -> Result<u32, String> {
    number(text, 1..=THREADS_MAX).map(|threads| threads as u32)
}

fn max_bad_records(text: &str) -> Result<u64, String> {
    number(text, 0..=u64::MAX)
}

fn memory(text: &str) -> Result<u64, String> {
    bytes(text, MEMORY_BYTES)
}

fn split_size(text: &str) -> Result<u64, String> {
    bytes(text, SPLIT_BYTES)
}
