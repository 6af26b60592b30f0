//! Faults of masters, workers and the network, and their times. All are drawn from the seed before anything runs.

use std::fmt;

use crate::chance::Chance;

/// Masters of a cluster.
pub(crate) const MASTERS: u64 = 3;
/// Workers of a cluster.
pub(crate) const WORKERS: u64 = 4;
/// When faults of workers begin, in milliseconds from the start: while the first jobs run.
const BEGIN_MS: (u64, u64) = (300, 4_000);
/// When faults of masters begin, in milliseconds from the start. Some begin while the masters form the cluster, and
/// some while the last job commits.
const MASTERS_BEGIN_MS: (u64, u64) = (50, 8_000);
/// How long a fault of a master lasts, in milliseconds.
const LASTS_MS: (u64, u64) = (50, 5_000);
/// How many runs in a thousand lose a master for good, and how long after the last job was accepted, in milliseconds.
const LEAVING_PERMILLE: u64 = 250;
const LEAVING_MS: (u64, u64) = (0, 1_500);
/// How long masters that all fail at once are away, in milliseconds.
const ALL_AWAY_MS: (u64, u64) = (1, 300);
/// Limit on the cuts of one fault.
const CUTS_MAX: u64 = 4;
/// How long a write takes, in milliseconds.
pub(crate) const WRITE_MS: (u64, u64) = (0, 2);

/// A machine that a fault may strike, by its number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Master(u64),
    Worker(u64),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Master(number) => write!(f, "master {number}"),
            Who::Worker(number) => write!(f, "worker {number}"),
        }
    }
}

impl Who {
    /// Returns the master at this address, if there is one.
    pub(crate) fn master_at(address: &str) -> Option<Self> {
        (1..=MASTERS).map(Self::Master).find(|who| who.address() == address)
    }

    pub(crate) fn address(self) -> String {
        match self {
            Who::Master(number) => format!("127.0.0.1:{}", 7_400 + number),
            Who::Worker(number) => format!("127.0.0.1:{}", 9_000 + number),
        }
    }
}

/// What happens to messages that do not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// They wait until they may pass.
    Held,
    /// They are dropped without an error.
    Lost,
}

/// A cut in the network: messages between these machines do not pass. `None` stands for all machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cut {
    from: Option<Who>,
    to: Option<Who>,
    pub(crate) how: How,
}

impl Cut {
    /// Returns whether the cut names this machine.
    pub(crate) fn concerns(&self, who: Who) -> bool {
        self.from == Some(who) || self.to == Some(who)
    }

    pub(crate) fn meets(&self, from: &str, to: &str) -> bool {
        let is = |who: Option<Who>, place: &str| who.is_none_or(|who| who.address() == place);
        is(self.from, from) && is(self.to, to)
    }
}

/// A fault of one machine or connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The machine is killed. If it is dark, its peers do not learn that its connections are closed.
    Crash { who: Who, is_dark: bool },
    /// A master's power fails during a write to its disk: some of the unsynced data is there, and some is not.
    CrashInWrite { master: u64 },
    /// The master is killed the next time it is asked for its vote, while its answer is on the way. The candidate
    /// freezes for a while.
    CrashAfterVote { master: u64 },
    /// The machine starts again with the same folder.
    Return { who: Who },
    /// The machine freezes, as after SIGSTOP.
    Freeze { who: Who },
    /// The machine continues.
    Thaw { who: Who },
    /// Some messages no longer pass.
    Cut { number: u64, cut: Cut },
    /// The messages of a cut pass again.
    Heal { number: u64 },
    /// From now on, each write to a master's disk takes this long, in milliseconds.
    Write { master: u64, ms: (u64, u64) },
}

/// Faults, each with the time at which it strikes, in milliseconds.
type Timed = Vec<(u64, Fault)>;

/// A selection of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// All kinds of faults.
    Rough,
    /// All faults of masters, while workers and their connections stay healthy.
    MastersAlone,
}

/// The faults of a run.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) at_ms: Timed,
    /// The worker that is slow from the beginning, and its slowness.
    slow: Option<(u64, u64)>,
    /// Number of faults that strike masters.
    pub(crate) of_masters: u64,
    /// How a master is lost for good, if one is.
    pub(crate) leaving: Option<Leaving>,
}

/// The permanent loss of a master: it comes once all masters have been voters for a while, and this long after the last
/// job was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    pub(crate) after_ms: u64,
    pub(crate) is_dark: bool,
    /// The master that is lost; the leader if `None`.
    pub(crate) master: Option<u64>,
}

impl Faults {
    pub(crate) fn draw(seed: u64, course: Course) -> Self {
        let mut chance = Chance::of(seed, "faults");
        let (mut at_ms, slow) = match course {
            Course::Rough => of_workers(&mut chance),
            Course::MastersAlone => (Vec::new(), None),
        };
        let mut chance = Chance::of(seed, "faults of masters");
        let of_masters = chance.between(1, 5);
        for number in 0..of_masters {
            at_ms.extend(of_a_master(&mut chance, number));
        }
        let leaving = chance.permille(LEAVING_PERMILLE).then(|| Leaving {
            after_ms: chance.between(LEAVING_MS.0, LEAVING_MS.1),
            is_dark: chance.permille(500),
            master: chance.permille(500).then(|| chance.between(1, MASTERS)),
        });
        at_ms.sort_unstable();
        Self { at_ms, slow, of_masters, leaving }
    }

    /// Returns how many times longer everything takes on this worker.
    pub(crate) fn slowness(&self, worker: u64) -> u64 {
        self.slow.filter(|slow| slow.0 == worker).map_or(1, |slow| slow.1)
    }
}

/// Draws the faults of workers: one worker dies, one dies and returns, one freezes for a while, and one is slow.
fn of_workers(chance: &mut Chance) -> (Timed, Option<(u64, u64)>) {
    let mut workers = [1, 2, 3, 4];
    chance.shuffle(&mut workers);
    let slow = workers[3];
    let [gone, returns, frozen, _] = workers.map(Who::Worker);
    let begin = |chance: &mut Chance| chance.between(BEGIN_MS.0, BEGIN_MS.1);
    let crash = |who, chance: &mut Chance| Fault::Crash { who, is_dark: chance.permille(500) };
    let (gone_at, back_at, frozen_at) = (begin(chance), begin(chance), begin(chance));
    let at_ms = vec![
        (gone_at, crash(gone, chance)),
        (back_at, crash(returns, chance)),
        (back_at + chance.between(50, 6_000), Fault::Return { who: returns }),
        (frozen_at, Fault::Freeze { who: frozen }),
        (frozen_at + chance.between(100, 6_000), Fault::Thaw { who: frozen }),
    ];
    (at_ms, Some((slow, chance.between(4, 12))))
}

/// Draws one fault of a master, with its end.
fn of_a_master(chance: &mut Chance, number: u64) -> Timed {
    let master = chance.between(1, MASTERS);
    let who = Who::Master(master);
    let others = (1..MASTERS).map(|next| Who::Master(1 + (master + next - 1) % MASTERS));
    let mut others: Vec<Who> = others.collect();
    chance.shuffle(&mut others);
    let begin_ms = chance.between(MASTERS_BEGIN_MS.0, MASTERS_BEGIN_MS.1);
    let end_ms = begin_ms + chance.between(LASTS_MS.0, LASTS_MS.1);
    let how = if chance.permille(500) { How::Held } else { How::Lost };
    let slow_ms = chance.between(20, 400);
    let lasts = |begin, end| vec![(begin_ms, begin), (end_ms, end)];
    let cut = |pairs: &[(Option<Who>, Option<Who>)]| {
        let numbered = (CUTS_MAX * number..).zip(pairs);
        let cut = |(number, &(from, to))| {
            lasts(Fault::Cut { number, cut: Cut { from, to, how } }, Fault::Heal { number })
        };
        numbered.flat_map(cut).collect::<Vec<_>>()
    };
    let between = |one: Who, two: Who| [(Some(one), Some(two)), (Some(two), Some(one))];
    match chance.between(0, 12) {
        0 => lasts(Fault::Crash { who, is_dark: false }, Fault::Return { who }),
        1 => lasts(Fault::Crash { who, is_dark: true }, Fault::Return { who }),
        // The master returns some time after the power failure.
        2 | 3 => vec![(begin_ms, Fault::CrashInWrite { master })],
        4 => lasts(Fault::Freeze { who }, Fault::Thaw { who }),
        5 => cut(&[(Some(who), None), (None, Some(who))]),
        6 => cut(&[(Some(who), None)]),
        7 => cut(&[(None, Some(who))]),
        8 => cut(&between(who, others[0])),
        // Cuts the master off from the other masters only: workers and clients still reach it.
        9 => cut(&[between(who, others[0]), between(who, others[1])].concat()),
        10 => all_at_once(chance, begin_ms),
        11 => {
            // Two masters that do not hear from each other start elections. The third one could forget its vote.
            let mut at_ms = all_at_once(chance, begin_ms);
            at_ms.extend(cut(&between(others[0], others[1])));
            at_ms.push((begin_ms, Fault::CrashAfterVote { master }));
            at_ms
        }
        _ => {
            // Sometimes the disk does not answer for so long that the master must exit.
            let ms = if chance.permille(300) { (6_000, 6_000) } else { (slow_ms / 4, slow_ms) };
            lasts(Fault::Write { master, ms }, Fault::Write { master, ms: WRITE_MS })
        }
    }
}

/// Returns a power failure of all masters, which are back soon.
fn all_at_once(chance: &mut Chance, begin_ms: u64) -> Timed {
    let one = |number| {
        let who = Who::Master(number);
        let back_ms = begin_ms + chance.between(ALL_AWAY_MS.0, ALL_AWAY_MS.1);
        [(begin_ms, Fault::Crash { who, is_dark: true }), (back_ms, Fault::Return { who })]
    };
    (1..=MASTERS).flat_map(one).collect()
}
