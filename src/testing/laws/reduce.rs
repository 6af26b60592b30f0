//! The reduce must depend only on a key and its values: not on their order, and not on the task's other keys.

use super::super::pairs::Keyed;
use super::super::subject::{Difference, Subject, Unchecked, groups_of};
use super::super::workbench::Results;
use super::super::{Breach, Law, show};
use crate::job::{By, Job, Partition};
use crate::model::TaskKind;
use crate::record::hash;
use crate::shuffle::Partitioner;
use crate::task::{Cut, JobPartitioner};

/// Checks that reducing the same values again writes the same output.
pub(crate) fn is_deterministic<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    let job = subject.bench.task(TaskKind::Reduce, 0, 1)?;
    for keyed in &subject.groups {
        let first = subject.bench.reduce(&job, keyed)?;
        let second = subject.bench.reduce(&job, keyed)?;
        if first != second {
            let (first, second) = show::results(&first, &second);
            let (key, values) = display_group::<J>(keyed);
            return Err(Breach::ReduceDiffers { key, values, first, second });
        }
    }
    Ok(None)
}

/// Checks that the order of the values of equal keys does not matter. Keys that sort within a group keep their order.
pub(crate) fn order_does_not_show<J: Job>(
    subject: &mut Subject<'_, J>,
) -> Result<Unchecked, Breach> {
    if subject.settings.ordered_values {
        return Ok(Some("`ordered_values` lets the reduce depend on the order of values"));
    }
    let job = subject.bench.task(TaskKind::Reduce, 0, 1)?;
    let mut chance = subject.chance(Law::ValueOrderDoesNotShow);
    let mut several = subject.spread(2)?;
    several.retain(|keyed| keyed.longest() > 1);
    for keyed in &several {
        let plain = subject.bench.reduce(&job, keyed)?;
        for _ in 0..subject.settings.cases {
            let other = keyed.changed(|values| {
                let mut values = values.to_vec();
                chance.shuffle(&mut values);
                Ok::<_, Breach>(values)
            })?;
            let shuffled = subject.bench.reduce(&job, &other)?;
            if !subject.same(&plain, &shuffled) {
                let (plain, shuffled) = show::results(&plain, &shuffled);
                let (key, values) = display_group::<J>(keyed);
                let (_, order) = display_group::<J>(&other);
                return Err(Breach::ValueOrderShows { key, values, order, plain, shuffled });
            }
        }
    }
    Ok(several.is_empty().then_some("no key of the input has more than one value"))
}

/// Checks that neither the number of reducers nor their other keys matter.
pub(crate) fn reducers_do_not_show<J: Job>(
    subject: &mut Subject<'_, J>,
) -> Result<Unchecked, Breach> {
    let mut chance = subject.chance(Law::ReducersDoNotShow);
    let one = with_reducers(subject, 1)?;
    for reducers in [2, 3, 5, 6 + chance.below(20) as u32] {
        let many = with_reducers(subject, reducers)?;
        if let Some(Difference { place, left, right }) = subject.difference(&one, &many) {
            return Err(Breach::ReducersShow { place, reducers, one: left, many: right });
        }
    }
    Ok(None)
}

fn with_reducers<J: Job>(subject: &mut Subject<'_, J>, reducers: u32) -> Result<Results, Breach> {
    let job = subject.bench.task(TaskKind::Map, 0, reducers)?;
    let groups = groups_of::<J>(&subject.bench.map(&job, subject.files)?)?;
    let mut results = Results::new();
    for (index, part) in parted(&job, groups, reducers)?.into_iter().enumerate() {
        let job = subject.bench.task(TaskKind::Reduce, index as u32, reducers)?;
        results.extend(subject.bench.reduce_each(&job, &part)?);
    }
    Ok(results)
}

/// Returns the groups of each partition, in their order.
pub(super) fn parted<J: Job>(
    job: &J,
    groups: Vec<Keyed>,
    parts: u32,
) -> Result<Vec<Vec<Keyed>>, Breach> {
    part_with(&job.partitioner(), groups, parts)
}

fn part_with<J: Job, P: Partition<J>>(
    partitioner: &P,
    groups: Vec<Keyed>,
    parts: u32,
) -> Result<Vec<Vec<Keyed>>, Breach> {
    // The cut points are evenly spaced, like those that are sampled from the input.
    let mut cuts: Vec<Cut> = Vec::new();
    if P::BY == By::Range {
        let places = (1..parts as usize).map(|part| part * groups.len() / parts as usize);
        cuts.extend(
            places.filter_map(|at| groups.get(at)).map(|keyed| Cut::from(keyed.group.as_slice())),
        );
    }
    let partitioner = JobPartitioner::<J, P>::new(partitioner, parts, &cuts);
    let mut parted = vec![Vec::new(); parts as usize];
    for keyed in groups {
        let key = &keyed.members[0].key;
        let partition = partitioner.partition(key, hash::hash(key)).map_err(Breach::not_run)?;
        parted[partition as usize].push(keyed);
    }
    Ok(parted)
}

/// Formats a key and its values for people.
pub(super) fn display_group<J: Job>(keyed: &Keyed) -> (String, String) {
    (show::key::<J>(&keyed.group), show::values::<J>(keyed.values().into_iter()))
}
