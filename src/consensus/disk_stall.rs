//! Detects a stalled disk: a master that waits for its disk longer than the others wait for it must exit.

use std::time::Duration;

use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;

/// The longest time that is measured at once. When a process continues after it was stopped (by SIGSTOP, or because
/// the machine was suspended), all its deadlines have passed, although its disk had no time to answer. Only this much
/// of such a pause counts.
const STEP_MAX: Duration = Duration::from_millis(250);

/// Returns true when a write takes longer than `patience`, and false when the writer is gone. The number is odd during a
/// write.
pub(super) async fn stalled(
    mut writes: watch::Receiver<u64>,
    patience: impl Fn() -> Duration,
) -> bool {
    loop {
        let is_writing = *writes.borrow_and_update() % 2 == 1;
        let changed = match is_writing {
            true => within(&patience, &mut writes).await,
            false => Some(writes.changed().await),
        };
        match changed {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(())) => {}
        }
    }
}

/// Waits for the end of a write. Returns `None` if it takes longer than `patience`.
async fn within(
    patience: &impl Fn() -> Duration,
    writes: &mut watch::Receiver<u64>,
) -> Option<Result<(), RecvError>> {
    let mut waited = Duration::ZERO;
    loop {
        let step = patience().saturating_sub(waited).min(STEP_MAX);
        if step.is_zero() {
            return None;
        }
        match tokio::time::timeout(step, writes.changed()).await {
            Err(_) => waited += step,
            Ok(changed) => return Some(changed),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_write_that_takes_too_long_is_a_stall() {
        let (number, writes) = watch::channel(1);
        assert!(stalled(writes, || PATIENCE).await);
        drop(number);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_process_is_no_stall() {
        let (number, writes) = watch::channel(0);
        let watching = tokio::spawn(stalled(writes, || PATIENCE));
        for write in 0..10 {
            number.send(2 * write + 1).unwrap();
            sleep(Duration::from_millis(1)).await;
            // All this time passes at once, as for a process that was stopped.
            advance(10 * PATIENCE).await;
            sleep(Duration::from_millis(1)).await;
            number.send(2 * write + 2).unwrap();
        }
        assert!(!watching.is_finished());
        drop(number);
        assert!(!watching.await.unwrap());
    }
}
