//! Copies artifacts between masters: what a job needs must survive the loss of any one master.
//!
//! Any master accepts and serves artifacts, whether it leads or not. Before a job or its plan is accepted, a majority
//! of the masters must hold its artifacts. The other masters fetch them once the job is committed. A master that does
//! not have a requested artifact fetches it from another master. If a copy takes long, the caller gets
//! [`Refusal::NotYet`]. A repeated request waits for the same copy.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::artifacts::Store;
use super::copies::Found;
use crate::consensus::Member;
use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::client::Fellow;
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{Done, HeldState, Poll};

/// How often a master looks for artifacts that it lacks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a request waits for a copy before it is answered with [`Refusal::NotYet`]. This is shorter than every
/// caller's deadline.
const COPIED_WITHIN: Duration = Duration::from_secs(2);
/// Most times that space is freed for one artifact of unknown size.
const ROOM_TRIES_MAX: usize = 8;
/// How long another master may take to say whether it has an artifact.
const ASKED_WITHIN: Duration = Duration::from_secs(1);

impl Shared {
    /// Makes sure that a majority of the masters, including this one, holds an artifact. Returns false if no master
    /// that answers has it.
    pub(super) async fn hold(self: &Arc<Self>, digest: Digest) -> Result<bool, Refusal> {
        self.hold_among(digest, |_| true).await
    }

    /// Makes sure that a majority of these masters holds an artifact. Returns false if no master that answers has it.
    pub(super) async fn hold_among(
        self: &Arc<Self>,
        digest: Digest,
        counts: impl Fn(&Member) -> bool,
    ) -> Result<bool, Refusal> {
        // The caller can send it again, and need not wait for unreachable masters.
        if self.obtain(digest).await? != Found::Here {
            return Ok(false);
        }
        let Some(group) = &self.group else { return Ok(true) };
        // A master that is being admitted does not count, since it does not vote yet.
        let counts = |member: &Member| member.votes && counts(member);
        let members: Vec<Member> = group.members().into_iter().filter(&counts).collect();
        let voters = members.len();
        let node = group.identity().node;
        let mut copied = JoinSet::new();
        for (to, fellow) in self.fellows(counts) {
            let path = self.store.path(digest);
            let copy = self.copies.begin((digest, to), async move {
                let has = fellow.has(digest).await?;
                if !has {
                    fellow.put(digest, &path).await?;
                }
                Ok(Found::Here)
            });
            copied.spawn(copy.ended());
        }
        let own = members.iter().filter(|member| member.node == node).count();
        let (mut holders, mut last) = (own, None);
        let mut late = pin!(sleep(COPIED_WITHIN));
        while holders <= voters / 2 {
            tokio::select! {
                biased;
                ended = copied.join_next() => match ended {
                    Some(Ok(Ok(_))) => holders += 1,
                    // Only an operator can fix a full disk.
                    Some(Ok(Err(_))) if matches!(last, Some(Refusal::Limit { .. })) => {}
                    Some(Ok(Err(refusal))) => last = Some(refusal),
                    Some(Err(error)) => last = Some(internal(&error)),
                    None => break,
                },
                () = &mut late => return Err(under_way(digest)),
            }
        }
        if holders > voters / 2 {
            return Ok(true);
        }
        if let Some(full @ Refusal::Limit { .. }) = last {
            return Err(full);
        }
        let last = last.map(|last: Refusal| last.to_string()).unwrap_or_default();
        let message = format!("no majority of the masters holds artifact {digest}: {last}");
        Err(Refusal::Unavailable { message })
    }

    /// Makes sure that this master holds an artifact. Fetches it from another master if needed.
    pub(super) async fn obtain(self: &Arc<Self>, digest: Digest) -> Result<Found, Refusal> {
        if self.store.has(digest, self.now_ms()) {
            return Ok(Found::Here);
        }
        let Some(group) = &self.group else { return Ok(Found::Nowhere) };
        let shared = Arc::clone(self);
        let copy = self
            .copies
            .begin((digest, group.identity().node), async move { shared.look_for(digest).await });
        timeout(COPIED_WITHIN, copy.ended()).await.unwrap_or_else(|_| Err(under_way(digest)))
    }

    /// Fetches an artifact from any master that has it. All of them are asked at once, so a stalled one delays
    /// nothing.
    async fn look_for(self: &Arc<Self>, digest: Digest) -> Result<Found, Refusal> {
        let mut asked = JoinSet::new();
        for (_, fellow) in self.fellows(|_| true) {
            asked.spawn(async move {
                let has = timeout(ASKED_WITHIN, fellow.has(digest)).await.ok()?.ok()?;
                Some(has.then_some(fellow))
            });
        }
        // This master does not have it.
        let (all, mut heard) = (asked.len() + 1, 1);
        let mut failed = None;
        while let Some(answered) = asked.join_next().await {
            let Ok(Some(has)) = answered else { continue };
            heard += 1;
            let Some(fellow) = has else { continue };
            match self.fetch(digest, &fellow).await {
                Ok(()) => return Ok(Found::Here),
                Err(Refusal::NotFound { .. }) => {}
                Err(full @ Refusal::Limit { .. }) => return Err(full),
                Err(refusal) => failed = Some(refusal.to_string()),
            }
        }
        // A master that did not answer may have it.
        let is_unknown = heard <= all / 2;
        let unheard = format!(
            "no master that answered has artifact {digest} ({heard} of {all} answered)\nhint: start the other masters"
        );
        match failed.or(is_unknown.then_some(unheard)) {
            Some(message) => Err(Refusal::Unavailable { message }),
            None if heard < all => Ok(Found::Unheard),
            None => Ok(Found::Nowhere),
        }
    }

    async fn fetch(self: &Arc<Self>, digest: Digest, fellow: &Fellow) -> Result<(), Refusal> {
        let place = self.store.place();
        let mut tries = 0;
        while let Err(refusal) = fellow.get(digest, &place).await {
            tries += 1;
            let is_full = matches!(refusal, Refusal::Limit { .. });
            if !is_full || tries == ROOM_TRIES_MAX || !self.make_room(1) {
                return Err(refusal);
            }
        }
        let stored = self.store_file(digest, &place, Store::adopt).await;
        // The file was renamed. Anything else is removed when the master restarts.
        std::fs::remove_file(place).ok();
        stored
    }

    /// Clients for other masters that match, by their numbers.
    fn fellows(&self, is_meant: impl Fn(&Member) -> bool) -> Vec<(u64, Fellow)> {
        let Some(group) = &self.group else { return Vec::new() };
        let node = group.identity().node;
        let is_other = |member: &Member| member.node != node && is_meant(member);
        let others = group.members().into_iter().filter(is_other);
        others.map(|member| (member.node, self.fellow(&member.address))).collect()
    }

    /// Refuses if this master is joining or was removed: other masters would not find what it accepts, and it may lack
    /// what they have.
    pub(super) fn takes_part(&self) -> Result<(), Refusal> {
        let Some(group) = &self.group else { return Ok(()) };
        let node = group.identity().node;
        if group.members().iter().any(|member| member.node == node) {
            return Ok(());
        }
        let message =
            "this master is not a member of the cluster\nhint: ask another master".to_string();
        Err(Refusal::Unavailable { message })
    }

    /// Makes sure that a majority holds the plans that a poll reports. If no reachable master has a plan, its attempt
    /// fails: waiting for an unreachable master would delay everything else of that worker.
    pub(super) async fn hold_plans(self: &Arc<Self>, poll: &Poll) -> Result<(), Refusal> {
        for held in &poll.held {
            if let HeldState::Done(Done::Plan { plan, .. }) = held.state {
                self.hold(plan).await?;
            }
        }
        Ok(())
    }

    /// Fetches the artifacts that live jobs name, again and again, until it is dropped.
    pub(super) async fn keep_up(self: &Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if self.fellows(|_| true).is_empty() {
                continue;
            }
            // Artifacts of finished jobs are fetched on request.
            let needed = self.proposer.read(|state| state.needed());
            for digest in needed.into_keys() {
                // If no holder is reachable, the next round tries again.
                let _obtained_or_later = self.obtain(digest).await;
            }
        }
    }
}

/// The answer while a copy is under way.
fn under_way(digest: Digest) -> Refusal {
    let message = format!("artifact {digest} is being copied from one master to another");
    Refusal::NotYet { message }
}

fn internal(error: &dyn std::error::Error) -> Refusal {
    Refusal::Internal { message: error.to_string() }
}
