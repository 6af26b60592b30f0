//! The job spec (the job, its input, its output and its limits) and the checks of its fields.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Digest, Error, Location, TEXT_CHARS_MAX, escape};

/// Number of parts of one job's output. Each costs a file and, in every map output, an index entry.
pub const REDUCERS: RangeInclusive<u64> = 1..=10_000;
/// Bytes of input per map task. Smaller tasks would be all overhead, and larger ones could not be balanced.
pub const SPLIT_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 40;
/// Bytes of memory for all buffers. With less, the smallest sort buffer and merge would not fit.
pub const MEMORY_BYTES: RangeInclusive<u64> = 16 << 20..=16 << 40;
/// Number of inputs of one spec, after expansion by the shell but before folders and globs are expanded.
pub const INPUTS: RangeInclusive<u64> = 1..=100_000;
/// Bytes of the job value, which is sent to every attempt and stored in the log.
pub const JOB_BYTES: RangeInclusive<u64> = 0..=1 << 20;
/// Number of files that the job value names. Each is sent as a whole, and every task opens it.
pub const SIDE_FILES: RangeInclusive<u64> = 0..=1_000;
/// Bytes of a job's name.
pub const NAME_BYTES: RangeInclusive<usize> = 1..=63;

/// One input as the user named it: a file, a folder, a glob or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Which of the job's kinds of input it belongs to, from 0; a job with one kind has only 0.
    pub source: u32,
    /// The path, pattern or `-`.
    pub location: Location,
}

/// A file that the job value names, and that every task can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFileSpec {
    /// Its path at submission, under which the job value names it.
    pub name: Location,
    /// Path at which the process that holds this spec finds the bytes: in an executor's spec, the worker's copy.
    pub location: Location,
    /// The artifact with its bytes; `None` before the job is submitted.
    pub digest: Option<Digest>,
}

/// The description of a MapReduce run: which job to run, on which input, with which settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Name for people, `[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?`.
    pub name: String,
    /// Inputs in the order given.
    pub inputs: Vec<InputSpec>,
    /// The output folder. If `None`, records go to standard output.
    pub output: Option<Location>,
    /// Whether an earlier output of gristmill may be replaced.
    pub overwrite: bool,
    /// Number of parts. If `None`, a function of the input's size.
    pub reducers: Option<u32>,
    /// Bytes per map task. If `None`, a function of the input's size.
    pub split_bytes: Option<u64>,
    /// Bytes for all buffers: of the whole run if embedded, of one attempt on a cluster.
    pub memory_bytes: u64,
    /// Whether the submitter set `memory_bytes`. If not, a worker lowers the default to the memory that it has. If so,
    /// a worker with less memory gets no attempts of this job.
    pub memory_is_given: bool,
    /// Number of records that may fail and be set aside before the job fails.
    pub max_bad_records: u64,
    /// The submitter's umask: permission bits withheld from files and folders of the output, on whichever machine they
    /// are created.
    pub umask: u32,
    /// Whether the output must be on stable storage before it counts as published.
    pub sync: bool,
    /// The files that the job value names, each once.
    pub side_files: Vec<SideFileSpec>,
    /// The job value, as bincode.
    pub job: Vec<u8>,
    /// The command line, for people.
    pub invocation: Invocation,
}

/// The command line of a job, for people. Apart from display, it only decides whether two submissions are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// The executable's file name, escaped and cut.
    pub executable: String,
    /// The job's own flags and their values, escaped and cut; flags that `--help` hides are left out.
    pub flags: Vec<(String, String)>,
    /// Hash of the values of all the job's own flags as they were typed, in full.
    pub typed: u64,
}

impl JobSpec {
    /// Checks every field against its limits.
    ///
    /// # Errors
    /// The first field that is wrong, with its value and what is accepted.
    pub fn validate(&self) -> Result<(), Error> {
        check_name(&self.name)?;
        within("inputs", self.inputs.len() as u64, INPUTS)?;
        if let Some(reducers) = self.reducers {
            within("reducers", u64::from(reducers), REDUCERS)?;
        }
        if let Some(split_bytes) = self.split_bytes {
            within("split_bytes", split_bytes, SPLIT_BYTES)?;
        }
        within("memory_bytes", self.memory_bytes, MEMORY_BYTES)?;
        within("side_files", self.side_files.len() as u64, SIDE_FILES)?;
        within("job", self.job.len() as u64, JOB_BYTES)?;
        for input in &self.inputs {
            check_location("inputs", &input.location)?;
        }
        for file in &self.side_files {
            check_location("side_files", &file.name)?;
        }
        match &self.output {
            Some(output) => check_location("output", output),
            None => Ok(()),
        }
    }
}

fn within(field: &'static str, value: u64, range: RangeInclusive<u64>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Range { field, value, range: format!("{} to {}", range.start(), range.end()) })
}

fn check_location(field: &'static str, location: &Location) -> Result<(), Error> {
    let problem = match location.as_bytes() {
        [] => "has an empty path".to_string(),
        bytes if bytes.contains(&0) => format!("has a path with a NUL byte: `{location}`"),
        _ => return Ok(()),
    };
    Err(Error::Field { field, problem })
}

/// Checks a job's name against its grammar, `[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?`.
///
/// # Errors
/// The first character that is wrong and its position, counted from 1.
pub fn check_name(name: &str) -> Result<(), Error> {
    let bad = |problem| Err(Error::Name { name: escape(name.as_bytes(), TEXT_CHARS_MAX), problem });
    let shown = |character: char| escape(character.to_string().as_bytes(), TEXT_CHARS_MAX);
    let at = |character: char, position: &dyn Display| {
        format!("`{}` at position {position}", shown(character))
    };
    let alphanumeric =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();

    let last = name.chars().count();
    for (index, character) in name.chars().enumerate() {
        let inner = index > 0 && index + 1 < last && matches!(character, '.' | '_' | '-');
        if !alphanumeric(character) && !inner {
            return bad(at(character, &(index + 1)));
        }
    }
    match name.len() {
        0 => bad("no characters".to_string()),
        length if !NAME_BYTES.contains(&length) => bad(format!("{length} characters")),
        _ => Ok(()),
    }
}

#[cfg(test)]
impl JobSpec {
    /// Creates a spec with one input file for tests, with all defaults.
    pub(crate) fn example() -> Self {
        Self {
            name: "wordcount".into(),
            inputs: vec![InputSpec { source: 0, location: Location::from("in.txt") }],
            output: Some(Location::from("out")),
            overwrite: false,
            reducers: None,
            split_bytes: None,
            memory_bytes: 1 << 30,
            memory_is_given: false,
            max_bad_records: 0,
            umask: 0o022,
            sync: false,
            side_files: Vec::new(),
            job: Vec::new(),
            invocation: Invocation::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for name in ["a", "0", "word-count", "a.b_c-d", &"a".repeat(63)] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
        let table = [
            ("", "no characters"),
            (&"a".repeat(300), "300 characters"),
            ("../x", "`.` at position 1"),
            ("/abs", "`/` at position 1"),
            ("a/b", "`/` at position 2"),
            ("a\0b", r"`\x00` at position 2"),
            ("a\nb", r"`\n` at position 2"),
            ("a\u{202e}b", r"`\xe2\x80\xae` at position 2"),
            ("ab ", "` ` at position 3"),
            ("ab.", "`.` at position 3"),
            ("CON", "`C` at position 1"),
            ("-x", "`-` at position 1"),
            ("naïve", "`ï` at position 3"),
        ];
        for (name, expected) in table {
            match check_name(name) {
                Err(Error::Name { problem, .. }) => assert_eq!(problem, expected, "{name:?}"),
                other => panic!("{name:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_spec_out_of_bounds_is_refused_by_name_value_and_range() {
        assert_eq!(JobSpec::example().validate(), Ok(()));
        type Change = fn(&mut JobSpec);
        let table: [(Change, &str); 6] = [
            (|spec| spec.reducers = Some(0), "reducers must be 1 to 10000, got 0"),
            (|spec| spec.reducers = Some(10_001), "reducers must be 1 to 10000, got 10001"),
            (
                |spec| spec.split_bytes = Some(10),
                "split_bytes must be 1024 to 1099511627776, got 10",
            ),
            (
                |spec| spec.memory_bytes = 1,
                "memory_bytes must be 16777216 to 17592186044416, got 1",
            ),
            (|spec| spec.inputs.clear(), "inputs must be 1 to 100000, got 0"),
            (|spec| spec.output = Some(Location::from("")), "output has an empty path"),
        ];
        for (change, expected) in table {
            let mut changed = JobSpec::example();
            change(&mut changed);
            assert_eq!(changed.validate().unwrap_err().to_string(), expected);
        }
    }
}
