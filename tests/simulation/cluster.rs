//! One run of the whole cluster: machines, time, faults, and what must hold at each moment and at the end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gristmill::client::Submission;
use gristmill::clock::Manual;
use gristmill::scheduler::Command;
use gristmill::spec::JobId;
use tempfile::TempDir;

use crate::chance::Chance;
use crate::faults::{Fault, Faults, WORKERS};
use crate::functions::Functions;
use crate::history::History;
use crate::host::Host;
use crate::invariants::{
    faults_are_not_amplified, nothing_is_left, nothing_is_visible_before_the_decision,
};
use crate::network::{Link, Network};
use crate::{programs, words};

/// From then on the network loses nothing, in milliseconds from the start: a safety phase, then one for liveness.
const CALM_AT_MS: u64 = 15_000;
/// By then every job must have ended.
const END_BY_MS: u64 = 90_000;
/// How long what is left may take to be swept.
const SWEPT_WITHIN_MS: u64 = 30_000;
/// Between two looks at the outputs' folder.
const LOOK_EVERY_MS: u64 = 10;
/// The clock's beginning: 2026-11-23.
const WALL_MS: u64 = 1_795_424_400_000;
/// Splits of each job's input.
const SPLITS: [u64; 2] = [24, 12];

/// What a run has shown.
pub(crate) struct Outcome {
    /// Every command with its effects, every attempt that began, every fault.
    pub(crate) lines: Vec<String>,
    /// The first thing that did not hold.
    pub(crate) broken: Option<String>,
    /// How often something struck, by name.
    pub(crate) struck: BTreeMap<&'static str, u64>,
}

/// A cluster that runs.
struct Cluster {
    seed: u64,
    root: TempDir,
    manual: Manual,
    network: Network,
    history: History,
    faults: Faults,
    machines: BTreeMap<String, Machine>,
    texts: Vec<String>,
    now_ms: u64,
}

/// A machine, up or down.
struct Machine {
    host: Option<Host>,
    link: Link,
    is_frozen: bool,
    starts: u64,
}

/// Runs the cluster of this seed until its jobs have ended and all is swept.
pub(crate) fn run(seed: u64) -> Outcome {
    let mut cluster = Cluster::new(seed);
    let broken = cluster.live().err();
    let lines = cluster.history.lines();
    let struck = cluster.struck();
    Outcome { lines, broken, struck }
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["inbox", "in", "out"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let history = History::new(root.path().to_str().unwrap());
        let mut cluster = Self {
            seed,
            manual: Manual::at(WALL_MS),
            network: Network::new(root.path().join("inbox")),
            root,
            history,
            faults: Faults::draw(seed),
            machines: BTreeMap::new(),
            texts: Vec::new(),
            now_ms: 0,
        };
        cluster.start_master();
        (1..=WORKERS).for_each(|worker| cluster.start_worker(worker));
        (0..SPLITS.len()).for_each(|job| cluster.start_client(job));
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn output(&self, job: usize) -> PathBuf {
        self.path("out").join(job.to_string())
    }

    fn link(&self, name: &str, slowness: u64) -> Link {
        Link::new(&self.network, Chance::of(self.seed, &format!("{name} link")), slowness)
    }

    fn add(&mut self, name: &str, link: Link, host: Host) {
        let starts = self.machines.get(name).map_or(0, |machine| machine.starts) + 1;
        let machine = Machine { host: Some(host), link, is_frozen: false, starts };
        self.machines.insert(name.into(), machine);
    }

    fn start_master(&mut self) {
        let (data, clock, seed) = (self.path("master"), self.manual.clock(), self.seed);
        let around = (self.network.clone(), self.history.clone());
        let host = Host::start(move |at| programs::master(at, data, clock, seed, around));
        self.add("master", self.link("master", 1), host);
    }

    fn start_worker(&mut self, number: u64) {
        let name = format!("worker {number}");
        let starts = self.machines.get(&name).map_or(0, |machine| machine.starts) + 1;
        let place = format!("{name} start {starts}");
        let slowness = self.faults.slowness(number);
        let link = self.link(&place, slowness);
        let (data, clock) = (self.path(&name), self.manual.clock());
        let history = self.history.clone();
        let functions = Functions { seed: self.seed, place, slowness, history };
        let its = link.clone();
        let host = Host::start(move |at| programs::worker(at, number, data, clock, its, functions));
        self.add(&name, link, host);
    }

    fn start_client(&mut self, job: usize) {
        let name = format!("client {job}");
        let text = words::text(&mut Chance::of(self.seed, &name), SPLITS[job]);
        let (input, executable) = (self.path("in").join(job.to_string()), self.path("executable"));
        fs::write(&input, &text).unwrap();
        fs::write(&executable, executable_head()).unwrap();
        self.texts.push(text);
        let submission = Submission {
            id: name.replace(' ', "-"),
            executable,
            spec: words::spec("wordcount", &input, &self.output(job)),
            map_only: false,
            priority: 5,
            max_attempts: 0,
            task_timeout: Duration::ZERO,
            backups: true,
        };
        let link = self.link(&name, 1);
        let (its, history) = (link.clone(), self.history.clone());
        let host = Host::start(move |_| programs::client(its, submission, history));
        self.add(&name, link, host);
    }

    /// Lets time pass until everything is over; fails with what does not hold.
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
            if let Some(difference) = words::difference(&self.output(job), text) {
                return Err(format!("output_as_without_a_cluster: of client {job}: {difference}"));
            }
        }
        self.check_attempts()?;
        self.network.calm_down();
        let swept_by_ms = self.now_ms + SWEPT_WITHIN_MS;
        while let Err(left) = self.check_folders() {
            if self.now_ms >= swept_by_ms {
                return Err(left);
            }
            self.pass(&mut order)?;
        }
        Ok(())
    }

    /// A millisecond passes everywhere, on one machine after the other in any order; gives how many clients still wait.
    fn pass(&mut self, order: &mut Chance) -> Result<usize, String> {
        while let Some(&(at_ms, fault)) = self.faults.at_ms.first()
            && at_ms <= self.now_ms
        {
            self.faults.at_ms.remove(0);
            self.strike(fault);
        }
        if self.now_ms == CALM_AT_MS {
            self.network.calm_down();
        }
        let mut names: Vec<String> = self.machines.keys().cloned().collect();
        order.shuffle(&mut names);
        for name in &names {
            let machine = self.machines.get_mut(name).expect("machines are only added");
            match &mut machine.host {
                Some(host) if machine.is_frozen => host.stand_still(),
                Some(host) => host.step(),
                None => {}
            }
        }
        self.now_ms += 1;
        self.manual.advance(Duration::from_millis(1));
        self.history.pass_to(self.now_ms);
        self.check_moment()?;
        self.clients_that_wait()
    }

    fn strike(&mut self, fault: Fault) {
        self.history.note(&format!("{fault:?}"));
        let machine =
            |machines: &mut BTreeMap<String, Machine>, worker: u64, change: fn(&mut Machine)| {
                machines.get_mut(&format!("worker {worker}")).into_iter().for_each(change);
            };
        match fault {
            Fault::Crash { worker, is_dark } => machine(
                &mut self.machines,
                worker,
                if is_dark { Machine::lose_power } else { Machine::crash },
            ),
            Fault::Freeze { worker } => {
                machine(&mut self.machines, worker, |machine| machine.is_frozen = true);
            }
            Fault::Thaw { worker } => {
                machine(&mut self.machines, worker, |machine| machine.is_frozen = false);
            }
            Fault::Return { worker } => self.start_worker(worker),
        }
    }

    /// What must hold at any moment.
    fn check_moment(&self) -> Result<(), String> {
        if let Some(broken) = self.history.broken() {
            return Err(broken);
        }
        if let Some(panic) = self.network.panics().first() {
            return Err(format!("a service has panicked: {panic}"));
        }
        if !self.now_ms.is_multiple_of(LOOK_EVERY_MS) {
            return Ok(());
        }
        for job in 0..SPLITS.len() {
            let id = self.job_of(job);
            let state = id.and_then(|id| self.history.state(id));
            nothing_is_visible_before_the_decision::check(&self.output(job), state)?;
        }
        Ok(())
    }

    /// The job that a client has submitted, if it was accepted.
    fn job_of(&self, client: usize) -> Option<JobId> {
        let request = format!("client-{client}");
        self.history.with(|scheduler| scheduler.job_of_request(&request).map(|job| job.id()))
    }

    /// How many clients have not ended; a worker or master that ends is a fault of ours.
    fn clients_that_wait(&mut self) -> Result<usize, String> {
        let mut waiting = 0;
        for (name, machine) in &mut self.machines {
            let Some(host) = &mut machine.host else { continue };
            match host.ended() {
                Some(Ok(())) if name.starts_with("client") => machine.host = None,
                Some(ended) => return Err(format!("{name} has ended: {ended:?}")),
                None => waiting += usize::from(name.starts_with("client")),
            }
        }
        Ok(waiting)
    }

    /// What the jobs that have not ended wait for.
    fn waits(&self) -> String {
        self.history.with(|scheduler| {
            let live = scheduler.jobs().filter(|job| !job.state().is_terminal());
            let waits =
                live.map(|job| format!("{} waits: {:?}", job.id(), scheduler.reason(job.id())));
            waits.collect::<Vec<_>>().join(", ")
        })
    }

    fn check_attempts(&self) -> Result<(), String> {
        let tasks = self.history.with(|scheduler| {
            scheduler.jobs().map(|job| job.all_tasks().count() as u64).sum::<u64>()
        });
        let lost = self.struck()["workers lost"];
        let (attempts, mishaps) = (self.history.attempts(), self.network.mishaps());
        faults_are_not_amplified::check(tasks, attempts, lost, mishaps)
    }

    fn check_folders(&self) -> Result<(), String> {
        let up = self.machines.iter().filter(|(_, machine)| machine.host.is_some());
        let data: Vec<PathBuf> = up.map(|(name, _)| self.path(name)).collect();
        let workers: Vec<&Path> =
            data.iter().map(PathBuf::as_path).filter(|path| !path.ends_with("master")).collect();
        nothing_is_left::check(&self.path("out"), SPLITS.len(), &workers)
    }

    fn struck(&self) -> BTreeMap<&'static str, u64> {
        let counter = |name| {
            self.history.with(|scheduler| {
                let of =
                    |job: &gristmill::scheduler::Job| job.all_counters().get("Job Counters", name);
                scheduler.jobs().map(of).sum::<u64>()
            })
        };
        BTreeMap::from([
            ("attempts", self.history.attempts()),
            ("attempts run again", counter("attempts_rerun")),
            ("backups", counter("backups_started")),
            ("mishaps", self.network.mishaps()),
            (
                "workers lost",
                self.history.commands(|command| matches!(command, Command::LoseWorker(_))),
            ),
            (
                "outputs brought back",
                self.history.commands(|command| matches!(command, Command::RestoreOutputs(_))),
            ),
            ("milliseconds", self.now_ms),
        ])
    }
}

impl Machine {
    /// Its program is killed; the system closes its connections.
    fn crash(&mut self) {
        self.host = None;
    }

    /// All of it is gone, and nobody is told.
    fn lose_power(&mut self) {
        self.link.go_dark();
        self.host = None;
    }
}

/// The least that passes for an executable of this machine.
fn executable_head() -> Vec<u8> {
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let mut head = b"\x7fELF\x02\x01".to_vec();
    head.resize(16, 0);
    head.extend(3_u16.to_le_bytes());
    head.extend(machine.to_le_bytes());
    head
}
