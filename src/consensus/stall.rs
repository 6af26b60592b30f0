//! A disk that does not answer: who waits for it longer than others wait for him has to go.

use std::time::Duration;

use tokio::sync::watch;

/// Ends with true when a write takes longer than `patience` then is, with false when there is no writer any
/// more. The number is odd while a write is under way.
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
