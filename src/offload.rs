//! Runs blocking work on separate threads, so that it does not delay async code.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, spawn_blocking};

/// Runs the work on one of tokio's many blocking threads.
///
/// On a single-threaded runtime it runs in place. A simulation depends on that: its time must not pass in the
/// meantime, and the order of events must not depend on which thread is faster.
///
/// # Errors
/// The work panicked on its thread.
pub async fn offload<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => spawn_blocking(work).await,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn work_goes_to_a_thread_of_its_own() {
        let here = tokio::spawn(async { thread::current().id() }).await.unwrap();
        assert_ne!(offload(|| thread::current().id()).await.unwrap(), here);
        assert!(offload(|| panic!("as user code may")).await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_it_on_the_spot() {
        assert_eq!(offload(|| thread::current().id()).await.unwrap(), thread::current().id());
    }
}
