//! Asks a master for what the progress display shows in addition to a job's status: the counts of repeated and backup
//! attempts, and the longest-running attempt. If no attempt is running, it asks for the slots in use instead.

use std::time::Duration;

use super::meter::Phase;
use crate::clock::parse_rfc3339;
use crate::launch::span;
use crate::model::{
    AttemptId, AttemptState, JobState, TEXT_CHARS_MAX, TaskState, WorkerId, WorkerState, escape,
};
use crate::rpc::jobs::{JobStatus, Jobs, TaskLine, TasksRequest, WorkerLine};
use crate::rpc::refusal::Refusal;

/// Maximum number of tasks per request, and of requests per update.
const PAGE: u32 = 256;
const PAGES_MAX: u32 = 4;
/// The scheduler's own counter group.
const JOB_COUNTERS: &str = "Job Counters";

/// What the last requests returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Details {
    pub(super) reruns: u64,
    pub(super) backups: u64,
    /// The attempt of the phase that has been running longest.
    longest: Option<Longest>,
    /// Used and available slots, if no task of the phase is running.
    slots: Option<(u32, u32)>,
}

/// An attempt that the job waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Longest {
    attempt: AttemptId,
    worker: WorkerId,
    started: String,
    /// Worker of its backup attempt.
    backup: Option<WorkerId>,
}

/// The first task to look at: all before it are done.
///
/// Tasks start in order, so the longest-running attempt is among the first unfinished tasks. An update need not read
/// all tasks of a large job.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    phase: Option<Phase>,
    offset: u64,
    done: u32,
}

impl Frontier {
    /// Requests everything that is shown beside the status.
    pub(super) async fn fetch<J: Jobs>(
        &mut self,
        jobs: &J,
        status: &JobStatus,
    ) -> Result<Details, Refusal> {
        let Some(phase) = Phase::of(status.state) else { return Ok(Details::default()) };
        let counters = jobs.counters(status.id).await?;
        let counters = counters.get(JOB_COUNTERS);
        let count = |name: &str| counters.and_then(|names| names.get(name)).copied().unwrap_or(0);
        let longest = self.longest(jobs, status, phase).await?;
        let slots = match &longest {
            Some(_) => None,
            None => Some(slots(&jobs.workers().await?)),
        };
        Ok(Details {
            reruns: count("attempts_rerun"),
            backups: count("backups_started"),
            longest,
            slots,
        })
    }

    async fn longest<J: Jobs>(
        &mut self,
        jobs: &J,
        status: &JobStatus,
        phase: Phase,
    ) -> Result<Option<Longest>, Refusal> {
        self.begin(status, phase);
        for _ in 0..PAGES_MAX {
            let request = TasksRequest { job: status.id, offset: self.offset, limit: PAGE };
            let page = jobs.tasks(request).await?;
            let are_all_done = page.iter().all(|task| task.state == TaskState::Completed);
            self.offset += done_first(&page);
            if !are_all_done || page.len() < PAGE as usize {
                return Ok(longest(&page, phase));
            }
        }
        Ok(None)
    }

    /// Starts again from the first task of the phase after a change of phase, or if fewer tasks are done than before:
    /// then any task may be unfinished again.
    fn begin(&mut self, status: &JobStatus, phase: Phase) {
        let done = phase.tally(status).map_or(0, |tally| tally.done);
        if self.phase != Some(phase) || done < self.done {
            let (maps, reduces) = (u64::from(status.maps.total), u64::from(status.reduces.total));
            self.offset = match phase {
                Phase::Plan => 0,
                Phase::Map => 1,
                Phase::Reduce => 1 + maps,
                Phase::Commit => 1 + maps + reduces,
            };
        }
        (self.phase, self.done) = (Some(phase), done);
    }
}

/// Counts the finished tasks before the first unfinished one.
fn done_first(page: &[TaskLine]) -> u64 {
    page.iter().take_while(|task| task.state == TaskState::Completed).count() as u64
}

/// Finds the running attempt that started first; among equals, the first listed.
fn longest(page: &[TaskLine], phase: Phase) -> Option<Longest> {
    let of_phase = page.iter().filter(|task| task.kind == phase.name());
    let first = of_phase.filter_map(|task| {
        let mut running =
            task.attempts.iter().filter(|attempt| attempt.state == AttemptState::Running);
        let (first, backup) = (running.next()?, running.next());
        Some(Longest {
            attempt: first.id,
            worker: first.worker,
            started: first.started.clone(),
            backup: backup.map(|backup| backup.worker),
        })
    });
    // All times have the same format, so the earliest is the smallest.
    first.min_by(|a, b| a.started.cmp(&b.started))
}

/// Counts used and available slots of the workers that accept attempts.
fn slots(workers: &[WorkerLine]) -> (u32, u32) {
    let alive = workers.iter().filter(|worker| worker.state == WorkerState::Alive);
    alive.fold((0, 0), |(taken, all), worker| (taken + worker.running, all + worker.facts.slots))
}

impl Details {
    /// Describes in one line what the job waits for; `wall_ms` is the time now.
    pub(super) fn waits(&self, status: &JobStatus, wall_ms: u64) -> Option<String> {
        let phase = Phase::of(status.state)?;
        let of_phase = |longest: &&Longest| longest.attempt.task.kind.to_string() == phase.name();
        if let Some(longest) = self.longest.as_ref().filter(of_phase) {
            return Some(longest.describe(wall_ms));
        }
        let is_at_rest = phase.tally(status).is_none_or(|tally| tally.running == 0);
        let reason = escape(status.reason.as_bytes(), TEXT_CHARS_MAX);
        if !is_at_rest || reason.is_empty() {
            return None;
        }
        Some(match self.slots {
            Some((taken, all @ 1..)) if status.state != JobState::Committing => {
                format!("{reason}; {taken} of {all} slots in use")
            }
            _ => reason,
        })
    }
}

impl Longest {
    fn describe(&self, wall_ms: u64) -> String {
        let Self { attempt, worker, started, backup } = self;
        let mut told = format!("waits for {attempt} on {worker}");
        // Another machine's clock may be ahead.
        let since = parse_rfc3339(started).and_then(|started_ms| wall_ms.checked_sub(started_ms));
        if let Some(ms) = since.filter(|&ms| ms >= 1000) {
            told += &format!(", started {} ago", span(Duration::from_secs(ms / 1000)));
        }
        if let Some(backup) = backup {
            told += &format!("; a backup attempt runs on {backup}");
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Room;
    use crate::model::{Cause, JobId, TaskKind, WorkerFacts};
    use crate::rpc::jobs::{AttemptLine, Tally};

    /// Returns a map whose attempts each have a state, a worker and a second in which they began.
    fn map(index: u32, state: TaskState, attempts: &[(AttemptState, u64, u32)]) -> TaskLine {
        let id = JobId(7).task(TaskKind::Map, index);
        let attempt =
            |(number, &(state, worker, second)): (u32, &(AttemptState, u64, u32))| AttemptLine {
                id: id.attempt(number),
                runs_as: id.attempt(number),
                worker: WorkerId(worker),
                pid: 1,
                state,
                cause: Cause::None,
                started: format!("2026-11-23T09:00:{second:02}.000Z"),
                ended: None,
            };
        let attempts: Vec<_> = (1..).zip(attempts).map(attempt).collect();
        TaskLine {
            id,
            kind: "map".into(),
            state,
            attempts_started: attempts.len() as u32,
            attempts,
            usage: None,
        }
    }

    /// 2026-11-23T09:00:00Z.
    const NINE_MS: u64 = 1_795_424_400_000;

    #[test]
    fn longest_running_attempt_is_shown() {
        let page = [
            map(0, TaskState::Completed, &[(AttemptState::Succeeded, 1, 1)]),
            map(
                1,
                TaskState::Completed,
                &[(AttemptState::Killed, 1, 2), (AttemptState::Succeeded, 2, 9)],
            ),
            map(2, TaskState::InProgress, &[(AttemptState::Running, 1, 30)]),
            map(
                3,
                TaskState::InProgress,
                &[
                    (AttemptState::Lost, 9, 1),
                    (AttemptState::Running, 3, 20),
                    (AttemptState::Running, 4, 40),
                ],
            ),
            map(4, TaskState::InProgress, &[(AttemptState::Running, 2, 21)]),
            map(5, TaskState::Idle, &[]),
        ];
        assert_eq!(done_first(&page), 2);
        let details = Details { longest: longest(&page, Phase::Map), ..Details::default() };
        let mut mapping = JobStatus::in_state(JobState::Mapping);
        mapping.maps.running = 3;
        let told = details.waits(&mapping, NINE_MS + 50_000).unwrap();
        assert_eq!(told, "waits for j7/m3#2 on w3, started 0:30 ago; a backup attempt runs on w4");
        let told = details.waits(&mapping, NINE_MS).unwrap();
        assert_eq!(
            told, "waits for j7/m3#2 on w3; a backup attempt runs on w4",
            "its clock is ahead"
        );
        assert_eq!(details.waits(&mapping, NINE_MS + 20_999).unwrap(), told, "it has just begun");
        assert_eq!(
            details.waits(&JobStatus::in_state(JobState::Reducing), NINE_MS),
            None,
            "that is over"
        );
        assert_eq!(longest(&page[5..], Phase::Map), None);
        assert_eq!(longest(&page, Phase::Reduce), None);
    }

    #[test]
    fn reason_is_shown_while_no_attempt_runs() {
        let of =
            |state, reason: &str| JobStatus { reason: reason.into(), ..JobStatus::in_state(state) };
        let slots = |slots| Details { slots: Some(slots), ..Details::default() };
        let table = [
            (of(JobState::Waiting, "no workers"), slots((0, 0)), Some("no workers")),
            (
                of(JobState::Waiting, "waiting for slots"),
                slots((4, 4)),
                Some("waiting for slots; 4 of 4 slots in use"),
            ),
            (of(JobState::Waiting, "a\x1b"), Details::default(), Some(r"a\x1b")),
            (of(JobState::Committing, "publishing"), slots((1, 4)), Some("publishing")),
            (of(JobState::Succeeded, ""), Details::default(), None),
            (of(JobState::Failed, "x"), Details::default(), None),
        ];
        for (status, details, wanted) in table {
            assert_eq!(details.waits(&status, NINE_MS).as_deref(), wanted, "{}", status.reason);
        }
        let mut busy = of(JobState::Mapping, "1 of 2 maps running, 0 done");
        busy.maps = Tally { total: 2, running: 1, progress: 0.1, ..Tally::default() };
        assert_eq!(slots((1, 4)).waits(&busy, NINE_MS), None, "the bar says that");
    }

    #[test]
    fn finished_tasks_are_skipped_until_outputs_are_lost() {
        let mut frontier = Frontier::default();
        let mut mapping = JobStatus::in_state(JobState::Mapping);
        mapping.maps = Tally { total: 1_000, done: 300, ..Tally::default() };
        mapping.reduces.total = 5;
        let mut offset = |status: &JobStatus, phase, then| {
            frontier.begin(status, phase);
            let offset = frontier.offset;
            frontier.offset += then;
            offset
        };
        assert_eq!(offset(&mapping, Phase::Map, 256), 1);
        assert_eq!(offset(&mapping, Phase::Map, 0), 257);
        mapping.maps.done = 299;
        assert_eq!(offset(&mapping, Phase::Map, 0), 1);
        assert_eq!(offset(&mapping, Phase::Reduce, 0), 1_001);
        assert_eq!(offset(&mapping, Phase::Commit, 0), 1_006);
    }

    #[test]
    fn only_slots_of_usable_workers_count() {
        let worker = |state, slots, running| WorkerLine {
            id: WorkerId(1),
            state,
            running,
            last_seen_ms: 0,
            facts: WorkerFacts { slots, ..WorkerFacts::default() },
            exclusion: None,
            room: Room::default(),
        };
        let workers = [
            worker(WorkerState::Alive, 4, 3),
            worker(WorkerState::Lost, 4, 0),
            worker(WorkerState::Alive, 2, 2),
        ];
        assert_eq!(slots(&workers), (5, 6));
    }
}
