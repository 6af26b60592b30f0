//! Records everything that happens, line by line, and feeds the same commands to a second scheduler that is checked
//! against the invariants.

use std::sync::{Arc, Mutex, MutexGuard};

use gristmill::master::Journal;
use gristmill::model::{AttemptId, JobId, JobState};
use gristmill::scheduler::{Command, Effect, Rejection, Scheduler};

use crate::invariants::same_log_same_state::Log;
use crate::invariants::told_is_kept::Acknowledged;
use crate::invariants::{EachStep, Step, leaders_change_for_nothing};

/// The history of a run. Clones share one history.
#[derive(Clone)]
pub(crate) struct History {
    past: Arc<Mutex<Past>>,
}

struct Past {
    /// Folder of the run. It is replaced in the recorded lines, since it differs from run to run.
    folder: String,
    now_ms: u64,
    lines: Vec<String>,
    log: Log,
    acknowledged: Acknowledged,
    /// A second scheduler, which gets only the masters' commands.
    scheduler: Scheduler,
    commands: Vec<Command>,
    attempts: u64,
    losses: u64,
    each_step: EachStep,
    broken: Option<String>,
}

impl History {
    pub(crate) fn new(folder: &str) -> Self {
        let past = Past {
            folder: folder.into(),
            now_ms: 0,
            lines: Vec::new(),
            log: Log::default(),
            acknowledged: Acknowledged::default(),
            scheduler: Scheduler::new(),
            commands: Vec::new(),
            attempts: 0,
            losses: 0,
            each_step: EachStep::default(),
            broken: None,
        };
        Self { past: Arc::new(Mutex::new(past)) }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap()
    }

    /// Returns the journal to start a master with.
    pub(crate) fn journal(&self, master: u64) -> Journal {
        let history = self.clone();
        Arc::new(move |index, all| {
            let mut past = history.past();
            match past.log.check(master, index, all) {
                Ok(true) => all.iter().for_each(|done| {
                    past.applied(done.at_ms, done.command.clone(), &done.did);
                }),
                Ok(false) => {}
                Err(broken) => past.breaks(broken),
            }
        })
    }

    /// Records that a client was told that its submission is this job.
    pub(crate) fn accepted(&self, request: &str, job: JobId) {
        let mut past = self.past();
        past.write(&format!("{request} is {job}"));
        past.acknowledged.accept(job);
        if let Err(broken) = past.each_step.one_job_per_submission.acknowledge(request, job) {
            past.breaks(broken);
        }
    }

    /// Records that a client was told that a job is in this state.
    pub(crate) fn ended(&self, job: JobId, state: JobState) {
        self.past().acknowledged.end(job, state);
    }

    /// Returns everything that clients were told so far.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        self.past().acknowledged.clone()
    }

    pub(crate) fn pass_to(&self, now_ms: u64) {
        self.past().now_ms = now_ms;
    }

    /// Records an event of the simulation.
    pub(crate) fn note(&self, what: &str) {
        self.past().write(what);
    }

    /// Records that an attempt begins in an executor.
    pub(crate) fn begins(&self, place: &str, attempt: AttemptId) {
        let mut past = self.past();
        past.attempts += 1;
        past.write(&format!("{place} begins {attempt}"));
        if let Err(broken) = past.each_step.attempts_begin_once.begins(place, attempt) {
            past.breaks(broken);
        }
    }

    /// Returns the first violation of an invariant, if there was one.
    pub(crate) fn broken(&self) -> Option<String> {
        self.past().broken.clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.past().lines.clone()
    }

    /// Returns how many attempts began in executors.
    pub(crate) fn attempts(&self) -> u64 {
        self.past().attempts
    }

    /// Returns how many accepted commands cost work.
    pub(crate) fn losses(&self) -> u64 {
        self.past().losses
    }

    /// Returns how many accepted commands satisfy `is_meant`.
    pub(crate) fn commands(&self, is_meant: impl Fn(&Command) -> bool) -> u64 {
        self.past().commands.iter().filter(|command| is_meant(command)).count() as u64
    }

    pub(crate) fn state(&self, job: JobId) -> Option<JobState> {
        self.past().scheduler.job(job).map(gristmill::scheduler::Job::state)
    }

    /// Passes the current state of the second scheduler to a closure.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Scheduler) -> T) -> T {
        look(&self.past().scheduler)
    }
}

impl Past {
    fn write(&mut self, what: &str) {
        let what = what.replace(&self.folder, "");
        self.lines.push(format!("{:>6} {what}", self.now_ms));
    }

    fn breaks(&mut self, what: String) {
        self.write(&what);
        self.broken.get_or_insert(what);
    }

    fn applied(&mut self, at_ms: u64, command: Command, answer: &Result<Vec<Effect>, Rejection>) {
        self.write(&format!("{command:?} => {answer:?}"));
        // A master that starts from a snapshot must behave alike.
        if self.commands.len() % 64 == 63 {
            let snapshot = bincode::serialize(&self.scheduler).unwrap();
            self.scheduler = bincode::deserialize(&snapshot).unwrap();
        }
        let is_loss = leaders_change_for_nothing::is_loss(&self.scheduler, &command);
        let ours = self.scheduler.apply(at_ms, command.clone());
        let step = Step { command: &command, answer, ours: &ours, scheduler: &self.scheduler };
        if let Err(broken) = self.each_step.check(&step) {
            self.breaks(broken);
        }
        if answer.is_ok() {
            self.losses += u64::from(is_loss);
            self.commands.push(command);
        }
    }
}
