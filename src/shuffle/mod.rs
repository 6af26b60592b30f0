//! Sorts and folds map output into partitioned, checksummed spill files and merges them again.
