//! What befalls masters, workers and what is between them, and when: drawn from the seed before anything runs.

use std::fmt;

use crate::chance::Chance;

/// Masters of a cluster.
pub(crate) const MASTERS: u64 = 3;
/// Workers of a cluster.
pub(crate) const WORKERS: u64 = 4;
/// When faults of workers begin, in milliseconds from the start: while both jobs run.
const BEGIN_MS: (u64, u64) = (300, 4_000);
/// When those of masters do: also while they come together, and while the last job commits.
const MASTERS_BEGIN_MS: (u64, u64) = (50, 8_000);
/// How long a fault of a master lasts.
const LASTS_MS: (u64, u64) = (50, 5_000);
/// How long a write takes, in milliseconds.
pub(crate) const WRITE_MS: (u64, u64) = (0, 2);

/// A machine that something may befall, by its number from 1.
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
    pub(crate) fn address(self) -> String {
        match self {
            Who::Master(number) => format!("127.0.0.1:{}", 7_400 + number),
            Who::Worker(number) => format!("127.0.0.1:{}", 9_000 + number),
        }
    }
}

/// What becomes of messages that do not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// They wait until they may.
    Held,
    /// They are gone, and nobody is told.
    Lost,
}

/// Messages that do not pass; from or to anybody, where nobody is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cut {
    from: Option<Who>,
    to: Option<Who>,
    pub(crate) how: How,
}

impl Cut {
    pub(crate) fn meets(&self, from: &str, to: &str) -> bool {
        let is = |who: Option<Who>, place: &str| who.is_none_or(|who| who.address() == place);
        is(self.from, from) && is(self.to, to)
    }
}

/// Something that befalls somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It is killed; if it is dark, nobody notices by a closed connection.
    Crash { who: Who, is_dark: bool },
    /// A master's power fails while its disk writes: of what was not synced some is there, and some is not.
    CrashInWrite { master: u64 },
    /// It starts again in the folder that it had.
    Return { who: Who },
    /// It stands still, as after SIGSTOP.
    Freeze { who: Who },
    /// It goes on.
    Thaw { who: Who },
    /// Messages do not pass.
    Cut { number: u64, cut: Cut },
    /// They pass again.
    Mend { number: u64 },
    /// A write of a master's disk takes so long from now on, in milliseconds.
    Write { master: u64, ms: (u64, u64) },
}

/// What is to befall whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Whatever there is.
    Rough,
    /// All that may befall masters, while workers and their connections are well.
    MastersAlone,
}

/// The faults in order, with the milliseconds at which each strikes.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) at_ms: Vec<(u64, Fault)>,
    /// The worker that is slow from the beginning, and by how much.
    slow: Option<(u64, u64)>,
    /// How often something befalls a master.
    pub(crate) of_masters: u64,
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
        at_ms.sort_unstable();
        Self { at_ms, slow, of_masters }
    }

    /// Times as long as elsewhere that everything takes on this worker.
    pub(crate) fn slowness(&self, worker: u64) -> u64 {
        self.slow.filter(|slow| slow.0 == worker).map_or(1, |slow| slow.1)
    }
}

/// One worker dies, one dies and returns, one stands still for a while, one is slow; which is which is drawn.
fn of_workers(chance: &mut Chance) -> (Vec<(u64, Fault)>, Option<(u64, u64)>) {
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

/// One of all that may befall a master, and its end.
fn of_a_master(chance: &mut Chance, number: u64) -> Vec<(u64, Fault)> {
    let master = chance.between(1, MASTERS);
    let who = Who::Master(master);
    let other = Who::Master(1 + (master + chance.between(0, MASTERS - 2)) % MASTERS);
    let begin_ms = chance.between(MASTERS_BEGIN_MS.0, MASTERS_BEGIN_MS.1);
    let end_ms = begin_ms + chance.between(LASTS_MS.0, LASTS_MS.1);
    let how = if chance.permille(500) { How::Held } else { How::Lost };
    let slow_ms = chance.between(20, 400);
    let lasts = |begin, end| vec![(begin_ms, begin), (end_ms, end)];
    let cut = |pairs: &[(Option<Who>, Option<Who>)]| {
        let numbered = (2 * number..).zip(pairs);
        let cut = |(number, &(from, to))| {
            lasts(Fault::Cut { number, cut: Cut { from, to, how } }, Fault::Mend { number })
        };
        numbered.flat_map(cut).collect()
    };
    match chance.between(0, 9) {
        0 => lasts(Fault::Crash { who, is_dark: false }, Fault::Return { who }),
        1 => lasts(Fault::Crash { who, is_dark: true }, Fault::Return { who }),
        // It returns some time after that has come to pass.
        2 | 3 => vec![(begin_ms, Fault::CrashInWrite { master })],
        4 => lasts(Fault::Freeze { who }, Fault::Thaw { who }),
        5 => cut(&[(Some(who), None), (None, Some(who))]),
        6 => cut(&[(Some(who), None)]),
        7 => cut(&[(None, Some(who))]),
        8 => cut(&[(Some(who), Some(other)), (Some(other), Some(who))]),
        _ => {
            // Now and then it does not answer for so long that the master has to go.
            let ms = if chance.permille(300) { (6_000, 6_000) } else { (slow_ms / 4, slow_ms) };
            lasts(Fault::Write { master, ms }, Fault::Write { master, ms: WRITE_MS })
        }
    }
}
