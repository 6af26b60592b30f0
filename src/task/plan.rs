//! The plan task: cuts the input into splits, chooses the number of parts, samples cut points for parts by range.

use super::failure::Trouble;
use super::fold::{Cut, cut_points};
use super::run::Env;
use super::sample::sample;
use crate::format;
use crate::job::{By, Job, Partition};
use crate::spec::{AttemptId, Failure, FileRange, Split};

/// What the maps and reduces of a job are.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The input of each map task.
    pub splits: Vec<Split>,
    /// How many partitions, and so parts, there are; none for a job without a reduce.
    pub reducers: u32,
    /// The first keys of all partitions but the first, where partitions are ranges of keys.
    pub cuts: Vec<Cut>,
}

/// Plans a job over these files: a function of them and of the spec, never of threads, memory or time.
///
/// # Errors
///
/// A file that cannot be opened to see whether it can be cut.
pub fn plan<J: Job, P: Partition<J>>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    files: &[FileRange],
) -> Result<Plan, Failure> {
    let failed = |error: format::Error| Trouble::from(error).into_failure();
    let splits = format::plan::plan::<J::Input>(files, env.spec.split_bytes).map_err(failed)?;
    if J::MAP_ONLY {
        return Ok(Plan { splits, reducers: 0, cuts: Vec::new() });
    }
    let total = files.iter().filter(|file| file.end != u64::MAX).map(FileRange::bytes).sum();
    let reducers = env.spec.reducers.unwrap_or_else(|| format::plan::default_reducers(total));
    let mut cuts = Vec::new();
    if P::BY == By::Range && reducers > 1 {
        cuts = cut_points(sample(env, job, attempt, &splits)?, reducers);
    }
    Ok(Plan { splits, reducers, cuts })
}
