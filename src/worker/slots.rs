//! The worker's slots, which run one attempt each, and the idle executors that wait for their job's next attempt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::executor::Executor;
use crate::model::Nonce;

/// All slots. There are never more executors than slots: busy ones hold a permit, and idle ones are closed to make room.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Executor>>,
}

/// A taken slot, with an idle executor of the job if there was one.
pub(super) struct Slot {
    pub(super) executor: Option<Executor>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(slots: u32) -> Self {
        Slots { free: Arc::new(Semaphore::new(slots as usize)), idle: Mutex::default() }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Executor>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot, and waits until one is free.
    pub(super) async fn take(&self, nonce: Nonce) -> Slot {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let (executor, surplus) = {
            let mut idle = self.idle();
            idle.retain(|executor| !executor.is_dead());
            let at = idle.iter().rposition(|executor| executor.nonce() == nonce);
            let executor = at.map(|at| idle.remove(at));
            // An executor of another job must end if the slot that was taken is its slot.
            let is_full = executor.is_none() && idle.len() > self.free.available_permits();
            (executor, is_full.then(|| idle.remove(0)))
        };
        if let Some(surplus) = surplus {
            surplus.close().await;
        }
        Slot { executor, _permit: permit }
    }

    /// Returns a slot, with its executor if that can be reused.
    pub(super) fn give_back(&self, mut slot: Slot) {
        // Done before the permit is free, so that the next attempt finds the executor.
        self.idle().extend(slot.executor.take());
    }

    /// Kills idle executors.
    pub(super) fn close_idle(&self, is_meant: impl Fn(Nonce) -> bool) {
        self.idle().retain(|executor| !is_meant(executor.nonce()));
    }
}
