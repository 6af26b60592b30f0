//! A job under test and its input, with the map output and the groups that the laws examine.

use super::chance::Chance;
use super::inputs;
use super::pairs::{Keyed, grouped};
use super::settings::Settings;
use super::workbench::{Results, Step, Workbench};
use super::{Breach, Law, compare, show};
use crate::job::{Combine, Job};
use crate::model::{FileRange, TaskKind};

/// The fraction by which numbers may differ if the combiner is not declared exact.
const INEXACT_TOLERANCE: f64 = 1e-9;

/// A job under test, with one input.
pub(super) struct Subject<'s, J: Job> {
    pub(super) bench: &'s mut Workbench<J>,
    pub(super) settings: &'s Settings,
    pub(super) files: &'s [FileRange],
    pub(super) splittable: Vec<bool>,
    /// The output of one map task over all of the input.
    pub(super) whole: Vec<Step>,
    pub(super) groups: Vec<Keyed>,
    /// See [`Self::spread`].
    spread: Option<Vec<Keyed>>,
    tolerance: f64,
}

/// The reason why a law was not tested, if it was not.
pub(super) type Unchecked = Option<&'static str>;

impl<'s, J: Job> Subject<'s, J> {
    pub(super) fn new(
        bench: &'s mut Workbench<J>,
        files: &'s [FileRange],
        settings: &'s Settings,
    ) -> Result<Self, Breach> {
        let splittable = inputs::splittable::<J>(files)?;
        let job = bench.task(TaskKind::Map, 0, 1)?;
        let whole = bench.map(&job, files)?;
        if whole.iter().all(|step| step.record.is_none()) {
            return Err(Breach::NoRecords);
        }
        let groups = groups_of::<J>(&whole)?;
        let exact = is_exact(&job.combiner());
        let tolerance = settings.tolerance.unwrap_or(if exact { 0.0 } else { INEXACT_TOLERANCE });
        Ok(Subject { bench, settings, files, splittable, whole, groups, spread: None, tolerance })
    }

    /// Returns groups in which some key has at least `wanted` values, if possible.
    ///
    /// A map that emits in `cleanup` emits each key only once per task. Every record then gets its own task, as far as
    /// the input can be cut.
    pub(super) fn spread(&mut self, wanted: usize) -> Result<Vec<Keyed>, Breach> {
        if longest(&self.groups) >= wanted {
            return Ok(self.groups.clone());
        }
        if let Some(spread) = &self.spread {
            return Ok(spread.clone());
        }
        let mut steps = Vec::new();
        for (index, task) in (0..).zip(inputs::finest(self.files, &self.splittable, &self.whole)) {
            let job = self.bench.task(TaskKind::Map, index, 1)?;
            steps.extend(self.bench.map(&job, &task)?);
        }
        Ok(self.spread.insert(groups_of::<J>(&steps)?).clone())
    }

    /// Returns whether two results are the same.
    pub(super) fn same(&self, left: &[u8], right: &[u8]) -> bool {
        compare::same(left, right, self.tolerance)
    }

    /// Returns the random numbers of a law.
    pub(super) fn chance(&self, law: Law) -> Chance {
        Chance::new(self.settings.seed, law as u64)
    }

    /// Returns the first place at which results differ, and both results there.
    pub(super) fn difference(&self, left: &Results, right: &Results) -> Option<Difference> {
        let differs = |key: &&Vec<u8>| match (left.get(*key), right.get(*key)) {
            (Some(left), Some(right)) => !self.same(left, right),
            (left, right) => left.or(right).is_some_and(|written| !written.is_empty()),
        };
        let key = left.keys().chain(right.keys()).find(differs)?;
        let written = |results: &Results| results.get(key).cloned().unwrap_or_default();
        let (left, right) = show::results(&written(left), &written(right));
        let place = if J::MAP_ONLY {
            "from the first line that differs,".to_string()
        } else {
            format!("for key {}", show::key::<J>(key))
        };
        Some(Difference { place, left, right })
    }
}

/// Where two results differ, for people.
pub(super) struct Difference {
    pub(super) place: String,
    pub(super) left: String,
    pub(super) right: String,
}

/// Returns the groups with which the reduce is called for this map output.
pub(super) fn groups_of<J: Job>(steps: &[Step]) -> Result<Vec<Keyed>, Breach> {
    let groups = grouped::<J>(steps.iter().flat_map(|step| &step.pairs));
    groups.map_err(|error| Breach::not_run(format!("a key cannot be decoded: {error}")))
}

/// Returns the largest number of values that one key has.
pub(super) fn longest(groups: &[Keyed]) -> usize {
    groups.iter().map(Keyed::longest).max().unwrap_or(0)
}

fn is_exact<J: Job, C: Combine<J>>(_: &C) -> bool {
    !C::COMBINES || C::EXACT
}
