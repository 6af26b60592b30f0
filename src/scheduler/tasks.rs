//! The tasks of one kind within a job, and which of them are idle, in progress or completed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Straggler, Worth};
use super::budget::{CHOOSY_MS, Ledger, pause_ms};
use super::task::{Task, TaskProgress, Winner};
use crate::model::{AttemptState, Cause, Usage, WorkerId};

/// Progress of the tasks of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Tasks of this kind.
    pub total: u32,
    /// Tasks that have a winning attempt.
    pub done: u32,
    /// Tasks that have a running attempt.
    pub running: u32,
}

/// Consequences of a win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Win {
    /// Whether this task never won before.
    pub(super) is_first: bool,
    /// Whether its output is known to differ from that of the winner that it replaces.
    pub(super) differs: bool,
}

/// Most tasks to retry that are examined for one that may go to a free worker.
const LOOKED_AT_MAX: usize = 64;

/// What a recently failed task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wait {
    /// Number of consecutive failures.
    pub failures: u32,
    /// Whether it pauses. Otherwise it may start at once, but not on a worker on which it has failed.
    pub rests: bool,
}

impl Wait {
    /// For how long, in milliseconds.
    pub fn period_ms(self) -> u64 {
        if self.rests { pause_ms(self.failures) } else { CHOOSY_MS }
    }
}

/// A task that has joined another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Led {
    leader: u32,
    /// Difference between its own attempt number and the leader's number for the same attempt.
    beyond: i32,
    /// The first of its own attempt numbers that it shares with the leader.
    first: u32,
}

/// All tasks of one kind, in three parts. Tasks that never started are not stored at all. Tasks to retry are in an
/// ordered set, so that the next one is found without a search.
///
/// Tasks may have *joined* another task, which leads them: each attempt of the leader is an attempt of all of them,
/// and has one output for all, the leader's. They start, win and are lost together. Only tasks without a winner or a
/// failed attempt join. Once the leader has won, another attempt of it runs the same tasks again; before that, they
/// separate when no attempt runs. If a task was started before it joined, it and its leader number the same attempts
/// differently.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tasks {
    progress: Progress,
    /// Tasks that have won at least once, whether their output still exists or not.
    ever_won: u32,
    /// Tasks `0..started.len()`.
    started: Vec<Task>,
    /// Started tasks that are idle and not led by another.
    again: BTreeSet<u32>,
    /// Started tasks that pause after failures, and do not start before the pause ends.
    resting: BTreeSet<u32>,
    /// Recently failed tasks of both sets, which do not start where they failed while another worker may take them.
    choosy: BTreeSet<u32>,
    /// The tasks that have joined a leader, in order.
    joined: BTreeMap<u32, Vec<u32>>,
    /// The leader of each of them.
    leaders: BTreeMap<u32, Led>,
    /// Running tasks that have joined another.
    running_led: u32,
    /// Attempts at tasks that have since left their leader, by index and number, each with the leader's attempt that
    /// it was part of.
    parted: BTreeMap<(u32, u32), (u32, u32)>,
}

impl Tasks {
    pub(super) fn new(total: u32) -> Self {
        Self { progress: Progress { total, ..Progress::default() }, ..Self::default() }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress.done == self.progress.total
    }

    pub(super) fn has_started(&self) -> bool {
        !self.started.is_empty()
    }

    /// Tasks that have won once and whose output is lost.
    pub(super) fn lost(&self) -> u32 {
        self.ever_won - self.progress.done
    }

    /// Whether each task has won at least once.
    pub(super) fn have_all_won(&self) -> bool {
        self.ever_won == self.progress.total
    }

    pub(super) fn get(&self, index: u32) -> Option<&Task> {
        self.started.get(index as usize)
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Task> {
        self.started.get_mut(index as usize)
    }

    /// Index and winner of every completed task, in order.
    pub(super) fn winners(&self) -> impl Iterator<Item = (u32, Winner)> {
        (0u32..).zip(&self.started).filter_map(|(index, task)| Some((index, task.winner()?)))
    }

    /// The idle task with the lowest index.
    pub(super) fn next_idle(&self) -> Option<u32> {
        let fresh = u32::try_from(self.started.len()).ok();
        // All tasks to retry have a lower index than those that never ran.
        self.again.first().copied().or(fresh.filter(|&index| index < self.progress.total))
    }

    /// The idle tasks that are worth examining, in the order in which they start. Tasks that never ran have no
    /// preferences.
    pub(super) fn idle_ones(&self) -> impl Iterator<Item = u32> {
        let fresh = u32::try_from(self.started.len()).ok();
        let fresh = fresh.filter(|&index| index < self.progress.total);
        self.again.iter().copied().take(LOOKED_AT_MAX).chain(fresh)
    }

    /// Whether a task waits for a worker on which it has not failed, if there is one.
    pub(super) fn is_choosy(&self, index: u32) -> bool {
        self.choosy.contains(&index)
    }

    /// Workers on which attempts of a task have failed, each listed once.
    pub(super) fn failed_on(&self, index: u32) -> Vec<WorkerId> {
        let attempts = self.get(index).map(Task::attempts).unwrap_or_default();
        let failed = attempts.iter().filter(|attempt| attempt.state == AttemptState::Failed);
        let mut workers: Vec<WorkerId> = failed.map(|attempt| attempt.worker).collect();
        workers.sort_unstable();
        workers.dedup();
        workers
    }

    /// The task that leads this one, if this one has joined it.
    pub(super) fn leader(&self, index: u32) -> Option<u32> {
        self.leaders.get(&index).map(|led| led.leader)
    }

    /// The leader's number of an attempt of a task, if the task has a leader.
    pub(super) fn number_of_leader(&self, index: u32, number: u32) -> u32 {
        number.saturating_add_signed(-self.beyond(index))
    }

    /// Whether the task's attempt with this number is also an attempt of its leader.
    pub(super) fn is_shared(&self, index: u32, number: u32) -> bool {
        self.leaders.get(&index).is_some_and(|led| number >= led.first)
    }

    /// The task's own number of an attempt of its leader, if the task was part of it.
    fn own_number(&self, index: u32, of_leader: u32) -> u32 {
        of_leader.saturating_add_signed(self.beyond(index))
    }

    fn beyond(&self, index: u32) -> i32 {
        self.leaders.get(&index).map_or(0, |led| led.beyond)
    }

    /// The tasks that have joined this one.
    pub(super) fn joined(&self, leader: u32) -> &[u32] {
        self.joined.get(&leader).map(Vec::as_slice).unwrap_or_default()
    }

    /// A task, and those that have joined it.
    fn together(&self, leader: u32) -> Vec<u32> {
        std::iter::once(leader).chain(self.joined(leader).iter().copied()).collect()
    }

    /// Tasks that were never started.
    pub(super) fn fresh(&self) -> u32 {
        self.progress.total - u32::try_from(self.started.len()).unwrap_or(self.progress.total)
    }

    /// Tasks with a running attempt in a slot of its own. Tasks that joined another one share its slot.
    pub(super) fn running_alone(&self) -> u32 {
        self.progress.running - self.running_led
    }

    /// Tasks to start, again or for the first time.
    pub(super) fn idle(&self) -> u32 {
        self.fresh().saturating_add(u32::try_from(self.again.len()).unwrap_or(u32::MAX))
    }

    /// Whether more tasks may join an attempt: it is the only running one, and no attempt has won or failed.
    pub(super) fn may_lead(&self, index: u32, number: u32) -> bool {
        let found = self.get(index).filter(|task| task.started == number && task.is_blameless());
        found.is_some_and(|task| task.progress == TaskProgress::InProgress { running: 1 })
            && self.leader(index).is_none()
    }

    /// The next idle task, if it may join another one.
    pub(super) fn next_to_join(&self) -> Option<u32> {
        let may = |index: &u32| self.get(*index).is_none_or(Task::is_blameless);
        self.next_idle().filter(may)
    }

    /// Starts an attempt of one of the [idle tasks](Self::idle_ones), and returns the attempt's number.
    pub(super) fn start_idle(&mut self, leader: u32, worker: WorkerId, now_ms: u64) -> Option<u32> {
        self.choosy.remove(&leader);
        if !self.again.remove(&leader) {
            self.started.push(Task::new());
        }
        for index in self.together(leader) {
            self.start(index, worker, now_ms);
        }
        Some(self.get(leader)?.started)
    }

    fn start(&mut self, index: u32, worker: WorkerId, now_ms: u64) {
        if let Some(task) = self.started.get_mut(index as usize) {
            task.progress = TaskProgress::InProgress { running: 1 };
            task.start(worker, now_ms, None);
            self.runs(index, true);
        }
    }

    /// Counts a task that starts or stops running.
    fn runs(&mut self, index: u32, runs: bool) {
        let count = |count: &mut u32| if runs { *count += 1 } else { *count -= 1 };
        count(&mut self.progress.running);
        if self.leaders.contains_key(&index) {
            count(&mut self.running_led);
        }
    }

    /// Makes up to `most` idle tasks join a task that may lead them. Returns the numbers of their attempts.
    pub(super) fn join(
        &mut self,
        (leader, most): (u32, u32),
        worker: WorkerId,
        now_ms: u64,
    ) -> Vec<u32> {
        let mut numbers = Vec::new();
        let of_leader = self.get(leader).map_or(0, Task::started);
        while numbers.len() < most as usize
            && let Some(index) = self.next_to_join()
        {
            if !self.again.remove(&index) {
                self.started.push(Task::new());
            }
            self.choosy.remove(&index);
            let number = 1 + self.get(index).map_or(0, Task::started);
            let beyond = number.cast_signed().saturating_sub(of_leader.cast_signed());
            self.joined.entry(leader).or_default().push(index);
            self.leaders.insert(index, Led { leader, beyond, first: number });
            self.start(index, worker, now_ms);
            numbers.push(number);
        }
        numbers
    }

    /// Starts a second attempt of a running task, and returns its number.
    pub(super) fn back_up(
        &mut self,
        leader: u32,
        worker: WorkerId,
        straggler: Straggler,
        now_ms: u64,
    ) -> Option<u32> {
        for index in self.together(leader) {
            let task = self.get_mut(index)?;
            let TaskProgress::InProgress { running } = &mut task.progress else { return None };
            *running += 1;
            task.start(worker, now_ms, Some(straggler));
        }
        Some(self.get(leader)?.started)
    }

    /// A running attempt has ended. If it has not won, its task may be idle again.
    pub(super) fn close(
        &mut self,
        (leader, number): (u32, u32),
        state: AttemptState,
        cause: Cause,
        now_ms: u64,
    ) -> Option<Worth> {
        let mut worth = None;
        for index in self.together(leader) {
            let own = self.own_number(index, number);
            let of_this = self.close_one((index, own), state, cause, now_ms);
            worth = worth.or(of_this.filter(|_| index == leader));
        }
        let task = self.get(leader)?;
        if task.progress == TaskProgress::Idle {
            if task.last_winner.is_none() {
                self.part(leader, 0);
            }
            self.again.insert(leader);
        }
        worth
    }

    fn close_one(
        &mut self,
        (index, number): (u32, u32),
        state: AttemptState,
        cause: Cause,
        now_ms: u64,
    ) -> Option<Worth> {
        let task = self.get_mut(index)?;
        let attempt = task.attempts.iter_mut().rev().find(|attempt| attempt.number == number);
        let worth = attempt.and_then(|attempt| attempt.close(state, cause, now_ms));
        task.failed_in_row += u32::from(state == AttemptState::Failed);
        match &mut task.progress {
            TaskProgress::InProgress { running } if *running > 1 => *running -= 1,
            TaskProgress::InProgress { .. } => {
                task.progress = TaskProgress::Idle;
                self.runs(index, false);
            }
            TaskProgress::Idle | TaskProgress::Completed => {}
        }
        worth
    }

    /// Separates all but the first `kept` tasks that have joined a leader. A separated task whose attempt was running
    /// becomes idle.
    fn part(&mut self, leader: u32, kept: usize) {
        let Some(joined) = self.joined.get_mut(&leader) else { return };
        let parted = joined.split_off(kept.min(joined.len()));
        if joined.is_empty() {
            self.joined.remove(&leader);
        }
        for index in parted {
            self.note_parting(index);
            self.leaders.remove(&index);
            self.again.insert(index);
        }
    }

    /// An attempt of a task has failed, and no other is running. If the task has failed before, it pauses for a while.
    /// After that it prefers other workers for a while.
    pub(super) fn rest(&mut self, index: u32) {
        if !self.again.contains(&index) {
            return;
        }
        self.choosy.insert(index);
        let failures = self.get(index).map_or(0, |task| task.failed_in_row);
        if pause_ms(failures) > 0 {
            self.again.remove(&index);
            self.resting.insert(index);
        }
    }

    /// What each recently failed task waits for.
    pub(super) fn waits(&self) -> impl Iterator<Item = (u32, Wait)> {
        self.choosy.iter().map(|&index| {
            let failures = self.get(index).map_or(0, |task| task.failed_in_row);
            (index, Wait { failures, rests: self.resting.contains(&index) })
        })
    }

    /// Ends a task's wait. Returns whether the task was waiting for that.
    pub(super) fn wake(&mut self, index: u32, wait: Wait) -> bool {
        let failures = self.get(index).map_or(0, |task| task.failed_in_row);
        let found = Wait { failures, rests: self.resting.contains(&index) };
        if found != wait || !self.choosy.contains(&index) {
            return false;
        }
        if wait.rests {
            self.resting.remove(&index);
            self.again.insert(index);
        } else {
            self.choosy.remove(&index);
        }
        true
    }

    /// Remembers which of its leader's attempts each attempt at a task was part of.
    fn note_parting(&mut self, index: u32) {
        let Some(&Led { leader, first, .. }) = self.leaders.get(&index) else { return };
        let attempts = |index| self.get(index).map(Task::attempts).unwrap_or_default();
        let own = attempts(index).iter().filter(|own| own.number >= first);
        let shared = own.filter_map(|own| {
            let number = self.number_of_leader(index, own.number);
            let is_it = |its: &Attempt| its.number == number && its.worker == own.worker;
            attempts(leader).iter().any(is_it).then_some(((index, own.number), (leader, number)))
        });
        let shared: Vec<_> = shared.collect();
        for (own, its) in shared {
            self.parted.entry(own).or_insert(its);
        }
    }

    /// The leader's attempt that an attempt was part of, by index and number, if its task has since left that leader.
    pub(super) fn parted(&self, index: u32, number: u32) -> Option<(u32, u32)> {
        self.parted.get(&(index, number)).copied()
    }

    /// Counts one failure, and returns the number of failures of its kind.
    pub(super) fn charge(&mut self, index: u32, ledger: Ledger) -> u32 {
        self.get_mut(index).map_or(0, |task| task.spent.charge(ledger))
    }

    /// A running attempt has won, with the first `joined` of the tasks that joined its own task.
    ///
    /// The others joined too late: their attempts have ended, and they are idle.
    pub(super) fn complete(
        &mut self,
        leader: u32,
        winner: Winner,
        joined: u32,
        now_ms: u64,
    ) -> Win {
        let late: Vec<u32> = self.joined(leader).iter().skip(joined as usize).copied().collect();
        for index in late {
            let attempts = self.get(index).map(Task::attempts).unwrap_or_default();
            let running = attempts.iter().filter(|one| one.state == AttemptState::Running);
            for number in running.map(|one| one.number).collect::<Vec<_>>() {
                self.close_one((index, number), AttemptState::Killed, Cause::Killed, now_ms);
            }
        }
        self.part(leader, joined as usize);
        for &index in &self.together(leader)[1..] {
            let number = self.own_number(index, winner.number);
            self.complete_one(index, Winner { number, usage: Usage::default(), ..winner });
        }
        self.complete_one(leader, winner)
    }

    fn complete_one(&mut self, index: u32, winner: Winner) -> Win {
        let Some(task) = self.get_mut(index) else {
            return Win { is_first: false, differs: false };
        };
        let before = task.last_winner.replace(winner);
        task.progress = TaskProgress::Completed;
        task.failed_in_row = 0;
        self.runs(index, false);
        self.progress.done += 1;
        self.ever_won += u32::from(before.is_none());
        let digests = (before.and_then(|before| before.digest), winner.digest);
        let differs = matches!(digests, (Some(before), Some(now)) if before != now);
        Win { is_first: before.is_none(), differs }
    }

    /// A winner's output is lost, so the task must run again, with all tasks that have joined it. Returns whether it
    /// had an output.
    pub(super) fn lose(&mut self, leader: u32) -> bool {
        if self.get(leader).is_none_or(|task| task.progress != TaskProgress::Completed) {
            return false;
        }
        for index in self.together(leader) {
            if let Some(task) = self.get_mut(index) {
                task.progress = TaskProgress::Idle;
                self.progress.done -= 1;
            }
        }
        self.again.insert(leader);
        true
    }

    /// The last winner's output was found.
    pub(super) fn restore(&mut self, leader: u32) {
        for index in self.together(leader) {
            let Some(task) = self.get_mut(index) else { continue };
            let before = std::mem::replace(&mut task.progress, TaskProgress::Completed);
            self.progress.done += u32::from(before != TaskProgress::Completed);
            if matches!(before, TaskProgress::InProgress { .. }) {
                self.runs(index, false);
            }
        }
        self.again.remove(&leader);
        self.resting.remove(&leader);
        self.choosy.remove(&leader);
    }
}
