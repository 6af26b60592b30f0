//! Merges any number of sorted sources into one, with one comparison per level of a tree.

use super::{Cursor, Error};

/// Number of a key's bytes that its prefix holds.
const PREFIX_BYTES: u32 = 8;

/// Key length that stands for a source without records: it sorts after every possible key.
const EXHAUSTED: u32 = u32::MAX;

/// Merges sorted sources into one. Records are ordered by key, and records with equal keys by source.
///
/// ```text
///            winner            The winner has the smallest record of all. Each inner node keeps who lost
///              │               there, so that the winner's next record meets, on its way up from its leaf,
///          ┌── 1 ──┐           exactly those which have not been compared with each other yet.
///        ┌ 2 ┐   ┌ 3 ┐         For k sources the inner nodes are 1..k and source i is the leaf k + i;
///        4   5   6   7         any k will do.
/// ```
pub struct LoserTree<C> {
    sources: Vec<C>,
    /// The inner nodes; the first is not used.
    losers: Vec<Contender>,
    winner: Contender,
    started: bool,
}

/// A source, with what is needed to compare its current record, in most cases without reading the record.
#[derive(Clone, Copy)]
struct Contender {
    prefix: u64,
    /// Length of the key; [`EXHAUSTED`] if there is no record, and one less for a key of that length or more.
    key_bytes: u32,
    source: u32,
}

impl<C: Cursor> LoserTree<C> {
    /// Merges these sources, each before its first record. None of them is read yet.
    pub fn new(sources: Vec<C>) -> Self {
        let nobody = Contender { prefix: u64::MAX, key_bytes: EXHAUSTED, source: 0 };
        LoserTree { losers: vec![nobody; sources.len()], sources, winner: nobody, started: false }
    }

    /// The source that has the current record; `None` before the first record and after the last.
    #[inline]
    pub fn current(&self) -> Option<&C> {
        if self.winner.key_bytes == EXHAUSTED {
            None
        } else {
            self.sources.get(self.winner.source as usize)
        }
    }

    /// Moves every source to its first record, and then finds the first winner.
    #[cold]
    fn start(&mut self) -> Result<(), Error> {
        self.started = true;
        let count = self.sources.len();
        if count == 0 {
            return Ok(());
        }
        let mut winners = vec![self.winner; 2 * count];
        for source in 0..count {
            winners[count + source] = self.advance_source(source as u32)?;
        }
        for node in (1..count).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let left_wins = self.beats(left, right);
            winners[node] = if left_wins { left } else { right };
            self.losers[node] = if left_wins { right } else { left };
        }
        self.winner = winners[1];
        Ok(())
    }

    #[inline]
    fn advance_source(&mut self, source: u32) -> Result<Contender, Error> {
        let cursor = &mut self.sources[source as usize];
        Ok(if cursor.advance()? {
            let key_bytes = cursor.key().len().min(EXHAUSTED as usize - 1) as u32;
            Contender { prefix: cursor.prefix(), key_bytes, source }
        } else {
            Contender { prefix: u64::MAX, key_bytes: EXHAUSTED, source }
        })
    }

    #[inline]
    fn beats(&self, a: Contender, b: Contender) -> bool {
        if a.prefix == b.prefix { self.beats_behind_prefix(a, b) } else { a.prefix < b.prefix }
    }

    fn beats_behind_prefix(&self, a: Contender, b: Contender) -> bool {
        let by_length = (a.key_bytes, a.source) < (b.key_bytes, b.source);
        // If a key fits into its prefix completely, it is a prefix of the other one, or they are equal.
        if a.key_bytes.min(b.key_bytes) <= PREFIX_BYTES || a.key_bytes.max(b.key_bytes) == EXHAUSTED
        {
            return by_length;
        }
        let rest = |of: Contender| &self.sources[of.source as usize].key()[PREFIX_BYTES as usize..];
        rest(a).cmp(rest(b)).then(a.source.cmp(&b.source)).is_lt()
    }
}

impl<C: Cursor> Cursor for LoserTree<C> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        if self.started && self.winner.key_bytes != EXHAUSTED {
            let mut winner = self.advance_source(self.winner.source)?;
            let mut node = (self.sources.len() + winner.source as usize) / 2;
            while node > 0 {
                let rival = self.losers[node];
                if self.beats(rival, winner) {
                    self.losers[node] = winner;
                    winner = rival;
                }
                node /= 2;
            }
            self.winner = winner;
        } else if !self.started {
            self.start()?;
        }
        Ok(self.winner.key_bytes != EXHAUSTED)
    }

    #[inline]
    fn prefix(&self) -> u64 {
        self.winner.prefix
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.sources[self.winner.source as usize].key()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.sources[self.winner.source as usize].value()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shuffle::tests::{Records, Run, all, any_key};

    /// Runs whose values say which run and place they come from.
    fn runs() -> impl Strategy<Value = Vec<Records>> {
        proptest::collection::vec(proptest::collection::vec(any_key(), 0..20), 0..40).prop_map(
            |runs| {
                let run = |(run, mut keys): (usize, Vec<Vec<u8>>)| {
                    keys.sort();
                    keys.into_iter()
                        .enumerate()
                        .map(|(place, key)| (key, vec![run as u8, place as u8]))
                        .collect()
                };
                runs.into_iter().enumerate().map(run).collect()
            },
        )
    }

    proptest! {
        #[test]
        fn merged_runs_are_sorted_stable_and_complete(runs in runs()) {
            let mut expected = runs.concat();
            expected.sort();
            let tree = LoserTree::new(runs.into_iter().map(Run::new).collect());
            prop_assert_eq!(all(tree).unwrap(), expected);
        }
    }

    #[test]
    fn a_tree_has_a_current_source_only_while_it_has_a_record() {
        let mut tree =
            LoserTree::new(vec![Run::new(vec![]), Run::new(vec![(vec![255; 9], vec![])])]);
        assert!(tree.current().is_none());
        assert!(tree.advance().unwrap());
        assert_eq!(tree.current().unwrap().key(), [255; 9]);
        for _ in 0..2 {
            assert!(!tree.advance().unwrap());
            assert!(tree.current().is_none());
        }
        assert!(!LoserTree::<Run>::new(vec![]).advance().unwrap());
    }
}
