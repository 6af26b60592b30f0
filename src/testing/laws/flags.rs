//! A job's own flags must not have the same names as the flags that every job has.

use super::super::Breach;
use super::super::subject::Unchecked;
use crate::job::Job;
use crate::launch;

/// Checks that no field of the job uses a name or a flag that is already taken.
pub(crate) fn do_not_clash<J: Job>() -> Result<Unchecked, Breach> {
    let clashes = launch::clashes::<J>();
    if clashes.is_empty() {
        Ok(None)
    } else {
        Err(Breach::FlagsClash { clashes: clashes.join("; ") })
    }
}
