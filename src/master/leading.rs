//! Serves requests only while this master leads. Confirms its leadership with a majority before each answer.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::Shared;
use crate::consensus::{Leadership, ProposeError};
use crate::rpc::refusal::Refusal;

/// The leadership of a master without a log, which never ends.
const ALONE: u64 = 1;

impl Shared {
    /// Serves a request if this master leads, and answers only if it still led when the request was done. Then the
    /// answer reflects all committed entries. A master that was paused or cut off may not know that another one leads,
    /// but a majority of the masters knows.
    pub(super) async fn led<T>(
        &self,
        request: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let since = self.leads()?;
        let answer = request.await;
        let is_final = |refusal: &Refusal| {
            use Refusal::{NotLeader, NotYet, Unavailable};
            matches!(refusal, NotLeader { .. } | NotYet { .. } | Unavailable { .. })
        };
        let Some(group) = &self.group else { return answer };
        if answer.as_ref().is_err_and(is_final) {
            return answer;
        }
        group.confirm().await.map_err(refusal)?;
        if self.leads()? == since { answer } else { Err(self.not_leader()) }
    }

    /// Returns the entry since which this master leads, or a refusal that names the leader.
    pub(super) fn leads(&self) -> Result<u64, Refusal> {
        if self.is_stopping() {
            let message = "this master is stopping\nhint: try again when it is back".to_string();
            return Err(Refusal::Unavailable { message });
        }
        match self.leads_since.load(Ordering::SeqCst) {
            _ if self.group.is_none() => Ok(ALONE),
            0 => Err(self.not_leader()),
            since => Ok(since),
        }
    }

    /// Whether a majority confirms that this master leads.
    pub(super) async fn still_leads(&self) -> bool {
        match &self.group {
            Some(group) => group.confirm().await.is_ok(),
            None => true,
        }
    }

    fn not_leader(&self) -> Refusal {
        let leadership = self.group.as_ref().map(|group| group.leadership().borrow().clone());
        match leadership {
            Some(Leadership::Follows { leader: Some(leader) }) => Refusal::NotLeader { leader },
            _ => Refusal::NotLeader { leader: String::new() },
        }
    }

    /// Begins to lead, or stops leading.
    ///
    /// A new leader starts from the committed state: all workers get a new lease in which their polls report what is
    /// running, and that continues.
    pub(super) fn take(&self, leadership: &Leadership) {
        match *leadership {
            Leadership::Leads { since } => {
                if self.leads_since.load(Ordering::SeqCst) != since {
                    self.proposer.read(|state| {
                        self.volatile().take_over(state, self.now_ms(), self.lease_ms);
                    });
                    self.leads_since.store(since, Ordering::SeqCst);
                }
            }
            Leadership::Follows { .. } => {
                self.leads_since.store(0, Ordering::SeqCst);
                self.volatile().wake_all();
            }
        }
        self.note_change();
    }
}

/// Follows changes of leadership until the node ends.
pub(super) async fn follow(shared: Arc<Shared>, mut leadership: watch::Receiver<Leadership>) {
    while leadership.changed().await.is_ok() {
        let now = leadership.borrow_and_update().clone();
        shared.take(&now);
        if matches!(now, Leadership::Leads { .. }) {
            tokio::spawn(end_change(Arc::clone(&shared)));
        }
    }
    shared.take(&Leadership::Follows { leader: None });
}

/// Completes a change of the members that was in progress when the last leader died.
async fn end_change(shared: Arc<Shared>) {
    let Some(group) = &shared.group else { return };
    if let Err(error) = group.end_change().await {
        (shared.log)(&format!("cannot complete the change of members: {error}"));
    }
}

/// The answer for a proposal that failed.
pub(super) fn refusal(error: ProposeError) -> Refusal {
    match error {
        ProposeError::NotLeader { leader } => {
            Refusal::NotLeader { leader: leader.unwrap_or_default() }
        }
        ProposeError::Taken { what } => Refusal::Invalid { message: what },
        ProposeError::Needed { what } => Refusal::Limit { message: what },
        ProposeError::Unknown { what } => Refusal::NotFound {
            message: format!("{what}\nhint: list the masters with `gristmill masters`"),
        },
        error => Refusal::Unavailable { message: error.to_string() },
    }
}
