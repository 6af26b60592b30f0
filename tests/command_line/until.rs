//! Waits for what must come, with a deadline.

/// Looks for something that must come, and the pause between them: half a minute.
const LOOKS_MAX: u32 = 300;

/// Looks until it is so.
pub(crate) fn until(
    what: &str,
    mut is_so: impl FnMut() -> Result<bool, Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (_sender, wait) = std::sync::mpsc::channel::<()>();
    for _ in 0..LOOKS_MAX {
        if is_so()? {
            return Ok(());
        }
        let _passed = wait.recv_timeout(std::time::Duration::from_millis(100));
    }
    Err(format!("{what}: not within half a minute").into())
}
