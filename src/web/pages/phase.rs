//! Progress of a job's maps or reduces: bytes if known, rate, and estimated time left.

use super::histogram::histogram;
use super::words::{bytes, count, percent, span};
use crate::model::{JobState, TaskId, WorkerId};
use crate::rpc::jobs::{JobStatus, Tally};
use crate::web::summary::{Kind, Summary};

/// Least progress and time for an estimate of the time left.
const DONE_MIN: f64 = 0.05;
const PASSED_MS_MIN: u64 = 2_000;
/// From this share on, the remaining work is not reading, so the rate of reading says nothing about it.
const READ_MIN: f64 = 0.995;

/// The maps or the reduces of a job.
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) percent: u64,
    /// How many are done, and how many are running.
    pub(super) tasks: String,
    /// How much is read, the total, and the rate.
    pub(super) bytes: String,
    /// The estimated time left.
    pub(super) left: String,
    /// How long the tasks took, in a sentence.
    pub(super) told: String,
    pub(super) histogram: String,
    pub(super) slowest: Vec<Slow>,
}

/// One of the slowest tasks.
pub(super) struct Slow {
    pub(super) task: TaskId,
    pub(super) worker: WorkerId,
    pub(super) took: String,
    /// As a multiple of the median.
    pub(super) times: String,
}

impl Phase {
    /// The maps. Rates are averages until `now_ms`, because the summary may be a second old.
    pub(super) fn maps(job: &JobStatus, summary: &Summary, now_ms: u64) -> Self {
        let begin_ms = summary.maps.first_ms;
        let is_now = job.state == JobState::Mapping;
        Self::of("Maps", "map", (&job.maps, &summary.maps), is_now, begin_ms, now_ms)
    }

    /// The reduces. Those that started early had to wait for the last map, so time is measured from the end of that
    /// map.
    pub(super) fn reduces(job: &JobStatus, summary: &Summary, now_ms: u64) -> Self {
        let begin_ms = summary.reduces.first_ms.max(summary.maps.last_ms);
        let is_now = job.state == JobState::Reducing;
        let of = (&job.reduces, &summary.reduces);
        Self::of("Reduces", "reduce", of, is_now, begin_ms, now_ms)
    }

    fn of(
        name: &'static str,
        class: &'static str,
        (tally, kind): (&Tally, &Kind),
        is_now: bool,
        begin_ms: Option<u64>,
        now_ms: u64,
    ) -> Self {
        let times = |ms| format!("{:.1} ×", ms as f64 / kind.median_ms.max(1) as f64);
        let slow = |&(task, worker, ms): &(TaskId, WorkerId, u64)| Slow {
            task,
            worker,
            took: span(ms),
            times: times(ms),
        };
        let [least, median, most] = [kind.least_ms, kind.median_ms, kind.most_ms].map(span);
        let is_done = tally.done == tally.total;
        let until_ms = kind.last_ms.filter(|_| is_done).unwrap_or(now_ms);
        let passed_ms = begin_ms.map_or(0, |begin_ms| until_ms.saturating_sub(begin_ms));
        let mut tasks = match tally.total {
            0 => "not planned yet".to_string(),
            total => format!("{} of {} done", count(tally.done.into()), count(total.into())),
        };
        if tally.running > 0 {
            tasks += &format!(", {} running", count(tally.running.into()));
        }
        Self {
            name,
            class,
            percent: percent(tally.progress),
            tasks,
            bytes: read(tally, passed_ms),
            left: if is_now { left(tally, passed_ms) } else { String::new() },
            told: match kind.count {
                1 => format!("One task, {median}."),
                _ => format!("Median {median}, shortest {least}, longest {most}."),
            },
            // A picture of one task would show no more than its duration.
            histogram: if kind.count > 1 { histogram(kind, class) } else { String::new() },
            slowest: kind.slowest.iter().map(slow).collect(),
        }
    }
}

/// How much is read, and how fast.
fn read(tally: &Tally, passed_ms: u64) -> String {
    if tally.bytes_total == 0 {
        return String::new();
    }
    let mut told = match tally.done == tally.total {
        true => bytes(tally.bytes_total),
        false => format!("{} of {}", bytes(tally.bytes_done), bytes(tally.bytes_total)),
    };
    if passed_ms > 0 && tally.bytes_done > 0 {
        let rate = tally.bytes_done as f64 * 1_000.0 / passed_ms as f64;
        // Positive, and below the number of bytes that there are.
        told += &format!(", {}/s", bytes(rate as u64));
    }
    told
}

/// The time left if the phase continues at its average rate; otherwise why there is no estimate.
fn left(tally: &Tally, passed_ms: u64) -> String {
    if tally.running == 0 {
        return "no task is running".to_string();
    }
    if tally.progress >= READ_MIN {
        return "all input is read; the last tasks are finishing".to_string();
    }
    if tally.progress < DONE_MIN || passed_ms < PASSED_MS_MIN {
        return "estimating time left".to_string();
    }
    // Both are positive, and what is left is at most twenty times what has passed.
    let left_ms = passed_ms as f64 * (1.0 - tally.progress) / tally.progress;
    format!("about {} left", span(left_ms as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(done: u32, running: u32, progress: f64) -> Tally {
        Tally { total: 10, done, running, progress, bytes_done: 3 << 20, bytes_total: 12 << 20 }
    }

    #[test]
    fn time_left_is_shown_once_it_can_be_estimated() {
        assert_eq!(left(&tally(2, 1, 0.25), 3_000), "about 9.0 s left");
        assert_eq!(left(&tally(2, 1, 0.25), 1_999), "estimating time left");
        assert_eq!(left(&tally(0, 1, 0.049), 60_000), "estimating time left");
        assert_eq!(left(&tally(2, 0, 0.25), 60_000), "no task is running");
        assert_eq!(
            left(&tally(0, 4, 1.0), 60_000),
            "all input is read; the last tasks are finishing"
        );
    }

    #[test]
    fn bytes_are_shown_with_their_rate() {
        assert_eq!(read(&tally(2, 1, 0.25), 3_000), "3.0 MiB of 12.0 MiB, 1.0 MiB/s");
        assert_eq!(read(&tally(2, 1, 0.25), 0), "3.0 MiB of 12.0 MiB");
        assert_eq!(read(&Tally { bytes_total: 0, ..tally(2, 1, 0.25) }, 3_000), "");
    }
}
