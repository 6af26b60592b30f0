//! Reads the umask of this process.

use std::fs;

/// The usual umask: only the owner may write.
const USUAL: u32 = 0o022;

/// The umask of this process, read without changing it.
pub(super) fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse(&status).unwrap_or(USUAL)
}

fn parse(status: &str) -> Option<u32> {
    let digits = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(digits.trim(), 8).ok().map(|umask| umask & 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_umask_is_read_from_the_status_of_the_process() {
        assert_eq!(parse("Name:\tx\nUmask:\t0077\nState:\tR\n"), Some(0o077));
        assert_eq!(parse("Name:\tx\n"), None);
        assert!(umask() <= 0o777);
    }
}
