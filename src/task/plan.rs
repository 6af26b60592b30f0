//! The plan task: cuts the input into splits, chooses the number of parts, and, for partitions by range, samples keys
//! to find where partitions begin.

use super::failure::AttemptError;
use super::fold::cut_points;
use super::plan_file::Plan;
use super::run::Env;
use super::sample::sample;
use crate::format;
use crate::job::{By, Job, Partition};
use crate::model::{AttemptId, Failure, FileRange};

/// Plans a job over these files. The plan depends on the files and the spec, never on threads, memory or time.
///
/// # Errors
///
/// A file cannot be opened to check whether it can be cut.
pub fn plan<J: Job, P: Partition<J>>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    files: &[FileRange],
) -> Result<Plan, Failure> {
    let failed = |error: format::Error| AttemptError::from(error).into_failure();
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
