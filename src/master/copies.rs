//! Copies of artifacts between masters: each is made once, however many requests wait for it.
//!
//! A large copy takes longer than a request may wait. The copy therefore continues after the caller gives up, and the
//! next request waits for the same copy.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::Notify;

use crate::rpc::artifacts::Digest;
use crate::rpc::refusal::Refusal;

/// The artifact, and the number of the master that receives it.
type Way = (Digest, u64);

/// The result of a copy. Waiters wake in order, so that simulations are deterministic.
#[derive(Debug, Default)]
struct End {
    told: OnceLock<Result<Found, Refusal>>,
    rung: Notify,
}

/// Where an artifact is, as far as this master knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The master that needs it holds it.
    Here,
    /// All masters have answered, and none of them has it.
    Nowhere,
    /// No master that answered has it, but one that did not answer may.
    Unheard,
}

/// The copies under way. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies(Arc<Mutex<BTreeMap<Way, Arc<End>>>>);

/// A copy under way.
#[derive(Debug)]
pub(super) struct Copy(Arc<End>);

impl Copies {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<Way, Arc<End>>> {
        self.0.lock().expect("code that holds this lock cannot panic")
    }

    /// Starts a copy, unless it is under way already.
    pub(super) fn begin(
        &self,
        way: Way,
        make: impl Future<Output = Result<Found, Refusal>> + Send + 'static,
    ) -> Copy {
        let mut under_way = self.under_way();
        if let Some(copy) = under_way.get(&way) {
            return Copy(Arc::clone(copy));
        }
        let end = Arc::<End>::default();
        under_way.insert(way, Arc::clone(&end));
        let (copies, tell) = (self.clone(), Arc::clone(&end));
        let making = tokio::spawn(make);
        tokio::spawn(async move {
            let broken = |_| {
                Err(Refusal::Internal {
                    message: "copying an artifact between masters was interrupted".into(),
                })
            };
            let made = making.await.unwrap_or_else(broken);
            // Later requests see the result.
            copies.under_way().remove(&way);
            tell.told.set(made).expect("a copy ends only once");
            tell.rung.notify_waiters();
        });
        Copy(end)
    }
}

impl Copy {
    /// Waits for the copy to end. Dropping this does not cancel the copy.
    pub(super) async fn ended(self) -> Result<Found, Refusal> {
        let mut rung = pin!(self.0.rung.notified());
        loop {
            // Later changes are noticed.
            rung.as_mut().enable();
            if let Some(told) = self.0.told.get() {
                return told.clone();
            }
            rung.as_mut().await;
            rung.set(self.0.rung.notified());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn copy_goes_on_without_waiters_and_is_made_once() {
        let (copies, begun, go) =
            (Copies::default(), Arc::<AtomicU32>::default(), Arc::<Notify>::default());
        let make = || {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                Ok(Found::Here)
            }
        };
        let way = (Digest(7), 2);
        let first = copies.begin(way, make()).ended();
        assert!(timeout(Duration::from_millis(50), first).await.is_err(), "it takes its time");
        let again = copies.begin(way, make());
        let other = copies.begin((Digest(7), 3), make());
        tokio::task::yield_now().await;
        assert_eq!(begun.load(Ordering::SeqCst), 2, "one for each way");
        go.notify_one();
        assert_eq!(again.ended().await, Ok(Found::Here));
        go.notify_one();
        assert_eq!(other.ended().await, Ok(Found::Here));
        let anew = copies.begin(way, make());
        go.notify_one();
        assert_eq!(anew.ended().await, Ok(Found::Here));
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}
