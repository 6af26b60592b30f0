//! Waits for a condition, with a deadline.

use std::error::Error;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Time limit for a condition, in seconds, unless the caller gives another one.
const SECONDS_MAX: u32 = 30;
/// Checks per second.
const LOOKS_PER_SECOND: u32 = 20;

/// Waits until a condition holds.
pub(crate) fn until(
    what: &str,
    is_so: impl FnMut() -> Result<bool, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    until_within(SECONDS_MAX, what, is_so)
}

/// Waits until a condition holds, for at least this many seconds.
pub(crate) fn until_within(
    seconds_max: u32,
    what: &str,
    mut is_so: impl FnMut() -> Result<bool, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (_never_sends, wait) = channel::<()>();
    for _ in 0..seconds_max * LOOKS_PER_SECOND {
        if is_so()? {
            return Ok(());
        }
        let _passed = wait.recv_timeout(Duration::from_secs(1) / LOOKS_PER_SECOND);
    }
    Err(format!("{what}: not within {seconds_max} seconds").into())
}
