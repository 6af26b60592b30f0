//! Prints the output of attempts as it arrives, until their job has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, StdoutLock};
use std::time::Duration;

use super::out::Out;
use super::{Which, gone, has_own, no_task};
use crate::cli::exit;
use crate::cli::refused::Refused;
use crate::cli::tasks::PAGE;
use crate::launch::{STDOUT_HINT, stdout_failed};
use crate::model::{AttemptId, AttemptState, TaskId, TaskKind, TaskState, WorkerId};
use crate::rpc::client::{Master, Options, Peer};
use crate::rpc::jobs::{AttemptLine, JobStatus, Jobs, TaskLine, TasksRequest};
use crate::rpc::shuffle::Shuffle;
use crate::worker::{left_out, news};

/// Time between two rounds.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The logs to follow, and how much of them has been printed.
pub(super) struct Following<'m> {
    master: &'m Master,
    which: Which,
    out: Out<StdoutLock<'static>>,
    /// Number of bytes printed for each unfinished attempt.
    seen: BTreeMap<AttemptId, u64>,
    /// Attempts whose output has been printed completely.
    told: BTreeSet<AttemptId>,
    starts: Starts,
    addresses: BTreeMap<WorkerId, String>,
}

/// Positions before which all tasks are done and printed: among plan and maps, and among reduces and commit. A round
/// starts there, so in a large job it examines only unfinished tasks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Starts {
    maps: u64,
    reduces: u64,
    /// Number of finished tasks in the last round.
    done: u32,
}

/// Why a round ended early.
enum Stop {
    Refused(Refused),
    /// Standard output is closed.
    Unheard(io::Error),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<crate::rpc::refusal::Refusal> for Stop {
    fn from(refusal: crate::rpc::refusal::Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unheard(error)
    }
}

impl<'m> Following<'m> {
    pub(super) fn new(master: &'m Master, which: Which, out: Out<StdoutLock<'static>>) -> Self {
        Self {
            master,
            which,
            out,
            seen: BTreeMap::new(),
            told: BTreeSet::new(),
            starts: Starts::default(),
            addresses: BTreeMap::new(),
        }
    }

    /// Follows the logs until no more output can come.
    pub(super) async fn run(&mut self) -> Result<u8, Refused> {
        loop {
            match self.round().await {
                Ok(true) => return Ok(exit::OK),
                Ok(false) => {}
                Err(Stop::Refused(refused)) => return Err(refused),
                Err(Stop::Unheard(error)) => return Ok(stdout_failed(&error, STDOUT_HINT)),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Prints new output. Returns true once no more can come.
    async fn round(&mut self) -> Result<bool, Stop> {
        // The status is requested first, so that no output is missed if the job has ended.
        let status = self.master.status(self.which.job(), 0).await?;
        let mut silent = BTreeSet::new();
        let has_ended = match self.which {
            Which::Job(_) => {
                self.starts.begin(&status);
                self.tasks(&status, &mut silent).await?;
                false
            }
            Which::Task(task) => self.task(task, None, &status, &mut silent).await?,
            Which::Attempt(id) => self.task(id.task, Some(id), &status, &mut silent).await?,
        };
        Ok(has_ended || status.state.is_terminal())
    }

    /// Prints new output of all unfinished tasks.
    async fn tasks(
        &mut self,
        status: &JobStatus,
        silent: &mut BTreeSet<WorkerId>,
    ) -> Result<(), Stop> {
        let reduces = offset(status.id.task(TaskKind::Reduce, 0), status);
        self.starts.maps = self.from(self.starts.maps, reduces, status, silent).await?;
        let start = self.starts.reduces.max(reduces);
        self.starts.reduces = self.from(start, u64::MAX, status, silent).await?;
        Ok(())
    }

    /// Prints new output of the tasks in a range, up to a page on which no task has started. Returns the position
    /// before which all tasks are finished and need not be visited again.
    async fn from(
        &mut self,
        start: u64,
        end: u64,
        status: &JobStatus,
        silent: &mut BTreeSet<WorkerId>,
    ) -> Result<u64, Stop> {
        let (mut at, mut passed) = (start, start);
        while at < end {
            let limit = u32::try_from(end - at).map_or(PAGE, |left| left.min(PAGE));
            let request = TasksRequest { job: status.id, offset: at, limit };
            let page = self.master.tasks(request).await?;
            if page.iter().all(|task| task.attempts.is_empty()) {
                break;
            }
            for task in &page {
                for attempt in &task.attempts {
                    self.catch_up(attempt, silent).await?;
                }
                let are_all_before = passed == at;
                at += 1;
                if are_all_before && self.is_told(task) {
                    passed = at;
                }
            }
        }
        Ok(passed)
    }

    /// Whether no more output can come from a task, unless its map output is lost.
    fn is_told(&self, task: &TaskLine) -> bool {
        let are_told = task.attempts.iter().all(|attempt| self.told.contains(&attempt.id));
        task.state == TaskState::Completed && are_told
    }

    /// Prints new output of one task or one attempt. Returns true once no more can come from the attempt.
    async fn task(
        &mut self,
        task: TaskId,
        only: Option<AttemptId>,
        status: &JobStatus,
        silent: &mut BTreeSet<WorkerId>,
    ) -> Result<bool, Stop> {
        let offset = offset(task, status);
        let page = self.master.tasks(TasksRequest { job: task.job, offset, limit: 1 }).await?;
        let Some(line) = page.first().filter(|line| line.id == task) else {
            // Before the job is planned, the number of tasks is unknown.
            let is_planned = status.maps.total + status.reduces.total > 0;
            let is_hopeless = is_planned || status.state.is_terminal();
            return if is_hopeless { Err(no_task(self.which).into()) } else { Ok(false) };
        };
        for attempt in line.attempts.iter().filter(|it| only.is_none_or(|only| it.id == only)) {
            self.catch_up(attempt, silent).await?;
        }
        Ok(only.is_some_and(|only| self.told.contains(&only)))
    }

    /// Prints an attempt's new output. A worker that does not answer is asked again in the next round, unless its
    /// attempt has ended.
    async fn catch_up(
        &mut self,
        attempt: &AttemptLine,
        silent: &mut BTreeSet<WorkerId>,
    ) -> Result<(), Stop> {
        if self.told.contains(&attempt.id) || !has_own(self.which, attempt) {
            return Ok(());
        }
        let is_over = attempt.state != AttemptState::Running;
        if silent.contains(&attempt.worker) && !is_over {
            return Ok(());
        }
        match self.read(attempt).await {
            Ok(log) => self.print(attempt.id, &log)?,
            Err(refused) => {
                // In a job with many attempts, a missing log is not worth a note.
                let is_known = self.addresses.remove(&attempt.worker).is_some();
                let is_unkept = is_known && refused.code == exit::NOT_FOUND;
                silent.insert(attempt.worker);
                if is_over && !(is_unkept && matches!(self.which, Which::Job(_))) {
                    refused.say();
                }
            }
        }
        if is_over {
            self.seen.remove(&attempt.id);
            self.told.insert(attempt.id);
        }
        Ok(())
    }

    async fn read(&mut self, attempt: &AttemptLine) -> Result<Vec<u8>, Refused> {
        let worker = attempt.worker;
        if !self.addresses.contains_key(&worker) {
            let workers = self.master.workers().await?;
            let workers = workers.into_iter().filter(|line| !line.state.is_gone());
            self.addresses = workers.map(|line| (line.id, line.facts.address)).collect();
        }
        let address = self.addresses.get(&worker).ok_or_else(|| gone(worker))?;
        Ok(Peer::connect(address, &Options::default()).log(attempt.runs_as).await?)
    }

    fn print(&mut self, attempt: AttemptId, log: &[u8]) -> io::Result<()> {
        let seen = self.seen.entry(attempt).or_default();
        let news = news(log, *seen);
        // An attempt that started again under the same number cannot be resumed.
        *seen = news.printed.max(*seen);
        let missed = if news.missed > 0 { left_out(news.missed) } else { String::new() };
        for bytes in [news.pieces[0], missed.as_bytes(), news.pieces[1]] {
            match self.which {
                Which::Attempt(_) => self.out.print(bytes)?,
                _ if bytes.is_empty() => {}
                _ => self.out.print_of(attempt, bytes)?,
            }
        }
        Ok(())
    }
}

/// Returns the position of a task among all tasks of its job.
fn offset(task: TaskId, status: &JobStatus) -> u64 {
    let (maps, reduces) = (u64::from(status.maps.total), u64::from(status.reduces.total));
    let before = match task.kind {
        TaskKind::Plan => 0,
        TaskKind::Map => 1,
        TaskKind::Reduce => 1 + maps,
        TaskKind::Commit => 1 + maps + reduces,
    };
    before + u64::from(task.index)
}

impl Starts {
    /// Begins a round. If fewer tasks are done than before, outputs were lost, and any task may be unfinished.
    fn begin(&mut self, status: &JobStatus) {
        let done = status.maps.done + status.reduces.done;
        if done < self.done {
            *self = Self::default();
        }
        self.done = done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobId, JobState};
    use crate::rpc::jobs::Tally;

    fn status(maps: u32, reduces: u32, done: u32) -> JobStatus {
        let tally = |total, done| Tally { total, done, ..Tally::default() };
        JobStatus {
            maps: tally(maps, done),
            reduces: tally(reduces, 0),
            ..JobStatus::in_state(JobState::Mapping)
        }
    }

    #[test]
    fn tasks_are_found_by_position() {
        let table = [
            (TaskKind::Plan, 0, 0),
            (TaskKind::Map, 12, 13),
            (TaskKind::Reduce, 3, 104),
            (TaskKind::Commit, 0, 109),
        ];
        for (kind, index, place) in table {
            assert_eq!(offset(JobId(7).task(kind, index), &status(100, 8, 0)), place);
        }
    }

    #[test]
    fn tasks_are_revisited_after_lost_outputs() {
        let mut starts = Starts { maps: 41, reduces: 101, done: 40 };
        starts.begin(&status(100, 8, 44));
        assert_eq!(starts, Starts { maps: 41, reduces: 101, done: 44 });
        starts.begin(&status(100, 8, 43));
        assert_eq!(starts, Starts { maps: 0, reduces: 0, done: 43 });
    }
}
