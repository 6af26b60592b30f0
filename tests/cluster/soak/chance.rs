//! Random choices that depend only on a seed.

/// A sequence of numbers, the same for the same seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    /// Returns the choices of one round. They do not depend on how many choices earlier rounds made.
    pub(crate) fn of_round(seed: u64, round: u64) -> Self {
        Self(seed ^ Self(round).draw())
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number below `end`, or 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw().checked_rem(end).unwrap_or(0)
    }

    /// Draws an index below `many`.
    pub(crate) fn place(&mut self, many: usize) -> usize {
        usize::try_from(self.below(many as u64)).unwrap_or(0)
    }

    /// Draws one of these, or `None` if there are none.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let at = self.place(all.len());
        all.get(at)
    }
}

#[test]
fn seed_and_round_decide_every_draw() {
    let draws = |seed, round| {
        let mut chance = Chance::of_round(seed, round);
        (0..100).map(|_| chance.below(10)).collect::<Vec<_>>()
    };
    assert_eq!(draws(7, 1), draws(7, 1));
    assert_ne!(draws(7, 1), draws(8, 1));
    assert_ne!(draws(7, 1), draws(7, 2));
    assert!((0..10).all(|number| draws(7, 1).contains(&number)));
    assert_eq!(Chance::of_round(7, 1).below(0), 0);
    assert_eq!(Chance::of_round(7, 1).one_of::<u8>(&[]), None);
}
