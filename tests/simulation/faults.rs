//! What befalls the workers, and when: drawn from the seed before anything runs.

use crate::chance::Chance;

/// Workers of a cluster.
pub(crate) const WORKERS: u64 = 4;
/// When faults begin, in milliseconds from the start: while both jobs run.
const BEGIN_MS: (u64, u64) = (300, 4_000);

/// Something that befalls a worker, which is named by its number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It is killed; if it is dark, nobody notices by a closed connection.
    Crash { worker: u64, is_dark: bool },
    /// It starts again in the folder that it had.
    Return { worker: u64 },
    /// It stands still, as after SIGSTOP.
    Freeze { worker: u64 },
    /// It goes on.
    Thaw { worker: u64 },
}

/// The faults in order, with the milliseconds at which each strikes.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) at_ms: Vec<(u64, Fault)>,
    /// The worker that is slow from the beginning, and by how much.
    slow: (u64, u64),
}

impl Faults {
    /// One worker dies, one dies and returns, one stands still for a while, one is slow; which is which is drawn.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "faults");
        let mut workers = [1, 2, 3, 4];
        chance.shuffle(&mut workers);
        let [gone, returns, frozen, slow] = workers;
        let begin = |chance: &mut Chance| chance.between(BEGIN_MS.0, BEGIN_MS.1);

        let crash =
            |worker, chance: &mut Chance| Fault::Crash { worker, is_dark: chance.permille(500) };
        let (gone_at, back_at, frozen_at) =
            (begin(&mut chance), begin(&mut chance), begin(&mut chance));
        let mut at_ms = vec![
            (gone_at, crash(gone, &mut chance)),
            (back_at, crash(returns, &mut chance)),
            (back_at + chance.between(50, 6_000), Fault::Return { worker: returns }),
            (frozen_at, Fault::Freeze { worker: frozen }),
            (frozen_at + chance.between(100, 6_000), Fault::Thaw { worker: frozen }),
        ];
        at_ms.sort_unstable();
        Self { at_ms, slow: (slow, chance.between(4, 12)) }
    }

    /// Times as long as elsewhere that everything takes on this worker.
    pub(crate) fn slowness(&self, worker: u64) -> u64 {
        if self.slow.0 == worker { self.slow.1 } else { 1 }
    }
}
