//! Sorts and folds map output into partitioned, checksummed spill files and merges them again.

pub mod batch;
pub mod buffer;
mod slots;
pub mod sort;
pub mod table;
