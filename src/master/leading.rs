//! Only a master that leads serves: it is known when it does, and made sure of before an answer is given.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::Shared;
use crate::consensus::{Leadership, ProposeError};
use crate::rpc::refusal::Refusal;

/// A leadership of a master that agrees with nobody: it never ends.
const ALONE: u64 = 1;

impl Shared {
    /// Does what is asked, if this master leads, and answers if it has led until that was done: then what the answer
    /// follows from is all that masters had agreed on. A master that was stopped, or cut off from the others, does not
    /// know that another one leads by now; a majority of them does.
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

    /// Since which entry this master leads; or who is to be asked instead.
    pub(super) fn leads(&self) -> Result<u64, Refusal> {
        if self.is_stopping() {
            let message = "this master is stopping; ask it again when it is back".to_string();
            return Err(Refusal::Unavailable { message });
        }
        match self.leads_since.load(Ordering::SeqCst) {
            _ if self.group.is_none() => Ok(ALONE),
            0 => Err(self.not_leader()),
            since => Ok(since),
        }
    }

    /// Whether a majority says that this master leads.
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

    /// Begins to lead, or ceases to.
    ///
    /// Who begins starts afresh from what was agreed on: all workers get a new lease, in which their polls say what
    /// runs, and that goes on.
    pub(super) fn take(&self, leadership: &Leadership) {
        match *leadership {
            Leadership::Leads { since } => {
                if self.leads_since.load(Ordering::SeqCst) != since {
                    self.proposer.read(|state| {
                        self.desk().take_over(state, self.now_ms(), self.lease_ms);
                    });
                    self.leads_since.store(since, Ordering::SeqCst);
                }
            }
            Leadership::Follows { .. } => {
                self.leads_since.store(0, Ordering::SeqCst);
                self.desk().wake_all();
            }
        }
        self.note_change();
    }
}

/// Follows who leads, until the node ends.
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

/// Ends the taking in of a master at which the leader before this one died.
async fn end_change(shared: Arc<Shared>) {
    let Some(group) = &shared.group else { return };
    if let Err(error) = group.end_change().await {
        (shared.log)(&format!("a change of the masters is not ended: {error}"));
    }
}

/// What is answered when nothing was agreed on.
pub(super) fn refusal(error: ProposeError) -> Refusal {
    match error {
        ProposeError::NotLeader { leader } => {
            Refusal::NotLeader { leader: leader.unwrap_or_default() }
        }
        ProposeError::Taken { what } => Refusal::Invalid { message: what },
        ProposeError::Needed { what } => Refusal::Limit { message: what },
        ProposeError::Unknown { what } => Refusal::NotFound { message: what },
        error => Refusal::Unavailable { message: error.to_string() },
    }
}
