//! Measures this process's peak resident memory since an attempt began.

use std::fs;

use crate::procfs::Status;

/// Written to `/proc/self/clear_refs`, this value resets the peak; see proc(5).
const RESET_PEAK: &str = "5";

/// Starts a new measurement. If the system does not allow that, the peak covers the whole life of the process.
pub(super) fn reset() {
    let _reset_or_not = fs::write("/proc/self/clear_refs", RESET_PEAK);
}

/// The peak in bytes; 0 if the system does not report it.
pub(super) fn bytes() -> u64 {
    Status::own().peak_bytes().unwrap_or(0)
}
