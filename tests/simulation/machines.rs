//! Machines: the processes that start on them, and the effects of faults.

use std::time::Duration;

use gristmill::client::Submission;

use crate::chance::Chance;
use crate::cluster::Cluster;
use crate::disk::Disk;
use crate::faults::{Course, Fault, MASTERS, WRITE_MS, Who};
use crate::functions::Functions;
use crate::host::Host;
use crate::link::Link;
use crate::programs::{self, Seated};

/// How long a master that had to exit is away, in milliseconds.
const AWAY_MS: (u64, u64) = (100, 3_000);
/// How long all masters must have been voters before one may be lost for good, in milliseconds.
const ALL_VOTE_MS: u64 = 2_000;
/// How long a master that was killed after a request for its vote is away, in milliseconds: shorter than others wait
/// before they ask.
const AFTER_VOTE_MS: (u64, u64) = (1, 300);
/// How soon after that the candidate freezes, and for how long, in milliseconds. It may lead by then, but has told no
/// one.
const CANDIDATE_MS: (u64, u64) = (0, 20);
const CANDIDATE_LASTS_MS: (u64, u64) = (100, 3_000);

/// A machine, up or down.
pub(crate) struct Machine {
    pub(crate) host: Option<Host>,
    link: Link,
    /// The disk of a master; `None` for other machines.
    disk: Option<Disk>,
    is_frozen: bool,
    /// Whether its program has ended by itself.
    is_going: bool,
    pub(crate) starts: u64,
}

impl Machine {
    fn new(host: Host, link: Link, disk: Option<Disk>) -> Self {
        Self { host: Some(host), link, disk, is_frozen: false, is_going: false, starts: 1 }
    }

    /// Lets a millisecond pass.
    pub(crate) fn pass(&mut self) {
        match &mut self.host {
            Some(host) if self.is_frozen => host.stand_still(),
            Some(host) => host.step(),
            None => {}
        }
    }

    /// Kills the program, and the system closes its connections. Without power, the whole machine is gone, and its
    /// peers do not learn of it.
    fn end(&mut self, has_power: bool) {
        if !has_power {
            self.link.go_dark();
        }
        if let Some(disk) = &self.disk {
            disk.end(has_power);
        }
        self.is_going = false;
        self.host = None;
    }

    /// Returns whether a fault of the disk explains this end.
    fn has_to_go(&self, why: &str) -> bool {
        let Some(disk) = &self.disk else { return false };
        disk.is_gone() || why.contains("the disk has not answered")
    }
}

impl Cluster {
    /// Starts a machine, unless it is up.
    pub(crate) fn start(&mut self, who: Who) {
        let name = who.to_string();
        let known = self.machines.get(&name);
        if known.is_some_and(|machine| machine.host.is_some()) || self.left == Some(who) {
            return;
        }
        let starts = known.map_or(0, |machine| machine.starts) + 1;
        let place = format!("{name} start {starts}");
        self.network.lighten(&who.address());
        let machine = match who {
            Who::Master(number) => self.start_master(number, place),
            Who::Worker(number) => self.start_worker(number, place),
        };
        self.machines.insert(name, Machine { starts, ..machine });
    }

    fn link(&self, here: &str, place: &str, slowness: u64) -> Link {
        let chance = Chance::of(self.seed, &format!("{place} link"));
        Link::new(&self.network, here, chance, slowness)
    }

    fn start_master(&self, number: u64, place: String) -> Machine {
        let who = Who::Master(number);
        let link = self.link(&who.address(), &place, 1);
        let disk = Disk::new(Chance::of(self.seed, &format!("{place} disk")));
        let seated = Seated {
            number,
            data: self.path(&who.to_string()),
            clock: self.manual.clock(),
            seed: self.seed,
            place,
            link: link.clone(),
            disk: disk.clone(),
            history: self.history.clone(),
        };
        let host = Host::start(move |at| programs::master(at, seated));
        Machine::new(host, link, Some(disk))
    }

    fn start_worker(&self, number: u64, place: String) -> Machine {
        let who = Who::Worker(number);
        let slowness = self.faults.slowness(number);
        let link = self.link(&who.address(), &place, slowness);
        let (data, clock) = (self.path(&who.to_string()), self.manual.clock());
        let functions = Functions {
            seed: self.seed,
            place,
            slowness,
            is_well: self.course == Course::MastersAlone,
            history: self.history.clone(),
        };
        let its = link.clone();
        let host = Host::start(move |at| programs::worker(at, number, data, clock, its, functions));
        Machine::new(host, link, None)
    }

    pub(crate) fn start_client(&mut self, name: &str, submission: Submission, after: Duration) {
        let link = self.link(name, name, 1);
        let (its, history) = (link.clone(), self.history.clone());
        let host = Host::start(move |_| programs::client(its, submission, after, history));
        self.machines.insert(name.into(), Machine::new(host, link, None));
    }

    pub(crate) fn start_auditor(&mut self) {
        let link = self.link("auditor", "auditor", 1);
        let (its, history) = (link.clone(), self.history.clone());
        let host = Host::start(move |_| programs::auditor(its, history));
        self.machines.insert("auditor".into(), Machine::new(host, link, None));
    }

    pub(crate) fn strike(&mut self, fault: Fault) {
        self.history.note(&format!("{fault:?}"));
        match fault {
            Fault::Crash { who, is_dark } => self.end(who, !is_dark),
            Fault::Return { who } => self.start(who),
            Fault::Freeze { who } => self.with(who, |machine| machine.is_frozen = true),
            Fault::Thaw { who } => self.with(who, |machine| machine.is_frozen = false),
            Fault::Cut { number, cut } => drop(self.network.cuts().insert(number, cut)),
            Fault::Heal { number } => drop(self.network.cuts().remove(&number)),
            Fault::CrashInWrite { master } => {
                self.with(Who::Master(master), |machine| {
                    machine.disk.iter().for_each(Disk::fail_next);
                });
            }
            Fault::CrashAfterVote { master } => {
                self.network.end_after_vote(Who::Master(master).address());
            }
            Fault::Write { master, ms } => {
                self.with(Who::Master(master), |machine| {
                    machine.disk.iter().for_each(|disk| disk.take(ms));
                });
            }
        }
    }

    fn with(&mut self, who: Who, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.machines.get_mut(&who.to_string()) {
            change(machine);
        }
    }

    /// Ends a machine that is up.
    fn end(&mut self, who: Who, has_power: bool) {
        let Some(machine) = self.machines.get_mut(&who.to_string()) else { return };
        if machine.host.is_some() {
            // The machine is removed from the network first, so that peers do not notice what it drops when it ends.
            self.network.remove(&who.address(), !has_power);
            machine.end(has_power);
        }
    }

    /// Ends all faults of machines, disks and connections. Only dead workers and a master that was lost for good stay
    /// away.
    pub(crate) fn end_faults(&mut self) {
        self.history.note("all is well");
        self.network.calm_down();
        self.network.cuts().clear();
        self.faults
            .at_ms
            .retain(|(_, fault)| matches!(fault, Fault::Return { who: Who::Worker(_) }));
        for machine in self.machines.values_mut() {
            machine.is_frozen = false;
            machine.disk.iter().for_each(|disk| disk.take(WRITE_MS));
        }
        let masters: Vec<Who> = (1..=MASTERS).map(Who::Master).collect();
        masters.into_iter().for_each(|who| self.start(who));
    }

    /// Returns how many clients have not ended. A master whose disk fails must exit, and comes back. Any other program
    /// that ends reveals a bug.
    pub(crate) fn look_after(&mut self) -> Result<usize, String> {
        let mut waiting = 0;
        for (name, machine) in &mut self.machines {
            let Some(host) = &mut machine.host else { continue };
            match host.ended() {
                None => waiting += usize::from(name.starts_with("client")),
                Some(Ok(())) if name.starts_with("client") => machine.host = None,
                Some(Err(why)) if machine.has_to_go(&why) => {
                    self.history.note(&format!("{name} has to go: {why}"));
                    machine.is_going = true;
                }
                Some(ended) => return Err(format!("{name} has ended: {ended:?}")),
            }
        }
        for who in (1..=MASTERS).map(Who::Master) {
            let machine = self.machines.get(&who.to_string());
            let Some(machine) = machine.filter(|machine| machine.is_going) else { continue };
            let has_power = machine.disk.as_ref().is_some_and(|disk| !disk.is_gone());
            self.end(who, has_power);
            self.return_later(who, AWAY_MS);
        }
        for (voter, candidate) in self.network.voted() {
            let (Some(voter), Some(candidate)) =
                (Who::master_at(&voter), Who::master_at(&candidate))
            else {
                continue;
            };
            self.history.note(&format!("{voter} ends after {candidate} asked for its vote"));
            self.end(voter, true);
            self.return_later(voter, AFTER_VOTE_MS);
            let begin_ms = self.drawn_ms(CANDIDATE_MS);
            let end_ms =
                begin_ms + self.absences.between(CANDIDATE_LASTS_MS.0, CANDIDATE_LASTS_MS.1);
            self.later(begin_ms, Fault::Freeze { who: candidate });
            self.later(end_ms, Fault::Thaw { who: candidate });
        }
        Ok(waiting)
    }

    /// Draws a time from now on, in this range of delays.
    fn drawn_ms(&mut self, (least, most): (u64, u64)) -> u64 {
        self.now_ms + self.absences.between(least, most)
    }

    fn later(&mut self, at_ms: u64, fault: Fault) {
        self.faults.at_ms.push((at_ms, fault));
        self.faults.at_ms.sort_unstable();
    }

    fn return_later(&mut self, who: Who, within_ms: (u64, u64)) {
        let back_ms = self.drawn_ms(within_ms);
        self.later(back_ms, Fault::Return { who });
    }

    /// Records the masters that are away, frozen, cut off, or have a slow disk.
    pub(crate) fn note_trouble(&mut self) {
        for number in 1..=MASTERS {
            let who = Who::Master(number);
            let is_met = self.network.cuts().values().any(|cut| cut.concerns(who));
            let machine = self.machines.get(&who.to_string());
            let is_well = machine.is_some_and(|machine| {
                let is_slow = machine.disk.as_ref().is_some_and(Disk::is_slow);
                machine.host.is_some() && !machine.is_frozen && !is_slow
            });
            if is_met || !is_well {
                self.troubled_ms.insert(number, self.now_ms);
            }
        }
    }

    /// Loses a master for good, if that is due.
    pub(crate) fn let_leave(&mut self) {
        let Some(leaving) = self.faults.leaving else { return };
        let passed_ms = |since: Option<u64>| since.map_or(0, |since| self.now_ms - since);
        if passed_ms(self.all_vote_since) < ALL_VOTE_MS
            || passed_ms(self.accepted_since) < leaving.after_ms
            || self.accepted_since.is_none()
        {
            return;
        }
        let leader = self.leaders.last().map(|leader| leader.0);
        let who = Who::Master(leaving.master.or(leader).unwrap_or(1));
        self.faults.leaving = None;
        self.left = Some(who);
        self.history.note(&format!("{who} is lost for good"));
        self.end(who, !leaving.is_dark);
    }
}
