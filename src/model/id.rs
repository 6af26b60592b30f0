//! Ids of jobs, tasks, attempts and workers, each with one written form used everywhere.
//!
//! ```text
//! job      j7          attempt  j7/m12#2   (numbers start at 1)
//! task     j7/m12      worker   w4
//! kinds    p plan · m map · r reduce · c commit
//! ```
//!
//! The written form is also the serialized one, in JSON and in bincode alike (except for nonces). Parsing is strict: it
//! refuses `j07`, `j+7` and `J7`, so that equal ids always have equal texts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Error, TEXT_CHARS_MAX, escape};

/// One MapReduce run, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// The four kinds of task, in the order in which a job runs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// Lists the input and cuts it into splits.
    Plan,
    /// Maps one split.
    Map,
    /// Reduces one partition.
    Reduce,
    /// Publishes the output, or sweeps it.
    Commit,
}

/// One unit of scheduling: task number `index` of its kind within a job, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The job it belongs to.
    pub job: JobId,
    /// Its kind.
    pub kind: TaskKind,
    /// Its place among the tasks of its kind, from 0.
    pub index: u32,
}

/// One try at a task; the scheduler numbers them from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The task.
    pub task: TaskId,
    /// The number of the try, from 1.
    pub number: u32,
}

/// A process that offers slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// One of the masters of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterId(pub u64);

/// 128 random bits per job, so that two jobs never share a staging path.
///
/// Written as 32 hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nonce(pub u128);

impl TaskKind {
    /// All kinds, in the order in which a job runs them.
    pub const ALL: [Self; 4] = [Self::Plan, Self::Map, Self::Reduce, Self::Commit];

    /// The letter in task ids: `p`, `m`, `r` or `c`.
    pub fn letter(self) -> char {
        match self {
            Self::Plan => 'p',
            Self::Map => 'm',
            Self::Reduce => 'r',
            Self::Commit => 'c',
        }
    }

    /// Returns the kind with this letter.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == letter)
    }
}

impl TaskId {
    /// Returns the attempt at this task with this number.
    pub fn attempt(self, number: u32) -> AttemptId {
        AttemptId { task: self, number }
    }
}

impl JobId {
    /// Returns the task of this job with this kind and index.
    pub fn task(self, kind: TaskKind, index: u32) -> TaskId {
        TaskId { job: self, kind, index }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "j{}", self.0)
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plan => "plan",
            Self::Map => "map",
            Self::Reduce => "reduce",
            Self::Commit => "commit",
        })
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.job, self.kind.letter(), self.index)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.number)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}

impl fmt::Display for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Parses a decimal number in its only accepted spelling: digits, without a sign or a leading zero.
fn number<N: FromStr>(text: &str) -> Option<N> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical { text.parse().ok() } else { None }
}

fn job(text: &str) -> Option<JobId> {
    number(text.strip_prefix('j')?).map(JobId)
}

fn kind(text: &str) -> Option<TaskKind> {
    TaskKind::ALL.into_iter().find(|kind| kind.to_string() == text)
}

fn task(text: &str) -> Option<TaskId> {
    let (job_text, rest) = text.split_once('/')?;
    let kind = TaskKind::from_letter(rest.chars().next()?)?;
    Some(job(job_text)?.task(kind, number(&rest[1..])?))
}

fn attempt(text: &str) -> Option<AttemptId> {
    let (task_text, number_text) = text.split_once('#')?;
    let number = number(number_text).filter(|&number| number > 0)?;
    Some(task(task_text)?.attempt(number))
}

fn worker(text: &str) -> Option<WorkerId> {
    number(text.strip_prefix('w')?).map(WorkerId)
}

fn master(text: &str) -> Option<MasterId> {
    number(text.strip_prefix('m')?).map(MasterId)
}

fn nonce(text: &str) -> Option<Nonce> {
    let hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex { u128::from_str_radix(text, 16).ok().map(Nonce) } else { None }
}

/// Implements `FromStr` for an id.
macro_rules! parsed {
    ($($id:ident $parse:ident $what:literal $example:literal;)*) => {$(
        impl FromStr for $id {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                $parse(text).ok_or_else(|| Error::Id {
                    what: $what,
                    text: escape(text.as_bytes(), TEXT_CHARS_MAX),
                    example: $example,
                })
            }
        }
    )*};
}

/// Implements `FromStr` for an id and makes serde use its written form, without allocating when reading.
macro_rules! written_form {
    ($($id:ident $parse:ident $what:literal $example:literal;)*) => {$(
        parsed! { $id $parse $what $example; }

        impl Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $id;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", $what, " like `", $example, "`"))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$id, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Visitor)
            }
        }
    )*};
}

written_form! {
    JobId job "job id" "j7";
    TaskKind kind "task kind" "map";
    TaskId task "task id" "j7/m12";
    AttemptId attempt "attempt id" "j7/m12#2";
    WorkerId worker "worker id" "w4";
    MasterId master "master id" "m1";
}

// No reader sees a nonce that is serialized, so serde uses the number, which is shorter.
parsed! { Nonce nonce "nonce" "00112233445566778899aabbccddeeff"; }

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_written_as_users_know_them() {
        let attempt = JobId(7).task(TaskKind::Map, 12).attempt(2);
        assert_eq!(attempt.to_string(), "j7/m12#2");
        assert_eq!(JobId(7).task(TaskKind::Reduce, 0).to_string(), "j7/r0");
        assert_eq!(WorkerId(4).to_string(), "w4");
        assert_eq!(Nonce(0xab).to_string(), format!("{:0>32}", "ab"));
        assert_eq!(serde_json::to_string(&attempt).unwrap(), r#""j7/m12#2""#);
    }

    #[test]
    fn near_misses_are_refused() {
        for text in ["", "j", "7", "j07", "j+7", " j7", "j7 ", "J7", "j18446744073709551616"] {
            assert!(text.parse::<JobId>().is_err(), "{text:?}");
        }
        for text in ["j7/", "j7/m", "j7/x1", "j7/m01", "j7/m4294967296", "j7m1", "j7/é1"] {
            assert!(text.parse::<TaskId>().is_err(), "{text:?}");
        }
        for text in ["j7/m1", "j7/m1#", "j7/m1#0", "j7/m1#1#1"] {
            assert!(text.parse::<AttemptId>().is_err(), "{text:?}");
        }
        for text in ["ab", &"A".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert!(text.parse::<Nonce>().is_err(), "{text:?}");
        }
        let error = "j\u{1b}[2J".parse::<JobId>().unwrap_err().to_string();
        assert_eq!(error, r"not a job id: `j\x1b[2J`; expected a form like `j7`");
    }

    fn round_trip<I>(id: I)
    where
        I: Copy + PartialEq + fmt::Debug + fmt::Display + FromStr<Err = Error>,
        I: Serialize + serde::de::DeserializeOwned,
    {
        assert_eq!(id.to_string().parse::<I>().unwrap(), id);
        assert_eq!(bincode::deserialize::<I>(&bincode::serialize(&id).unwrap()).unwrap(), id);
        assert_eq!(serde_json::from_str::<I>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    proptest! {
        #[test]
        fn every_id_survives_being_written(
            job: u64, kind in 0usize..4, index: u32, number in 1u32.., nonce: u128
        ) {
            let kind = TaskKind::ALL[kind];
            let attempt = JobId(job).task(kind, index).attempt(number);
            round_trip(attempt.task.job);
            round_trip(kind);
            round_trip(attempt.task);
            round_trip(attempt);
            round_trip(WorkerId(job));
            round_trip(MasterId(job));
            round_trip(Nonce(nonce));
        }
    }
}
