//! Combining some of a key's values, in any grouping and any number of times, must not change the result.

use super::super::chance::Chance;
use super::super::pairs::{Keyed, Member};
use super::super::subject::{Subject, Unchecked, groups_of, longest};
use super::super::workbench::{Step, failed};
use super::super::{Breach, Law, show};
use super::reduce::display_group;
use crate::job::{Combine, Error, Job, KeepApart};
use crate::model::{TaskKind, escape};
use crate::record::value;

/// Number of values that suffices to test every law about combiners.
const VALUES_WANTED: usize = 3;
/// Maximum number of rounds of grouping, because a combiner may keep values apart permanently.
const ROUNDS_MAX: u32 = 16;
/// Maximum number of characters shown of a grouping.
const GROUPING_CHARS: usize = 120;

/// Checks one of the laws about combiners. It compares the output of the reduce, because nothing else counts: a
/// combiner that keeps a list may keep it in any order if the reduce sorts it.
pub(crate) fn check<J: Job>(subject: &mut Subject<'_, J>, law: Law) -> Result<Unchecked, Breach> {
    let job = subject.bench.task(TaskKind::Reduce, 0, 1)?;
    check_with(subject, &job, &job.combiner(), law)
}

/// Returns the groups, with all values of each key folded into one; unchanged if there is no combiner.
pub(super) fn folded<J: Job>(job: &J, groups: Vec<Keyed>) -> Result<Vec<Keyed>, Breach> {
    folded_with(&job.combiner(), groups)
}

fn folded_with<J: Job, C: Combine<J>>(
    combiner: &C,
    groups: Vec<Keyed>,
) -> Result<Vec<Keyed>, Breach> {
    if !C::COMBINES {
        return Ok(groups);
    }
    let fold = |values: &[Vec<u8>]| fold(combiner, values.iter().map(Vec::as_slice));
    groups.iter().map(|keyed| keyed.changed(fold)).collect()
}

/// Returns whether a repeated task has emitted the same totals, possibly in different pairs.
///
/// A map with a table of its own, which it emits when it is full, may emit a key in any number of pairs if an exact
/// combiner folds them anyway. Totals are compared by the output of the reduce.
pub(super) fn totals_agree<J: Job>(
    subject: &mut Subject<'_, J>,
    job: &J,
    again: &[Step],
) -> Result<bool, Breach> {
    if J::MAP_ONLY {
        return Ok(false);
    }
    totals_agree_with(subject, job, &job.combiner(), again)
}

fn totals_agree_with<J: Job, C: Combine<J>>(
    subject: &mut Subject<'_, J>,
    job: &J,
    combiner: &C,
    again: &[Step],
) -> Result<bool, Breach> {
    if !C::COMBINES || !C::EXACT {
        return Ok(false);
    }
    let (left, right) = (subject.groups.clone(), groups_of::<J>(again)?);
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(&right) {
        let same_keys = left
            .members
            .iter()
            .map(|member| &member.key)
            .eq(right.members.iter().map(|member| &member.key));
        if !same_keys {
            return Ok(false);
        }
        let left = Trial { subject, job, combiner, keyed: left }.folded(<[_]>::to_vec)?;
        let mut trial = Trial { subject, job, combiner, keyed: right };
        let right = trial.folded(<[_]>::to_vec)?;
        if trial.difference(&left, &right)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn check_with<J: Job, C: Combine<J>>(
    subject: &mut Subject<'_, J>,
    job: &J,
    combiner: &C,
    law: Law,
) -> Result<Unchecked, Breach> {
    if !C::COMBINES {
        return Ok(Some("the job has no combiner"));
    }
    if law == Law::CombinerIsCommutative && !C::EXACT {
        return Ok(Some("the combiner is not declared exact"));
    }
    let mut chance = subject.chance(law);
    let groups = subject.spread(VALUES_WANTED)?;
    for keyed in &groups {
        let mut trial = Trial { subject, job, combiner, keyed };
        match law {
            Law::CombinerRoundTrips => trial.round_trips()?,
            Law::CombinerIsAssociative => trial.is_associative(&mut chance)?,
            Law::CombinerIsCommutative => trial.is_commutative(&mut chance)?,
            _ => trial.is_optional(&mut chance)?,
        }
    }
    if law == Law::CombinerRoundTrips && longest(&groups) < VALUES_WANTED {
        return Err(Breach::NoKeyRepeats);
    }
    Ok(None)
}

/// One key, combined in several ways.
struct Trial<'t, 's, J: Job, C> {
    subject: &'t mut Subject<'s, J>,
    job: &'t J,
    combiner: &'t C,
    keyed: &'t Keyed,
}

impl<J: Job, C: Combine<J>> Trial<'_, '_, J, C> {
    fn round_trips(&mut self) -> Result<(), Breach> {
        let plain = self.folded(<[_]>::to_vec)?;
        let again = self.keyed.changed(|values| {
            let each = values.iter().map(|value| self.fold([value.as_slice()]));
            let each: Vec<_> = each.collect::<Result<_, _>>()?;
            self.fold_all(&each.concat())
        })?;
        let Some((plain, again)) = self.difference(&plain, &again)? else { return Ok(()) };
        let (key, values) = display_group::<J>(self.keyed);
        Err(Breach::CombinerForgets { key, values, plain, again })
    }

    fn is_associative(&mut self, chance: &mut Chance) -> Result<(), Breach> {
        let plain = self.folded(<[_]>::to_vec)?;
        for case in 0..self.cases(VALUES_WANTED) {
            let mut groupings = Vec::new();
            let grouped = self.keyed.changed(|values| {
                let mut items: Vec<Item> =
                    values.iter().map(|value| Item::of::<J>(value)).collect();
                let mut round = 0;
                while items.len() > 1 && round < ROUNDS_MAX {
                    // The simplest grouping comes first: the first value, then all the others together.
                    let lengths = match (case, round, items.len()) {
                        (0, 0, count @ VALUES_WANTED..) => vec![1, count - 1],
                        (0, 1, count) => vec![count],
                        (_, _, count) => lengths(count, chance),
                    };
                    items = self.fold_runs(&items, &lengths)?;
                    round += 1;
                }
                groupings.extend(items.iter().map(|item| item.shown.clone()));
                Ok::<_, Breach>(items.into_iter().map(|item| item.value).collect())
            })?;
            let Some((plain, grouped)) = self.difference(&plain, &grouped)? else { continue };
            let (key, values) = display_group::<J>(self.keyed);
            let grouping = escape(groupings.join(", ").as_bytes(), GROUPING_CHARS);
            return Err(Breach::CombinerGroups { key, values, grouping, plain, grouped });
        }
        Ok(())
    }

    fn is_commutative(&mut self, chance: &mut Chance) -> Result<(), Breach> {
        let plain = self.folded(<[_]>::to_vec)?;
        for case in 0..self.cases(2) {
            let mut order = self.keyed.clone();
            for Member { values, .. } in &mut order.members {
                if case == 0 { values.reverse() } else { chance.shuffle(values) }
            }
            let shuffled = order.changed(|values| self.fold_all(values))?;
            let Some((plain, shuffled)) = self.difference(&plain, &shuffled)? else { continue };
            let (key, values) = display_group::<J>(self.keyed);
            let (_, order) = display_group::<J>(&order);
            return Err(Breach::CombinerOrders { key, values, order, plain, shuffled });
        }
        Ok(())
    }

    fn is_optional(&mut self, chance: &mut Chance) -> Result<(), Breach> {
        // In the first case all values become one; in the others some are combined, some not.
        for case in 0..self.cases(2).max(1) {
            let combined = self.keyed.changed(|values| {
                let items: Vec<Item> = values.iter().map(|value| Item::of::<J>(value)).collect();
                let lengths =
                    if case == 0 { vec![items.len()] } else { lengths(items.len(), chance) };
                let items = self.fold_runs(&items, &lengths)?;
                Ok::<_, Breach>(items.into_iter().map(|item| item.value).collect())
            })?;
            let Some((plain, written)) = self.difference(self.keyed, &combined)? else { continue };
            let (key, values) = display_group::<J>(self.keyed);
            let (_, folded) = display_group::<J>(&combined);
            return Err(Breach::CombinerShows { key, values, folded, plain, combined: written });
        }
        Ok(())
    }

    /// Returns the number of tries: zero if no key has enough values.
    fn cases(&self, values: usize) -> usize {
        if self.keyed.longest() >= values { self.subject.settings.cases } else { 0 }
    }

    /// Returns the group with all values of each key folded into one, one by one.
    fn folded(&self, change: impl Fn(&[Vec<u8>]) -> Vec<Vec<u8>>) -> Result<Keyed, Breach> {
        self.keyed.changed(|values| self.fold_all(&change(values)))
    }

    /// Returns the output of the reduce for both, if they differ.
    fn difference(
        &mut self,
        left: &Keyed,
        right: &Keyed,
    ) -> Result<Option<(String, String)>, Breach> {
        let left = self.subject.bench.reduce(self.job, left)?;
        let right = self.subject.bench.reduce(self.job, right)?;
        Ok((!self.subject.same(&left, &right)).then(|| show::results(&left, &right)))
    }

    /// Folds runs of adjacent values, of these lengths; a run of one is left as it is.
    fn fold_runs(&self, items: &[Item], lengths: &[usize]) -> Result<Vec<Item>, Breach> {
        let mut folded = Vec::with_capacity(lengths.len());
        let mut rest = items;
        for length in lengths {
            let (run, behind) = rest.split_at(*length);
            rest = behind;
            if let [one] = run {
                folded.push(one.clone());
                continue;
            }
            let shown: Vec<&str> = run.iter().map(|item| item.shown.as_str()).collect();
            let shown = format!("({})", shown.join(" "));
            let values = self.fold(run.iter().map(|item| item.value.as_slice()))?;
            folded.extend(values.into_iter().map(|value| Item { shown: shown.clone(), value }));
        }
        Ok(folded)
    }

    fn fold_all(&self, values: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Breach> {
        self.fold(values.iter().map(Vec::as_slice))
    }

    fn fold<'v>(&self, values: impl IntoIterator<Item = &'v [u8]>) -> Result<Vec<Vec<u8>>, Breach> {
        fold(self.combiner, values)
    }
}

/// Folds values into one accumulator, one by one, and turns it back into a value. If the combiner keeps two values
/// apart, several are returned.
fn fold<'v, J: Job, C: Combine<J>>(
    combiner: &C,
    values: impl IntoIterator<Item = &'v [u8]>,
) -> Result<Vec<Vec<u8>>, Breach> {
    try_fold(combiner, values).map_err(|error| failed("the combiner", &error, None))
}

fn try_fold<'v, J: Job, C: Combine<J>>(
    combiner: &C,
    values: impl IntoIterator<Item = &'v [u8]>,
) -> Result<Vec<Vec<u8>>, Error> {
    let (mut acc, mut folded) = (None, Vec::new());
    for bytes in values {
        let value = value::decode(bytes).map_err(Error::new)?;
        let Some(acc) = &mut acc else {
            acc = Some(combiner.start(value)?);
            continue;
        };
        match combiner.fold(acc, value) {
            Err(error) if error.cause().is::<KeepApart>() => folded.push(bytes.to_vec()),
            done => done?,
        }
    }
    if let Some(acc) = acc {
        let mut value = Vec::new();
        value::encode_into(&combiner.value(&acc)?, &mut value).map_err(Error::new)?;
        folded.insert(0, value);
    }
    Ok(folded)
}

/// A value, and how it was made: `(1 (2 4))`.
#[derive(Clone)]
struct Item {
    shown: String,
    value: Vec<u8>,
}

impl Item {
    fn of<J: Job>(value: &[u8]) -> Self {
        Item { shown: show::value::<J>(value), value: value.to_vec() }
    }
}

/// Returns random lengths of runs that add up to `count`. At least one of them is greater than one, if possible.
fn lengths(count: usize, chance: &mut Chance) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut left = count;
    while left > 0 {
        let length = 1 + chance.below(left.min(4));
        lengths.push(length);
        left -= length;
    }
    if lengths.len() == count && count > 1 {
        lengths[0] += 1;
        lengths.pop();
    }
    lengths
}
