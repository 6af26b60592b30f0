//! The checks of the laws. Each file covers one part of a job, such as its map or its combiner.

pub(super) mod combine;
pub(super) mod flags;
pub(super) mod job_value;
pub(super) mod key;
pub(super) mod map;
pub(super) mod partition;
pub(super) mod reduce;
pub(super) mod run;
pub(super) mod totals;
