//! Measures this process's peak resident memory since an attempt began.

use std::fs;

/// Written to `/proc/self/clear_refs`, this value resets the peak; see proc(5).
const RESET_PEAK: &str = "5";

/// Starts a new measurement. If the system does not allow that, the peak covers the whole life of the process.
pub(super) fn reset() {
    let _reset_or_not = fs::write("/proc/self/clear_refs", RESET_PEAK);
}

/// The peak in bytes; 0 if the system does not report it.
pub(super) fn bytes() -> u64 {
    fs::read_to_string("/proc/self/status").ok().and_then(|status| peak(&status)).unwrap_or(0)
}

fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim_end().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_is_read_in_bytes() {
        assert_eq!(peak("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!((peak("VmRSS:\t 1 kB\n"), peak("VmHWM: many kB")), (None, None));
        assert!(bytes() > 1 << 20, "a test takes more than a MiB");
    }
}
