//! Counters and side outputs must be functions of the input, like the result.

use super::super::inputs::{self, Layout};
use super::super::side_results::SideResults;
use super::super::subject::{Subject, Unchecked, groups_of};
use super::super::{Breach, Law};
use super::combine;
use super::map::drawn;
use super::reduce::parted;
use crate::job::Job;
use crate::model::TaskKind;

/// Checks that totals do not depend on cuts, on the number of reducers, or on combining.
pub(crate) fn do_not_show<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    let one = vec![subject.files.to_vec()];
    let plain = totals(subject, &one, 1, false)?;
    let again = totals(subject, &one, 1, false)?;
    differs(subject, &plain, &again, || "when run again".into())?;
    for layout in drawn(subject, Law::TotalsDoNotShow) {
        let cut = totals(subject, &layout, 1, false)?;
        differs(subject, &plain, &cut, || {
            format!("with map tasks over {}", inputs::show(&layout))
        })?;
    }
    if J::MAP_ONLY {
        return Ok(None);
    }
    for reducers in [2, 3, 5] {
        let many = totals(subject, &one, reducers, false)?;
        differs(subject, &plain, &many, || format!("with {reducers} reducers"))?;
    }
    let combined = totals(subject, &one, 1, true)?;
    differs(subject, &plain, &combined, || "with values combined before the reduce".into())?;
    Ok(None)
}

fn differs<J: Job>(
    subject: &Subject<'_, J>,
    plain: &SideResults,
    other: &SideResults,
    how: impl FnOnce() -> String,
) -> Result<(), Breach> {
    let same = |left: &[u8], right: &[u8]| subject.same(left, right);
    match plain.difference(other, subject.settings, same) {
        Some((what, plain, other)) => Err(Breach::TotalsShow { what, plain, how: how(), other }),
        None => Ok(()),
    }
}

/// Returns the counts and side outputs of these map tasks and this number of reduce tasks together.
pub(super) fn totals<J: Job>(
    subject: &mut Subject<'_, J>,
    layout: &Layout,
    reducers: u32,
    combine: bool,
) -> Result<SideResults, Breach> {
    subject.bench.side_results(|bench| {
        let mut steps = Vec::new();
        for (index, task) in (0..).zip(layout) {
            let job = bench.task(TaskKind::Map, index, reducers)?;
            steps.extend(bench.map(&job, task)?);
        }
        if J::MAP_ONLY {
            return Ok(());
        }
        let job = bench.task(TaskKind::Map, 0, reducers)?;
        let mut groups = groups_of::<J>(&steps)?;
        if combine {
            groups = combine::folded(&job, groups)?;
        }
        for (index, part) in (0..).zip(parted(&job, groups, reducers)?) {
            let job = bench.task(TaskKind::Reduce, index, reducers)?;
            bench.reduce_each(&job, &part)?;
        }
        Ok(())
    })
}
