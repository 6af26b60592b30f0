//! The map must depend only on the record, and the result must not depend on where the input is cut.

use super::super::inputs::{self, layouts};
use super::super::subject::{Difference, Subject, Unchecked, groups_of};
use super::super::workbench::{Place, Results, Step};
use super::super::{Breach, Law, show};
use super::combine;
use crate::job::Job;
use crate::model::TaskKind;

/// Checks that the same task, run again, gives the same output.
pub(crate) fn is_deterministic<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    let job = subject.bench.task(TaskKind::Map, 0, 1)?;
    let again = subject.bench.map(&job, subject.files)?;
    match difference::<J>(&subject.whole, &again) {
        Some((place, first, second)) if !combine::totals_agree(subject, &job, &again)? => {
            Err(Breach::MapDiffers { place, first, second })
        }
        _ => Ok(None),
    }
}

/// Checks that all ranges together have the same records as the whole file.
pub(crate) fn records_are_found<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    if !subject.splittable.contains(&true) {
        return Ok(Some("files of this input format are never cut"));
    }
    let law = Law::RecordsAreFound;
    let whole: Vec<Place> = places(&subject.whole);
    for layout in drawn(subject, law) {
        let mut found = Vec::new();
        for (index, task) in layout.iter().enumerate() {
            let job = subject.bench.task(TaskKind::Map, index as u32, 1)?;
            found.extend(places(&subject.bench.map(&job, task)?));
        }
        let count = whole.len().max(found.len());
        if let Some(at) = (0..count).find(|&at| whole.get(at) != found.get(at)) {
            let shown = |place: Option<&Place>| match place {
                Some(place) => format!("{} at byte {}", show::bytes(&place.bytes), place.offset),
                None => "missing".into(),
            };
            let (whole, cut) = (shown(whole.get(at)), shown(found.get(at)));
            return Err(Breach::RecordsDiffer {
                number: at + 1,
                whole,
                cut,
                cuts: inputs::show(&layout),
            });
        }
    }
    Ok(None)
}

/// Checks that several tasks give the same result as one.
pub(crate) fn cuts_do_not_show<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    let reducer = subject.bench.task(TaskKind::Reduce, 0, 1)?;
    let one_task = vec![subject.files.to_vec()];
    let whole = results(subject, &reducer, &one_task)?;
    for layout in drawn(subject, Law::CutsDoNotShow) {
        let cut = results(subject, &reducer, &layout)?;
        let Some(difference) = subject.difference(&whole, &cut) else { continue };
        // If the reduce gives a different result each time, another law reports that.
        let again = results(subject, &reducer, &one_task)?;
        if subject.difference(&whole, &again).is_some() {
            return Ok(None);
        }
        let Difference { place, left: whole, right: cut } = difference;
        return Err(Breach::CutsShow { place, whole, cut, cuts: inputs::show(&layout) });
    }
    let cuttable = subject.splittable.contains(&true) || subject.files.len() > 1;
    Ok((!cuttable).then_some("the input is one file that cannot be cut"))
}

/// Returns the output of these map tasks and one reducer, by key.
fn results<J: Job>(
    subject: &mut Subject<'_, J>,
    reducer: &J,
    layout: &inputs::Layout,
) -> Result<Results, Breach> {
    if J::MAP_ONLY {
        return Ok(Results::from([(Vec::new(), subject.bench.map_to_part(0, layout)?)]));
    }
    let mut steps = Vec::new();
    for (index, task) in (0..).zip(layout) {
        let job = subject.bench.task(TaskKind::Map, index, 1)?;
        steps.extend(subject.bench.map(&job, task)?);
    }
    let groups = groups_of::<J>(&steps)?;
    subject.bench.reduce_each(reducer, &groups)
}

/// Returns the layouts for this law.
pub(super) fn drawn<J: Job>(subject: &Subject<'_, J>, law: Law) -> Vec<inputs::Layout> {
    let mut chance = subject.chance(law);
    layouts(subject.files, &subject.splittable, &subject.whole, subject.settings.cases, &mut chance)
}

fn places(steps: &[Step]) -> Vec<Place> {
    steps.iter().filter_map(|step| step.record.clone()).collect()
}

/// Returns the first record for which two runs of a task differ, and both outputs.
///
/// The order in which a record's different keys are emitted is never visible, so it does not count.
pub(super) fn difference<J: Job>(
    left: &[Step],
    right: &[Step],
) -> Option<(String, String, String)> {
    let (left, right) =
        left.iter().zip(right).find(|(left, right)| by_key(left) != by_key(right))?;
    let place = match &left.record {
        Some(place) => format!("for record {}", show::bytes(&place.bytes)),
        None => "in `cleanup`".into(),
    };
    if J::MAP_ONLY {
        let (left, right) = show::results(&left.written, &right.written);
        return Some((place, left, right));
    }
    Some((place, shown::<J>(left), shown::<J>(right)))
}

fn by_key(step: &Step) -> Step {
    let mut step = step.clone();
    step.pairs.sort_by(|a, b| a.key.cmp(&b.key));
    step
}

/// Formats pairs for people: `"a" → 1, "b" → 1`.
fn shown<J: Job>(step: &Step) -> String {
    /// Maximum number of pairs shown, so that the list stays readable.
    const PAIRS: usize = 4;
    let mut pairs: Vec<String> = step
        .pairs
        .iter()
        .take(PAIRS)
        .map(|pair| format!("{} → {}", show::key::<J>(&pair.key), show::value::<J>(&pair.value)))
        .collect();
    match step.pairs.len() {
        0 => return "nothing".into(),
        count if count > PAIRS => pairs.push(format!("{} more", count - PAIRS)),
        _ => {}
    }
    pairs.join(", ")
}
