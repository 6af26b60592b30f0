//! Detects a stalled disk: a master that waits for its disk longer than the others wait for it must exit.

use std::time::Duration;

use tokio::sync::watch;

/// Returns true when a write takes longer than `patience`, and false when the writer is gone. The number is odd during a
/// write.
pub(super) async fn stalled(
    mut writes: watch::Receiver<u64>,
    patience: impl Fn() -> Duration,
) -> bool {
    loop {
        let is_writing = *writes.borrow_and_update() % 2 == 1;
        if is_writing {
            match tokio::time::timeout(patience(), writes.changed()).await {
                Err(_) => return true,
                Ok(Err(_)) => return false,
                Ok(Ok(())) => {}
            }
        } else if writes.changed().await.is_err() {
            return false;
        }
    }
}
