//! Reads what this process inherited when it started: its umask and its ignored signals.

use std::sync::OnceLock;

use crate::procfs::Status;

/// The usual umask: only the owner may write.
const USUAL: u32 = 0o022;

/// Read once: a program that changes its umask between two runs gives both the first one.
fn status() -> &'static Status {
    static STATUS: OnceLock<Status> = OnceLock::new();
    STATUS.get_or_init(Status::own)
}

/// Returns the umask of this process without changing it, or the usual one if the system does not show it.
pub(super) fn umask() -> u32 {
    status().umask().unwrap_or(USUAL)
}

/// Returns the signals that were already ignored when this process started, with bit `n - 1` for signal `n`; 0 if the
/// system does not show them.
pub(super) fn ignored_signals() -> u64 {
    status().ignored_signals().unwrap_or(0)
}
