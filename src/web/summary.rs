//! Summarizes a job's tasks for its pages: durations, the slowest tasks, and the timeline.
//!
//! A job may have hundreds of thousands of tasks. They are read a few thousand at a time, so that the state is never
//! locked for long. Only what the pages show is kept. All requests share one summary, which is rebuilt when it is out
//! of date.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::master::{JobFacts, Master, StartedTask};
use crate::model::{AttemptId, AttemptState, JobId, TaskId, TaskKind, WorkerId};
use crate::rpc::refusal::Refusal;
use crate::scheduler::Attempt;

/// Tasks that are read while the state is locked.
const TASKS_AT_ONCE: u32 = 4_096;
/// Columns of the timeline.
pub(super) const COLUMNS: usize = 160;
/// Workers with a row of their own; the others share one.
const ROWS_MAX: usize = 32;
/// Most attempts that are drawn separately. If there are more, only their number over time is drawn.
const BARS_MAX: usize = 400;
/// Steps of the histogram, from a millisecond on; each is longer by a factor of the square root of two.
pub(super) const STEPS: usize = 48;
/// Most of the slowest tasks that are listed.
const SLOWEST_MAX: usize = 10;
/// Summaries that are kept.
const KEPT_MAX: usize = 64;
/// How long the summary of a running job is valid: a second, or this many times its computation time.
const GOOD_FOR: Duration = Duration::from_secs(1);
const GOOD_FOR_TIMES: u32 = 20;

/// Classes of attempts, which decide their colours.
pub(super) const CLASSES: [&str; 4] = ["map", "reduce", "other", "lost"];

/// Sums of a job's tasks.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    pub(super) facts: JobFacts,
    pub(super) maps: Kind,
    pub(super) reduces: Kind,
    /// By worker. The last row may have no worker: it is the row of all others.
    pub(super) rows: Vec<(Option<WorkerId>, Row)>,
    /// Every attempt, if there are few enough.
    pub(super) bars: Option<Vec<Bar>>,
    /// Attempts started at all tasks.
    pub(super) attempts: u64,
    /// The span of the timeline.
    pub(super) begin_ms: u64,
    pub(super) end_ms: u64,
}

/// Milliseconds of attempts in each column, by class.
pub(super) type Row = [Vec<f32>; 4];

/// One attempt on the timeline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    pub(super) id: AttemptId,
    pub(super) worker: WorkerId,
    pub(super) class: usize,
    pub(super) state: AttemptState,
    pub(super) begin_ms: u64,
    pub(super) end_ms: u64,
}

/// Durations of the completed tasks of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Kind {
    pub(super) count: u64,
    pub(super) least_ms: u64,
    pub(super) median_ms: u64,
    pub(super) most_ms: u64,
    pub(super) histogram: Vec<u32>,
    /// Longest first.
    pub(super) slowest: Vec<(TaskId, WorkerId, u64)>,
    /// When the first one was started.
    pub(super) first_ms: Option<u64>,
    /// When the last completed one ended.
    pub(super) last_ms: Option<u64>,
}

/// The summaries that are kept. Clones share them.
#[derive(Clone)]
pub(super) struct Summaries {
    clock: Clock,
    made: Arc<Mutex<BTreeMap<JobId, Made>>>,
}

struct Made {
    summary: Arc<Summary>,
    good_until: Option<Instant>,
}

impl Summaries {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, made: Arc::default() }
    }

    /// The summary of a job, up to a moment old.
    pub(super) async fn of(&self, master: &Master, job: JobId) -> Result<Arc<Summary>, Refusal> {
        // Other requests for it wait here, and then share it.
        let mut made = self.made.lock().await;
        let begun = self.clock.now();
        let ended = master.facts(job)?.finished_ms;
        // A summary from before the job's end is out of date at once.
        let is_good = |it: &&Made| {
            it.summary.facts.finished_ms == ended && it.good_until.is_none_or(|end| begun < end)
        };
        if let Some(known) = made.get(&job).filter(is_good) {
            return Ok(Arc::clone(&known.summary));
        }
        let summary = Arc::new(Summary::make(master, job).await?);
        let took = self.clock.now().saturating_duration_since(begun);
        let is_over = summary.facts.finished_ms.is_some();
        let good_for = GOOD_FOR.max(took * GOOD_FOR_TIMES);
        let good_until = (!is_over).then(|| self.clock.now() + good_for);
        while made.len() >= KEPT_MAX {
            // Old jobs are viewed least.
            made.pop_first();
        }
        made.insert(job, Made { summary: Arc::clone(&summary), good_until });
        Ok(summary)
    }
}

impl Summary {
    /// The colour of an attempt.
    pub(super) fn class(kind: TaskKind, state: AttemptState) -> usize {
        match (state, kind) {
            (AttemptState::Failed | AttemptState::Killed | AttemptState::Lost, _) => 3,
            (_, TaskKind::Map) => 0,
            (_, TaskKind::Reduce) => 1,
            (_, TaskKind::Plan | TaskKind::Commit) => 2,
        }
    }

    async fn make(master: &Master, job: JobId) -> Result<Self, Refusal> {
        let facts = master.facts(job)?;
        let mut folding = Folding::new(&facts);
        let mut offset = 0;
        loop {
            let seen = master.visit_tasks(job, offset, TASKS_AT_ONCE, |seen| folding.add(&seen))?;
            offset += u64::from(seen);
            if seen < TASKS_AT_ONCE {
                return Ok(folding.end(facts));
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A summary that is being made.
struct Folding {
    now_ms: u64,
    begin_ms: u64,
    end_ms: u64,
    durations: [Vec<u32>; 2],
    kinds: [Kind; 2],
    rows: BTreeMap<WorkerId, Row>,
    others: Option<Row>,
    bars: Vec<Bar>,
    attempts: u64,
}

impl Folding {
    fn new(facts: &JobFacts) -> Self {
        let now_ms = facts.until_ms();
        let begin_ms = facts.submitted_ms;
        Self {
            now_ms,
            begin_ms,
            // Never 0, since it is a divisor.
            end_ms: now_ms.max(begin_ms + 1),
            durations: Default::default(),
            kinds: Default::default(),
            rows: BTreeMap::new(),
            others: None,
            bars: Vec::new(),
            attempts: 0,
        }
    }

    fn add(&mut self, seen: &StartedTask<'_>) {
        // As the job's counter `attempts_started` and the lists of tasks count them.
        self.attempts += u64::from(seen.task.started());
        // A task that joined another one ran in its process.
        if seen.is_led {
            return;
        }
        let kind = match seen.id.kind {
            TaskKind::Map => Some(0),
            TaskKind::Reduce => Some(1),
            _ => None,
        };
        let winner = seen.task.winner().map(|winner| winner.number);
        for attempt in seen.task.attempts() {
            self.draw(seen.id, attempt);
            if let Some(kind) = kind {
                let first = &mut self.kinds[kind].first_ms;
                *first = Some(first.map_or(attempt.started_ms, |ms| ms.min(attempt.started_ms)));
                if winner == Some(attempt.number) {
                    self.measure(kind, seen.id, attempt);
                }
            }
        }
    }

    fn measure(&mut self, kind: usize, id: TaskId, attempt: &Attempt) {
        let ended_ms = attempt.ended_ms.unwrap_or(attempt.started_ms);
        let ms = ended_ms.saturating_sub(attempt.started_ms);
        self.kinds[kind].last_ms = self.kinds[kind].last_ms.max(Some(ended_ms));
        self.durations[kind].push(u32::try_from(ms).unwrap_or(u32::MAX));
        let slowest = &mut self.kinds[kind].slowest;
        if slowest.len() < SLOWEST_MAX || slowest.last().is_some_and(|(_, _, least)| *least < ms) {
            let place = slowest.partition_point(|(_, _, other)| *other >= ms);
            slowest.insert(place, (id, attempt.worker, ms));
            slowest.truncate(SLOWEST_MAX);
        }
    }

    fn draw(&mut self, id: TaskId, attempt: &Attempt) {
        let class = Summary::class(id.kind, attempt.state);
        let begin_ms = attempt.started_ms.clamp(self.begin_ms, self.end_ms);
        let end_ms = attempt.ended_ms.unwrap_or(self.now_ms).clamp(begin_ms, self.end_ms);
        if self.bars.len() <= BARS_MAX {
            let (worker, state) = (attempt.worker, attempt.state);
            let id = id.attempt(attempt.number);
            self.bars.push(Bar { id, worker, class, state, begin_ms, end_ms });
        }
        let (begin, span) = (self.begin_ms, (self.end_ms - self.begin_ms) as f64);
        let fresh = || std::array::from_fn(|_| vec![0.0; COLUMNS]);
        let row: &mut Row = if self.rows.contains_key(&attempt.worker) || self.rows.len() < ROWS_MAX
        {
            self.rows.entry(attempt.worker).or_insert_with(fresh)
        } else {
            self.others.get_or_insert_with(fresh)
        };
        let column = |ms: u64| ((ms - begin) as f64 / span * COLUMNS as f64).min(COLUMNS as f64);
        let (from, to) = (column(begin_ms), column(end_ms));
        // Between 0 and the number of columns.
        let columns = row[class].iter_mut().enumerate();
        for (at, column) in columns.take(to.ceil() as usize).skip(from as usize) {
            let share = (at as f64 + 1.0).min(to) - (at as f64).max(from);
            *column += share.max(0.0) as f32;
        }
    }

    fn end(self, facts: JobFacts) -> Summary {
        let [maps, reduces] = self.kinds;
        let [of_maps, of_reduces] = self.durations;
        let rows = self.rows.into_iter().map(|(worker, row)| (Some(worker), row));
        let others = self.others.into_iter().map(|row| (None, row));
        Summary {
            facts,
            maps: maps.measured(of_maps),
            reduces: reduces.measured(of_reduces),
            rows: rows.chain(others).collect(),
            bars: (self.bars.len() <= BARS_MAX).then_some(self.bars),
            attempts: self.attempts,
            begin_ms: self.begin_ms,
            end_ms: self.end_ms,
        }
    }
}

impl Kind {
    fn measured(mut self, mut durations: Vec<u32>) -> Self {
        durations.sort_unstable();
        self.count = durations.len() as u64;
        self.histogram = vec![0; STEPS];
        for &ms in &durations {
            self.histogram[step(ms)] += 1;
        }
        let at = |place: usize| durations.get(place).map_or(0, |&ms| u64::from(ms));
        self.least_ms = at(0);
        self.median_ms = at(durations.len() / 2);
        self.most_ms = at(durations.len().saturating_sub(1));
        self
    }
}

/// The histogram's step for a duration.
fn step(ms: u32) -> usize {
    let step = (f64::from(ms.max(1)).log2() * 2.0).floor();
    // It is at most 63.
    (step as usize).min(STEPS - 1)
}

/// The beginning of a step, in milliseconds.
pub(super) fn step_ms(step: usize) -> u64 {
    // At most two to the 24th.
    2f64.powf(step as f64 / 2.0).round() as u64
}

#[cfg(test)]
pub(super) use tests::large;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::model::{Counters, JobOptions, Nonce, Volume};
    use crate::scheduler::{Complete, Effect, PlanDone, RegisterWorker, Scheduler, Submit};

    const MAPS: u32 = 200_000;
    const REDUCES: u32 = 500;
    const WORKERS: u64 = 40;

    fn facts(finished_ms: u64) -> JobFacts {
        JobFacts {
            name: "large".into(),
            submitted_ms: 0,
            finished_ms: Some(finished_ms),
            now_ms: finished_ms,
            options: JobOptions::default(),
            executable: None,
            spec: None,
            plan: None,
            failure: None,
            sizes: Default::default(),
        }
    }

    /// A finished job of the size in the MapReduce paper, and when it ended.
    fn large_job() -> (Scheduler, u64) {
        let (mut scheduler, mut started, mut now_ms) = (Scheduler::new(), VecDeque::new(), 0);
        let mut apply =
            |now_ms: u64, command: crate::scheduler::Command, started: &mut VecDeque<_>| {
                let effects = scheduler.apply(now_ms, command).unwrap();
                started.extend(effects.iter().filter_map(|effect| match effect {
                    Effect::Start { attempt, .. } => Some(*attempt),
                    _ => None,
                }));
            };
        for worker in (1..=WORKERS).map(WorkerId) {
            let (incarnation, slots, attempt_memory_bytes, outputs) = (1, 50, 0, Vec::new());
            let register =
                RegisterWorker { worker, incarnation, slots, attempt_memory_bytes, outputs };
            apply(0, register.into(), &mut started);
        }
        let submit = Submit {
            job: JobId(1),
            request: "one".into(),
            name: "large".into(),
            nonce: Nonce(1),
            reducers: Some(REDUCES),
            map_only: false,
            options: JobOptions::default(),
        };
        apply(0, submit.into(), &mut started);
        while let Some(attempt) = started.pop_front() {
            now_ms += 1;
            let counters = Counters::new();
            let command = match attempt.task.kind {
                TaskKind::Plan => {
                    PlanDone { attempt, splits: MAPS, reducers: REDUCES, input_bytes: 0, counters }
                        .into()
                }
                _ => Complete {
                    attempt,
                    digest: Some(1),
                    is_staged: true,
                    joined: 0,
                    counters,
                    volume: Volume::of_bytes(1 << 20),
                }
                .into(),
            };
            apply(now_ms, command, &mut started);
        }
        (scheduler, now_ms)
    }

    /// Its summary.
    pub(in crate::web) fn large() -> Summary {
        let (scheduler, end_ms) = large_job();
        let facts = facts(end_ms);
        let mut folding = Folding::new(&facts);
        for (id, task) in scheduler.job(JobId(1)).unwrap().all_tasks() {
            folding.add(&StartedTask { id, task: task.unwrap(), is_led: false });
        }
        folding.end(facts)
    }

    #[test]
    fn summary_of_200_000_tasks_is_small() {
        let (scheduler, end_ms) = large_job();
        let job = scheduler.job(JobId(1)).unwrap();
        let facts = facts(end_ms);
        let mut folding = Folding::new(&facts);
        for (id, task) in job.all_tasks() {
            folding.add(&StartedTask { id, task: task.unwrap(), is_led: false });
        }
        let summary = folding.end(facts);
        assert_eq!((summary.maps.count, summary.reduces.count), (MAPS.into(), REDUCES.into()));
        assert_eq!(summary.attempts, u64::from(MAPS + REDUCES) + 2);
        assert_eq!(summary.rows.len(), ROWS_MAX + 1, "the others share one");
        assert!(summary.bars.is_none());
        let slowest: Vec<u64> = summary.maps.slowest.iter().map(|(_, _, ms)| *ms).collect();
        assert!(slowest.len() == SLOWEST_MAX && slowest.is_sorted_by(|a, b| a >= b));
        assert_eq!(slowest[0], summary.maps.most_ms);
        // The columns add up to the time of all attempts.
        let drawn: f32 = summary.rows.iter().flat_map(|(_, row)| row).flatten().sum();
        let held: u64 = job
            .all_tasks()
            .flat_map(|(_, task)| task.unwrap().attempts())
            .map(|it| it.ended_ms.unwrap() - it.started_ms)
            .sum();
        let columns = held as f64 * COLUMNS as f64 / end_ms as f64;
        assert!((f64::from(drawn) / columns - 1.0).abs() < 0.01, "{drawn} of {columns}");
        let links = crate::web::pages::Links::Yes;
        let picture = crate::web::pages::timeline(&summary, links);
        assert!(picture.len() < 150_000, "{}", picture.len());
    }

    #[test]
    fn each_duration_counts_in_its_step_of_the_histogram() {
        for (ms, begin) in [(0, 1), (1, 1), (3, 3), (100, 91), (1_000, 724), (60_000, 46_341)] {
            assert_eq!(step_ms(step(ms)), begin, "{ms}");
        }
        let kind = Kind::default().measured(vec![5, 1, 100, 3, 4]);
        assert_eq!((kind.count, kind.least_ms, kind.median_ms, kind.most_ms), (5, 1, 4, 100));
        assert_eq!(kind.histogram.iter().sum::<u32>(), 5);
        assert_eq!(Kind::default().measured(Vec::new()).most_ms, 0);
    }
}
