//! The results of a soak test: counts and measurements.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::faults::Fault;
use super::limits::{descriptors, memory_kib};
use super::running::{End, Running};
use crate::commands::Result;
use crate::fleet::Fleet;

/// Number of rounds after which memory and descriptors of the masters must stay flat.
const SETTLED_AFTER: usize = 20;
/// How much a master may use at the end beyond its maximum in the first [`SETTLED_AFTER`] rounds.
const DESCRIPTORS_MORE: u64 = 64;
const MEMORY_KIB_MORE: u64 = 64 << 10;

/// Counts of one soak.
#[derive(Default)]
pub(crate) struct Table {
    faults: BTreeMap<Fault, u32>,
    ends: BTreeMap<(&'static str, Option<End>), u32>,
    submitted_again: u32,
    /// Masters that ended because their disk was full.
    ended: u32,
    /// Everything that happened and must not happen.
    wrong: Vec<String>,
    /// The longest time from the end of a round's faults to the end of its jobs, and the round.
    longest: (Duration, u64),
    /// The most that any master and any worker used, after each round.
    used: Vec<[Use; 2]>,
}

/// Resources that a process uses.
#[derive(Clone, Copy, Default)]
struct Use {
    descriptors: u64,
    memory_kib: u64,
}

impl Use {
    fn of(pid: u32) -> Self {
        Self { descriptors: descriptors(pid), memory_kib: memory_kib(pid) }
    }

    fn most(self, other: Self) -> Self {
        Self {
            descriptors: self.descriptors.max(other.descriptors),
            memory_kib: self.memory_kib.max(other.memory_kib),
        }
    }
}

impl Table {
    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Records that a member ended by itself.
    pub(crate) fn ended(&mut self, what: String, may_end: bool) {
        println!("{what}");
        if may_end {
            self.ended += 1;
        } else {
            self.wrong.push(what);
        }
    }

    /// Records the end of a job.
    pub(crate) fn job(&mut self, running: &Running, end: std::result::Result<End, String>) {
        self.submitted_again += running.submissions - 1;
        let end = end
            .map_err(|error| {
                println!("WRONG: {error}");
                self.wrong.push(error.lines().next().unwrap_or_default().into());
            })
            .ok();
        *self.ends.entry((running.kind.name, end)).or_default() += 1;
    }

    /// Records how long the jobs of a round continued after its faults.
    pub(crate) fn waited(&mut self, round: u64, time: Duration) {
        println!("round {round}: jobs ended {:.1} s after the faults", time.as_secs_f64());
        self.longest = self.longest.max((time, round));
    }

    /// Measures all members.
    pub(crate) fn measure(&mut self, fleet: &Fleet) {
        let masters = fleet.masters().map(|master| Use::of(master.pid()));
        let workers = fleet.numbers().map(|number| Use::of(fleet.worker(number).pid()));
        self.used.push([
            masters.fold(Use::default(), Use::most),
            workers.fold(Use::default(), Use::most),
        ]);
    }

    fn most(used: &[[Use; 2]], member: usize) -> Use {
        used.iter().map(|both| both[member]).fold(Use::default(), Use::most)
    }

    /// Checks that nothing went wrong, and that masters use no more resources at the end than before.
    pub(crate) fn check(&self) -> Result {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
        if self.used.len() >= 2 * SETTLED_AFTER {
            let (settling, rest) = self.used.split_at(SETTLED_AFTER);
            let before = Self::most(settling, 0);
            let after = rest.last().map_or(before, |both| both[0]);
            assert!(after.descriptors <= before.descriptors + DESCRIPTORS_MORE, "descriptors grow");
            assert!(after.memory_kib <= before.memory_kib + MEMORY_KIB_MORE, "memory grows");
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults: {}", self.faults.values().sum::<u32>())?;
        for (fault, times) in &self.faults {
            writeln!(f, "  {:<32} {times:>6}", format!("{fault:?}"))?;
        }
        writeln!(f, "ends of jobs: {}", self.ends.values().sum::<u32>())?;
        for ((name, end), times) in &self.ends {
            let end = end.map_or("WRONG".into(), |end| format!("{end:?}"));
            writeln!(f, "  {name:<32} {times:>6} {end}")?;
        }
        writeln!(f, "submitted again with the same id: {}", self.submitted_again)?;
        let (time, round) = (self.longest.0.as_secs_f64(), self.longest.1);
        writeln!(f, "longest time of jobs after the faults: {time:.1} s, in round {round}")?;
        writeln!(f, "masters that ended since their disk was full: {}", self.ended)?;
        let first = &self.used[..self.used.len().min(1)];
        let settled = &self.used[..self.used.len().min(SETTLED_AFTER)];
        let last = &self.used[self.used.len().saturating_sub(1)..];
        for (member, name) in ["masters", "workers"].into_iter().enumerate() {
            let parts =
                [("first", first), ("settled", settled), ("most", &self.used), ("last", last)];
            for (when, used) in parts {
                let Use { descriptors, memory_kib } = Self::most(used, member);
                writeln!(f, "{name}, {when}: {descriptors} descriptors, {memory_kib} KiB")?;
            }
        }
        writeln!(f, "wrong or stuck: {}", self.wrong.len())?;
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "  {wrong}"))
    }
}
