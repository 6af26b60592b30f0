//! The job value must be unchanged after it is sent to a task.

use super::super::subject::{Subject, Unchecked, groups_of};
use super::super::workbench::{Step, set_up};
use super::super::{Breach, show};
use super::map::difference;
use crate::job::{Job, says_the_same};
use crate::model::TaskKind;

/// Checks that `original` and its copy map and reduce in the same way.
pub(crate) fn survives<J: Job>(
    subject: &mut Subject<'_, J>,
    original: &mut J,
) -> Result<Unchecked, Breach> {
    bytes_stay::<J>(&subject.bench.job)?;
    // Both are set up once, for the same map task, so they are treated alike even if `setup` depends on the kind of
    // task.
    let copy = subject.bench.task(TaskKind::Map, 0, 1)?;
    set_up(original, TaskKind::Map, 0, 1)?;
    let files = subject.files;
    let expected = subject.bench.map(&copy, files)?;
    let repeated = subject.bench.task(TaskKind::Map, 0, 1)?;
    if difference::<J>(&expected, &subject.bench.map(&repeated, files)?).is_some() {
        // If the map itself is not deterministic, its own law reports that better.
        return Ok(None);
    }
    let found = subject.bench.map(original, files)?;
    if let Some((place, original, copy)) = difference::<J>(&found, &expected) {
        return Err(Breach::JobLosesField { place, original, copy });
    }
    if J::MAP_ONLY { Ok(None) } else { reduces_alike(subject, original, &copy, &expected) }
}

fn reduces_alike<J: Job>(
    subject: &mut Subject<'_, J>,
    original: &J,
    copy: &J,
    steps: &[Step],
) -> Result<Unchecked, Breach> {
    for keyed in groups_of::<J>(steps)? {
        // Errors are left to the laws that follow.
        let (Ok(found), Ok(expected)) =
            (subject.bench.reduce(original, &keyed), subject.bench.reduce(copy, &keyed))
        else {
            continue;
        };
        if found != expected
            && subject.bench.reduce(copy, &keyed).is_ok_and(|again| again == expected)
        {
            let (original, copy) = show::results(&found, &expected);
            let place = format!("for key {}", show::key::<J>(&keyed.group));
            return Err(Breach::JobLosesField { place, original, copy });
        }
    }
    Ok(None)
}

fn bytes_stay<J: Job>(bytes: &[u8]) -> Result<(), Breach> {
    let broken = |problem: String| Breach::JobNotReadable { problem };
    let copy = J::from_bytes(bytes).map_err(|error| broken(error.to_string()))?;
    let again = copy.to_bytes().map_err(|error| broken(error.to_string()))?;
    if says_the_same(&again, bytes) {
        return Ok(());
    }
    Err(broken("writing it, reading it and writing it again gives different bytes".into()))
}
