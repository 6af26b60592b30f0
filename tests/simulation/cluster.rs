//! One run of the whole cluster: machines, time, and the invariants at each moment and at the end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use gristmill::client::Submission;
use gristmill::clock::Manual;
use gristmill::model::{JobId, JobState};
use gristmill::rpc::masters::{MasterLine, Masters};
use gristmill::scheduler::Command;
use tempfile::TempDir;

use crate::alone::Outcome;
use crate::chance::Chance;
use crate::faults::{Course, Faults, MASTERS, WORKERS, Who};
use crate::history::History;
use crate::invariants::one_leader_at_once::Leaders;
use crate::invariants::same_log_same_state::States;
use crate::invariants::{
    faults_are_not_amplified, leaders_change_for_nothing, masters_are_level, nothing_is_left,
    nothing_is_visible_before_the_decision,
};
use crate::machines::Machine;
use crate::network::Network;
use crate::{moody, words};

/// Time from which the network loses nothing, in milliseconds from the start: a safety phase comes before it, and a
/// liveness phase after it.
const CALM_AT_MS: u64 = 15_000;
/// Time by which every job must have ended, in milliseconds.
const END_BY_MS: u64 = 90_000;
/// How long the removal of leftovers may take, in milliseconds.
const SWEPT_WITHIN_MS: u64 = 30_000;
/// Time between two looks at the folder of outputs and at the leader, in milliseconds.
const LOOK_EVERY_MS: u64 = 10;
/// How long workers may look for the leader after a master was unreachable, in milliseconds: two tries of two thirds of
/// a lease, a pause, and the lease.
const FOUND_WITHIN_MS: u64 = 8_000;
/// Most log entries between the one that makes a master a voter and the one by which the others know it. Until then,
/// all earlier voters must live.
const CHANGE_ENTRIES: u64 = 10;
/// The initial time of the clock: 2026-11-23.
const WALL_MS: u64 = 1_795_424_400_000;
/// The jobs, each with its name and the number of splits of its input.
const JOBS: [(&str, u64); 3] = [("wordcount", 24), ("wordcount", 12), (moody::NAME, 12)];
/// Longest delay of a further client after the first one, in milliseconds.
const LATER_MS_MAX: u64 = 4_000;
/// How many runs in a thousand also have the last of these jobs.
const MOODY_PERMILLE: u64 = 400;
/// A folder in memory, used if it exists. Nothing that is synced needs to outlive a run.
const MEMORY: &str = "/dev/shm";
/// A path that is the same in each run, since the digests of artifacts depend on paths.
const HERE: &str = "/proc/self/cwd";

/// A running cluster.
pub(crate) struct Cluster {
    pub(crate) seed: u64,
    pub(crate) course: Course,
    _root: TempDir,
    pub(crate) manual: Manual,
    pub(crate) network: Network,
    pub(crate) history: History,
    pub(crate) faults: Faults,
    pub(crate) machines: BTreeMap<String, Machine>,
    texts: Vec<String>,
    pub(crate) leaders: Leaders,
    states: States,
    /// Draws how long a master that had to exit stays away.
    pub(crate) absences: Chance,
    pub(crate) now_ms: u64,
    /// Index of the log entry by which all masters know that they all are voters.
    pub(crate) all_vote_at: Option<u64>,
    /// When all masters first knew that, and when all jobs were first seen as accepted, in milliseconds.
    pub(crate) all_vote_since: Option<u64>,
    pub(crate) accepted_since: Option<u64>,
    /// The master that is lost for good.
    pub(crate) left: Option<Who>,
    /// When each master was last unreachable or slow.
    pub(crate) troubled_ms: BTreeMap<u64, u64>,
    /// Commands that cost work: all of them, and those that no fault explains.
    all_losses: u64,
    losses: u64,
}

/// Runs the cluster of this seed until its jobs have ended and all leftovers are removed.
pub(crate) fn run(seed: u64, course: Course) -> Outcome {
    let mut cluster = Cluster::new(seed, course);
    let broken = cluster.live().err();
    let lines = cluster.history.lines();
    let struck = cluster.struck().into_iter().map(|(what, n)| (what.to_owned(), n)).collect();
    Outcome { lines, broken, struck }
}

impl Cluster {
    fn new(seed: u64, course: Course) -> Self {
        let root = match Path::new(MEMORY).is_dir() {
            true => tempfile::tempdir_in(MEMORY).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        std::env::set_current_dir(root.path()).unwrap();
        for folder in ["inbox", "in", "out"] {
            fs::create_dir(Path::new(HERE).join(folder)).unwrap();
        }
        let history = History::new(HERE);
        let mut cluster = Self {
            seed,
            course,
            manual: Manual::at(WALL_MS),
            network: Network::new(Path::new(HERE).join("inbox")),
            _root: root,
            history,
            faults: Faults::draw(seed, course),
            machines: BTreeMap::new(),
            texts: Vec::new(),
            leaders: Leaders::default(),
            states: States::default(),
            absences: Chance::of(seed, "absences"),
            now_ms: 0,
            all_vote_at: None,
            all_vote_since: None,
            accepted_since: None,
            left: None,
            troubled_ms: BTreeMap::new(),
            all_losses: 0,
            losses: 0,
        };
        if course == Course::MastersAlone {
            cluster.network.calm_down();
        }
        (1..=MASTERS).for_each(|number| cluster.start(Who::Master(number)));
        (1..=WORKERS).for_each(|number| cluster.start(Who::Worker(number)));
        let is_moody = Chance::of(seed, "jobs").permille(MOODY_PERMILLE);
        let jobs = JOBS.len() - usize::from(!is_moody || course == Course::MastersAlone);
        (0..jobs).for_each(|job| cluster.submit(job));
        cluster.start_auditor();
        cluster
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(HERE).join(name)
    }

    fn output(&self, job: usize) -> PathBuf {
        self.path("out").join(job.to_string())
    }

    fn submit(&mut self, job: usize) {
        let name = format!("client {job}");
        let (title, splits) = JOBS[job];
        let text = words::text(&mut Chance::of(self.seed, &name), splits);
        let (input, executable) = (self.path("in").join(job.to_string()), self.path("executable"));
        fs::write(&input, &text).unwrap();
        // The time of modification is fixed, because it is part of the plan, which is an artifact.
        let written = UNIX_EPOCH + Duration::from_millis(WALL_MS);
        fs::File::options().write(true).open(&input).unwrap().set_modified(written).unwrap();
        fs::write(&executable, executable_head()).unwrap();
        self.texts.push(text);
        let spec = words::spec(title, &input, &self.output(job));
        let submission = Submission::new(name.replace(' ', "-"), executable, spec, false);
        let later_ms = Chance::of(self.seed, &format!("{name} comes")).between(0, LATER_MS_MAX);
        let after = Duration::from_millis(if job == 0 { 0 } else { later_ms });
        self.start_client(&name, submission, after);
    }

    /// Lets time pass until everything is over. Fails with the first invariant that does not hold.
    fn live(&mut self) -> Result<(), String> {
        let mut order = Chance::of(self.seed, "order");
        while self.pass(&mut order)? > 0 {
            if self.now_ms >= END_BY_MS {
                return Err(format!(
                    "every_job_ends: {END_BY_MS} ms have passed; {}",
                    self.waits()
                ));
            }
        }
        for (job, text) in self.texts.iter().enumerate() {
            let state = self.job_of(job).and_then(|id| self.history.state(id));
            if state != Some(JobState::Failed)
                && let Some(difference) = words::difference(&self.output(job), text)
            {
                return Err(format!("output_as_without_a_cluster: of client {job}: {difference}"));
            }
        }
        self.check_attempts()?;
        self.end_faults();
        let swept_by_ms = self.now_ms + SWEPT_WITHIN_MS;
        while let Err(left) = self.check_rest() {
            if self.now_ms >= swept_by_ms {
                return Err(left);
            }
            self.pass(&mut order)?;
        }
        Ok(())
    }

    /// Lets a millisecond pass on all machines, in random order. Returns how many clients still wait.
    fn pass(&mut self, order: &mut Chance) -> Result<usize, String> {
        while let Some(&(at_ms, fault)) = self.faults.at_ms.first()
            && at_ms <= self.now_ms
        {
            self.faults.at_ms.remove(0);
            self.strike(fault);
        }
        self.let_leave();
        if self.now_ms == CALM_AT_MS {
            self.end_faults();
        }
        let mut names: Vec<String> = self.machines.keys().cloned().collect();
        order.shuffle(&mut names);
        for name in &names {
            self.machines.get_mut(name).expect("machines are only added").pass();
        }
        self.now_ms += 1;
        self.manual.advance(Duration::from_millis(1));
        self.history.pass_to(self.now_ms);
        let waiting = self.look_after()?;
        self.check_moment()?;
        Ok(waiting)
    }

    /// Checks what must hold at any moment.
    fn check_moment(&mut self) -> Result<(), String> {
        if let Some(broken) = self.history.broken() {
            return Err(broken);
        }
        if let Some(panic) = self.network.panics().first() {
            return Err(format!("a service has panicked: {panic}"));
        }
        for (leadership, master) in self.network.orders() {
            self.leaders.check(leadership, master)?;
        }
        self.count_losses();
        if !self.now_ms.is_multiple_of(LOOK_EVERY_MS) {
            return Ok(());
        }
        let standings = self.standings();
        let voters = standings.iter().filter(|(line, _)| line.votes).count() as u64;
        let applied = || standings.iter().map(|(line, _)| line.applied);
        if voters == MASTERS {
            let last = applied().max().unwrap_or(0);
            let at = *self.all_vote_at.get_or_insert(last + CHANGE_ENTRIES);
            if applied().all(|index| index >= at) {
                self.all_vote_since.get_or_insert(self.now_ms);
            }
        }
        if (0..self.texts.len()).all(|job| self.job_of(job).is_some()) {
            self.accepted_since.get_or_insert(self.now_ms);
        }
        for (line, state) in standings {
            self.states.check(line.id, state)?;
            if self.leaders.see(&line) {
                self.history.note(&format!("{} leads in term {}", line.id, line.term));
            }
        }
        for job in 0..self.texts.len() {
            let id = self.job_of(job);
            let state = id.and_then(|id| self.history.state(id));
            nothing_is_visible_before_the_decision::check(&self.output(job), state)?;
        }
        Ok(())
    }

    /// Counts losses, unless two masters were in trouble recently: then workers may have waited for one after the
    /// other.
    fn count_losses(&mut self) {
        self.note_trouble();
        let of_late = |at_ms: &&u64| self.now_ms - **at_ms < FOUND_WITHIN_MS;
        let may_lose = self.troubled_ms.values().filter(of_late).count() > 1;
        let all = self.history.losses();
        self.losses += if may_lose { 0 } else { all - self.all_losses };
        self.all_losses = all;
    }

    /// Returns the status of each master that is up, with the log index and fingerprint of its state.
    fn standings(&self) -> Vec<(MasterLine, (u64, u64))> {
        let standing = |number| {
            let who = Who::Master(number);
            let host = self.machines.get(&who.to_string())?.host.as_ref()?;
            let (_, master) = self.network.master(&who.address()).ok()?;
            Some((host.ask(master.standing()).ok()?, master.fingerprint()))
        };
        (1..=MASTERS).filter_map(standing).collect()
    }

    /// Returns the job that a client has submitted, if it was accepted.
    fn job_of(&self, client: usize) -> Option<JobId> {
        let request = format!("client-{client}");
        self.history.with(|scheduler| scheduler.job_of_request(&request).map(|job| job.id()))
    }

    /// Describes what the unfinished jobs wait for.
    fn waits(&self) -> String {
        let waits = self.history.with(|scheduler| {
            let live = scheduler.jobs().filter(|job| !job.state().is_terminal());
            let waits =
                live.map(|job| format!("{} waits: {:?}", job.id(), scheduler.reason(job.id())));
            waits.collect::<Vec<_>>().join(", ")
        });
        format!("{waits}; {:?}", self.standings())
    }

    fn check_attempts(&self) -> Result<(), String> {
        let struck = self.struck();
        let lost = struck["workers lost"];
        if self.course == Course::MastersAlone {
            return leaders_change_for_nothing::check(self.losses);
        }
        let tasks = self.history.with(|scheduler| {
            scheduler.jobs().map(|job| job.all_tasks().count() as u64).sum::<u64>()
        });
        let (attempts, mishaps) = (self.history.attempts(), self.network.mishaps());
        faults_are_not_amplified::check(tasks, attempts, lost, mishaps + self.faults.of_masters)
    }

    /// Checks what must hold some time after the last job has ended.
    fn check_rest(&self) -> Result<(), String> {
        let masters = MASTERS - u64::from(self.left.is_some());
        masters_are_level::check(masters, &self.standings())?;
        let is_up = |who: &Who| {
            self.machines.get(&who.to_string()).is_some_and(|machine| machine.host.is_some())
        };
        let workers = (1..=WORKERS).map(Who::Worker).filter(is_up);
        let data: Vec<PathBuf> = workers.map(|who| self.path(&who.to_string())).collect();
        let data: Vec<&Path> = data.iter().map(PathBuf::as_path).collect();
        let is_there = |state: &JobState| *state == JobState::Succeeded;
        let jobs = (0..self.texts.len()).filter_map(|job| self.history.state(self.job_of(job)?));
        nothing_is_left::check(&self.path("out"), jobs.filter(is_there).count(), &data)
    }

    fn struck(&self) -> BTreeMap<&'static str, u64> {
        let counter = |name| {
            self.history.with(|scheduler| {
                let of =
                    |job: &gristmill::scheduler::Job| job.all_counters().get("Job Counters", name);
                scheduler.jobs().map(of).sum::<u64>()
            })
        };
        let masters = self.machines.iter().filter(|(name, _)| name.starts_with("master"));
        let back = masters.map(|(_, machine)| machine.starts - 1).sum();
        BTreeMap::from([
            ("attempts", self.history.attempts()),
            ("attempts run again", counter("attempts_rerun")),
            ("backups", counter("backups_started")),
            ("leaders", self.leaders.count()),
            ("masters lost", u64::from(self.left.is_some())),
            ("masters back", back),
            ("mishaps", self.network.mishaps()),
            (
                "workers lost",
                self.history.commands(|command| matches!(command, Command::LoseWorker(_))),
            ),
            ("milliseconds", self.now_ms),
        ])
    }
}

/// Returns the smallest file that is accepted as an executable of this machine.
fn executable_head() -> Vec<u8> {
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let mut head = b"\x7fELF\x02\x01".to_vec();
    head.resize(16, 0);
    head.extend(3_u16.to_le_bytes());
    head.extend(machine.to_le_bytes());
    head
}
