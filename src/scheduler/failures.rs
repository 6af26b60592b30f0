//! Keeps reports of a job's failed attempts, limited in number and total size, to explain the job's state.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, Failure, TaskId, WorkerId};

/// Most failures that are kept of one job, and their total bytes. Failures of tasks that succeeded later are dropped
/// first, the oldest of them before the others.
pub const FAILURES_KEPT: usize = 32;
const BYTES_KEPT: usize = 64 << 10;
/// Limits on one failure: bytes of a text, lines of each kind, bytes of a record.
const TEXT_BYTES_MAX: usize = 2 << 10;
const LINE_BYTES_MAX: usize = 400;
const LINES_MAX: usize = 20;
const EXCERPT_BYTES_MAX: usize = 200;
/// Most ranges of maps that joined an attempt. Usually there is only one.
const RANGES_MAX: usize = 32;

/// A failed attempt, and its report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its worker.
    pub worker: WorkerId,
    /// Time of the command that reported it, in milliseconds.
    pub at_ms: u64,
    /// Its report, cut to the limits.
    pub failure: Failure,
    /// The maps that had joined it, as inclusive ranges.
    pub joined: Vec<(u32, u32)>,
}

/// The failures of a job that are kept, in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failures {
    kept: VecDeque<Failed>,
    /// Number of failures that were dropped.
    left_out: u64,
}

impl Failed {
    pub(super) fn new(
        attempt: AttemptId,
        worker: WorkerId,
        failure: &Failure,
        joined: &[u32],
        at_ms: u64,
    ) -> Self {
        let mut failure = failure.clone();
        cut(&mut failure.message, TEXT_BYTES_MAX);
        failure.at.iter_mut().for_each(|at| cut(at, LINE_BYTES_MAX));
        // The first details and the last lines of the log say most.
        failure.details.truncate(LINES_MAX);
        failure.log.drain(..failure.log.len().saturating_sub(LINES_MAX));
        let lines = failure.details.iter_mut().chain(&mut failure.log);
        lines.for_each(|line| cut(line, LINE_BYTES_MAX));
        if let Some(record) = &mut failure.record {
            record.excerpt.truncate(EXCERPT_BYTES_MAX);
        }
        Self { attempt, worker, at_ms, failure, joined: ranges(joined) }
    }

    fn bytes(&self) -> usize {
        let Failure { message, at, record, details, log, .. } = &self.failure;
        let record = record.as_ref();
        let record = record.map_or(0, |it| it.excerpt.len() + it.location.as_bytes().len());
        let lines: usize = details.iter().chain(log).map(String::len).sum();
        size_of::<Self>() + message.len() + at.as_ref().map_or(0, String::len) + record + lines
    }

    /// The maps that had joined the attempt, in order.
    pub fn joined(&self) -> impl Iterator<Item = u32> {
        self.joined.iter().flat_map(|&(first, last)| first..=last)
    }
}

fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
}

/// Ascending numbers as ranges.
fn ranges(numbers: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        let is_full = ranges.len() == RANGES_MAX;
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ if is_full => break,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

impl Failures {
    /// Keeps one more failure.
    pub(super) fn note(&mut self, failed: Failed, is_done: impl Fn(TaskId) -> bool) {
        self.kept.push_back(failed);
        while self.kept.len() > FAILURES_KEPT
            || (self.kept.len() > 1
                && self.kept.iter().map(Failed::bytes).sum::<usize>() > BYTES_KEPT)
        {
            let old = self.kept.iter().position(|failed| is_done(failed.attempt.task));
            // The newest failure is dropped last.
            let _forgotten =
                self.kept.remove(old.filter(|old| old + 1 < self.kept.len()).unwrap_or(0));
            self.left_out += 1;
        }
    }

    pub(super) fn kept(&self) -> impl DoubleEndedIterator<Item = &Failed> {
        self.kept.iter()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, JobId, TaskKind};

    fn failed(index: u32, number: u32, message: &str) -> Failed {
        let attempt = JobId(1).task(TaskKind::Map, index).attempt(number);
        let mut failure = Failure::new(Cause::Panic, message);
        failure.log = (0..100).map(|line| line.to_string()).collect();
        Failed::new(attempt, WorkerId(1), &failure, &[], u64::from(number))
    }

    #[test]
    fn recovered_failures_are_forgotten_first() {
        let mut failures = Failures::default();
        for number in 1..=100 {
            failures.note(failed(number % 2, number, "no luck"), |task| task.index == 1);
        }
        assert_eq!((failures.kept.len(), failures.left_out()), (FAILURES_KEPT, 68));
        let of_one = failures.kept().filter(|failed| failed.attempt.task.index == 1).count();
        assert_eq!(of_one, 0, "all that stay are of the task that is not done");
        let last: Vec<&String> = failures.kept[0].failure.log.iter().collect();
        assert_eq!((last.len(), last[19].as_str()), (LINES_MAX, "99"));
    }

    #[test]
    fn failures_have_a_size_together_and_one_is_always_kept() {
        let mut failures = Failures::default();
        for number in 1..=100 {
            failures.note(failed(0, number, &"x".repeat(1 << 20)), |_| true);
        }
        assert!(failures.kept.iter().map(Failed::bytes).sum::<usize>() <= BYTES_KEPT);
        assert_eq!(failures.kept().next_back().unwrap().attempt.number, 100);
        assert!(failures.kept.len() > 10, "{}", failures.kept.len());
        assert!(failures.kept[0].failure.message.len() < TEXT_BYTES_MAX + 4);
    }

    #[test]
    fn maps_that_had_joined_are_few_ranges() {
        assert_eq!(ranges(&[3, 4, 5, 9, 11, 12]), [(3, 5), (9, 9), (11, 12)]);
        let attempt = JobId(1).task(TaskKind::Map, 0).attempt(1);
        let failure = Failure::new(Cause::Panic, "");
        let failed = Failed::new(attempt, WorkerId(1), &failure, &[3, 4, 9], 0);
        assert_eq!(failed.joined().collect::<Vec<_>>(), [3, 4, 9]);
        assert_eq!(ranges(&(0..100).map(|n| n * 2).collect::<Vec<_>>()).len(), RANGES_MAX);
    }
}
