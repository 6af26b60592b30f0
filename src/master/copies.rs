//! Copies of artifacts on their way between masters: each is made once, however many wait for it.
//!
//! A large one takes longer than anybody may wait for an answer. So it goes on when who has asked for it has given up,
//! and who asks again waits for the same one.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use crate::rpc::artifacts::Digest;
use crate::rpc::refusal::Refusal;

/// What is copied, and the number of the master to which it goes.
type Way = (Digest, u64);
type End = Option<Result<(), Refusal>>;

/// Those that are on their way. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies(Arc<Mutex<BTreeMap<Way, watch::Receiver<End>>>>);

/// One that is on its way.
#[derive(Debug)]
pub(super) struct Copy(watch::Receiver<End>);

impl Copies {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<Way, watch::Receiver<End>>> {
        self.0.lock().expect("whoever holds it only looks, adds and removes")
    }

    /// Has a copy made, unless it is on its way already.
    pub(super) fn begin(
        &self,
        way: Way,
        make: impl Future<Output = Result<(), Refusal>> + Send + 'static,
    ) -> Copy {
        let mut under_way = self.under_way();
        if let Some(copy) = under_way.get(&way) {
            return Copy(copy.clone());
        }
        let (tell, told) = watch::channel(None);
        under_way.insert(way, told.clone());
        let copies = self.clone();
        tokio::spawn(async move {
            let made = make.await;
            // Whoever asks from here on sees what has become of it.
            copies.under_way().remove(&way);
            tell.send_replace(Some(made));
        });
        Copy(told)
    }
}

impl Copy {
    /// Waits for its end; whoever gives that up changes nothing.
    pub(super) async fn ended(mut self) -> Result<(), Refusal> {
        let ended = self.0.wait_for(Option::is_some).await.map(|ended| (*ended).clone());
        let broken = || Refusal::Internal { message: "a copy was broken off".into() };
        ended.ok().flatten().unwrap_or_else(|| Err(broken()))
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
    async fn a_copy_goes_on_when_nobody_waits_and_is_made_once_for_all_who_come() {
        let (copies, begun, go) =
            (Copies::default(), Arc::<AtomicU32>::default(), Arc::<Notify>::default());
        let make = || {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                Ok(())
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
        assert_eq!(again.ended().await, Ok(()));
        go.notify_one();
        assert_eq!(other.ended().await, Ok(()));
        let anew = copies.begin(way, make());
        go.notify_one();
        assert_eq!(anew.ended().await, Ok(()));
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}
