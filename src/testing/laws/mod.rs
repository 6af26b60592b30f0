//! The checks, one file for the laws about one part of a job.

pub(super) mod combine;
pub(super) mod flags;
pub(super) mod job_value;
pub(super) mod key;
pub(super) mod map;
pub(super) mod partition;
pub(super) mod reduce;
pub(super) mod run;
pub(super) mod totals;
