//! The one way to change the state: changes are proposed, committed, and applied in the order of the log.
//!
//! All proposals that arrive while an entry is being written become the next entry: they share one fsync, however
//! many there are.
//!
//! ```text
//!   propose ─┐
//!   propose ─┼─► queue ─► one entry ─► consensus ─► replica.apply ─► one answer each
//!   propose ─┘            (bincode: a list of proposals, each with its time and its changes)
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{mpsc, oneshot};

use super::events::Events;
use super::leading::refusal;
use super::state::{Applied, Change, State};
use super::{Done, Journal};
use crate::consensus::{Machine, Node, Unreadable};
use crate::crash::crash_point;
use crate::rpc::refusal::Refusal;
use crate::scheduler::Command;

/// Once an entry has this many bytes, no further proposal is added to it.
const ENTRY_BYTES_MAX: usize = 1 << 20;
/// Proposals in the queue; later ones wait until there is room.
const QUEUE_MAX: usize = 1_024;

/// Holds the state, and proposes changes to it.
pub(super) struct Proposer {
    replica: Arc<Replica>,
    /// `None` without a log: proposals are applied at once, and kept in memory only.
    queue: Option<mpsc::Sender<Asked>>,
}

/// The state, as consensus changes it and the master reads it.
#[derive(Default)]
pub(super) struct Replica {
    state: Mutex<State>,
    /// The last entry that the state includes. Changed only while the state is locked.
    index: AtomicU64,
    /// Recent events. Lock order: the state first.
    events: Mutex<Events>,
    journal: Option<Journal>,
}

enum Asked {
    Propose { proposal: Vec<u8>, answer: oneshot::Sender<Result<Vec<Applied>, Refusal>> },
    Close { closed: oneshot::Sender<()> },
}

impl Proposer {
    /// Keeps the state in memory, for tests that move the clock.
    pub(super) fn in_memory(journal: Option<Journal>) -> Self {
        Self { replica: Arc::new(Replica::told_to(journal)), queue: None }
    }

    /// Proposes to a node, which changes this replica. Needs a tokio runtime.
    pub(super) fn agreeing(node: Node, replica: Arc<Replica>) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(agree(node, asked));
        Self { replica, queue: Some(queue) }
    }

    /// Applies these changes without others in between, and returns the result of each.
    ///
    /// # Errors
    ///
    /// If this master does not lead, or is stopping.
    pub(super) async fn propose(
        &self,
        at_ms: u64,
        changes: Vec<Change>,
    ) -> Result<Vec<Applied>, Refusal> {
        let Some(queue) = &self.queue else {
            let applied = self.replica.apply_all(0, vec![(at_ms, changes)]);
            return Ok(applied.into_iter().flatten().collect());
        };
        let proposal = bincode::serialize(&(at_ms, changes));
        let proposal =
            proposal.map_err(|error| Refusal::Internal { message: error.to_string() })?;
        let (answer, answered) = oneshot::channel();
        let asked = Asked::Propose { proposal, answer };
        queue.send(asked).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }

    /// Reads the current state.
    pub(super) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.replica.state())
    }

    /// Reads the current state, and returns the index of the last entry that it includes.
    pub(super) fn read_at<R>(&self, look: impl FnOnce(&State) -> R) -> (u64, R) {
        let state = self.replica.state();
        (self.replica.index.load(Ordering::SeqCst), look(&state))
    }

    /// Reads the recent events.
    pub(super) fn hear<R>(&self, look: impl FnOnce(&Events) -> R) -> R {
        look(&self.replica.events())
    }

    /// Stops, and closes the log. Later proposals are refused.
    pub(super) async fn close(&self) {
        let Some(queue) = &self.queue else { return };
        let (closed, is_closed) = oneshot::channel();
        if queue.send(Asked::Close { closed }).await.is_ok() {
            // If the task has ended, the log is already closed.
            let _closed_or_gone = is_closed.await;
        }
    }
}

/// Proposes the waiting proposals, one entry after another.
async fn agree(node: Node, mut asked: mpsc::Receiver<Asked>) {
    let mut closing = None;
    while closing.is_none()
        && let Some(first) = asked.recv().await
    {
        let (mut proposals, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(asking) = next {
            match asking {
                Asked::Propose { proposal, answer } => {
                    bytes += proposal.len();
                    proposals.push(proposal);
                    answers.push(answer);
                }
                Asked::Close { closed } => {
                    closing = Some(closed);
                    break;
                }
            }
            next = (bytes < ENTRY_BYTES_MAX).then(|| asked.try_recv().ok()).flatten();
        }
        if !answers.is_empty() {
            settle(ask(&node, &proposals).await, answers);
        }
    }
    node.close().await;
    // The caller may have given up.
    let _heard_or_gone = closing.map(|closed| closed.send(()));
}

async fn ask(node: &Node, proposals: &[Vec<u8>]) -> Result<Vec<Vec<Applied>>, Refusal> {
    let internal =
        |error: bincode::Error| Refusal::Internal { message: format!("an entry: {error}") };
    let entry = bincode::serialize(proposals).map_err(internal)?;
    let reply = node.propose(entry).await.map_err(refusal)?;
    crash_point!("l06");
    bincode::deserialize(&reply).map_err(internal)
}

/// Gives each proposer its own part of the answer.
fn settle(
    agreed: Result<Vec<Vec<Applied>>, Refusal>,
    answers: Vec<oneshot::Sender<Result<Vec<Applied>, Refusal>>>,
) {
    let mut parts = match agreed {
        Ok(parts) => parts.into_iter().map(Ok).collect::<Vec<_>>().into_iter(),
        Err(refusal) => vec![Err(refusal); answers.len()].into_iter(),
    };
    for answer in answers {
        if let Some(part) = parts.next() {
            // The caller may have given up. It will see the result in the state.
            let _heard_or_gone = answer.send(part);
        }
    }
}

fn stopping() -> Refusal {
    let message = "this master is stopping\nhint: try again when it is back".to_string();
    Refusal::Unavailable { message }
}

impl Replica {
    pub(super) fn told_to(journal: Option<Journal>) -> Self {
        Self { journal, ..Self::default() }
    }

    /// Applies the proposals of an entry. Without a log, the index is 0.
    fn apply_all(&self, index: u64, proposals: Vec<(u64, Vec<Change>)>) -> Vec<Vec<Applied>> {
        let told = self.journal.as_ref().map(|journal| (journal, commands(&proposals)));
        let mut state = self.state();
        self.index.store(index, Ordering::SeqCst);
        let applied = proposals.into_iter();
        let mut events = self.events();
        let applied: Vec<Vec<Applied>> = applied
            .map(|(at_ms, changes)| events.apply_all(&mut state, index, at_ms, changes))
            .collect();
        drop((events, state));
        if let Some((journal, commands)) = told {
            let done = commands.into_iter().zip(applied.iter().flatten());
            let done = done.filter_map(|((at_ms, command), did)| {
                Some(Done { at_ms, command: command?, did: did.clone() })
            });
            journal(index, &done.collect::<Vec<_>>());
        }
        applied
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A half-applied change would be worse than a dead master.
        self.state.lock().expect("changes are applied completely or not at all")
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().expect("events are recorded completely or not at all")
    }
}

impl Machine for Replica {
    fn apply(&self, index: u64, command: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let proposals: Vec<Vec<u8>> = read(command, "entry")?;
        let proposals: Result<Vec<(u64, Vec<Change>)>, Unreadable> =
            proposals.iter().map(|proposal| read(proposal, "proposal")).collect();
        let applied = self.apply_all(index, proposals?);
        written(&applied)
    }

    fn save(&self) -> Result<Vec<u8>, Unreadable> {
        written(&*self.state())
    }

    fn load(&self, index: u64, saved: &[u8]) -> Result<(), Unreadable> {
        let mut state = self.state();
        self.index.store(index, Ordering::SeqCst);
        *state = read(saved, "state")?;
        // A loaded state does not contain earlier events.
        *self.events() = Events::behind(index);
        Ok(())
    }
}

/// The scheduler's command in each change, in order.
fn commands(proposals: &[(u64, Vec<Change>)]) -> Vec<(u64, Option<Command>)> {
    let of = |(at_ms, changes): &(u64, Vec<Change>)| {
        let at_ms = *at_ms;
        changes.iter().map(move |change| (at_ms, change.command())).collect::<Vec<_>>()
    };
    proposals.iter().flat_map(of).collect()
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Unreadable> {
    bincode::deserialize(bytes)
        .map_err(|error| Unreadable(format!("this version cannot decode the {what}: {error}")))
}

fn written(value: &impl serde::Serialize) -> Result<Vec<u8>, Unreadable> {
    bincode::serialize(value).map_err(|error| Unreadable(error.to_string()))
}
