//! Removes a master permanently, if the others can do without it. The removed master's process ends once it learns that
//! it was removed.
//!
//! The leader cannot notify the removed master: it sends nothing to non-members, and the removed master may be
//! unreachable. A master that receives nothing from a leader, or is not on the list of members, therefore asks the
//! others whether it was removed. A "yes" from one master is enough, because a removal is final.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::leading::refusal;
use super::{Master, Shared};
use crate::consensus::{Group, Leadership, Member};
use crate::model::MasterId;
use crate::rpc::masters::Role;
use crate::rpc::refusal::Refusal;

/// How often a master that hears from no leader asks the others.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long each of the other masters may take to answer.
const ASKED_WITHIN: Duration = Duration::from_secs(1);

impl Master {
    /// Resolves when this master has been removed. By then its folder is marked, and its process must end.
    pub async fn removed_for_good(&self) {
        let mut removed = self.shared.removed.subscribe();
        // The sender lives as long as this master.
        let _told_or_ended = removed.wait_for(|&is_removed| is_removed).await;
    }

    /// Asks the other masters once whether this one was removed. If so, marks the folder and returns the message.
    pub async fn why_removed(&self) -> Option<String> {
        let group = self.shared.group.as_ref()?;
        let is_removed = self.shared.is_removed(group).await;
        is_removed.then(|| group.note_removed().to_string())
    }
}

impl Shared {
    /// Removes a master. Returns whether it was a member.
    pub(super) async fn remove(self: &Arc<Self>, id: MasterId) -> Result<bool, Refusal> {
        let group = self.group()?;
        let members = group.members();
        if members.iter().any(|member| member.node == id.0) {
            self.check_majority_without(id, &members).await?;
            self.check_held_without(id).await?;
        }
        group.remove(id.0).await.map_err(refusal)
    }

    /// Checks that most of the remaining masters answer. Otherwise nothing could be committed after the removal.
    async fn check_majority_without(
        self: &Arc<Self>,
        id: MasterId,
        members: &[Member],
    ) -> Result<(), Refusal> {
        let stay = members.iter().filter(|member| member.votes && member.node != id.0);
        let mut asked = JoinSet::new();
        for member in stay.cloned() {
            let shared = Arc::clone(self);
            asked.spawn(async move { shared.line_of(member).await });
        }
        let lines = asked.join_all().await;
        let mut silent: Vec<_> =
            lines.iter().filter(|line| line.role == Role::Unreachable).collect();
        silent.sort_by_key(|line| line.id);
        // The group itself refuses to remove the last master.
        let Some(first) = silent.first().filter(|_| silent.len() * 2 >= lines.len()) else {
            return Ok(());
        };
        let names: Vec<String> =
            silent.iter().map(|line| format!("{} at {}", line.id, line.address)).collect();
        let message = format!(
            "removing {id} would stop the cluster: too few of the other masters answer (no answer from {})\nhint: start {first} first, or remove it instead: `gristmill \
             masters remove {first}`",
            names.join(", "),
            first = first.id
        );
        Err(Refusal::Limit { message })
    }

    /// Checks that a majority of the remaining masters holds what live jobs need.
    async fn check_held_without(self: &Arc<Self>, id: MasterId) -> Result<(), Refusal> {
        let needed = self.proposer.read(|state| state.needed());
        for (digest, job) in needed {
            let message = match self.hold_among(digest, |member| member.node != id.0).await {
                Ok(true) => continue,
                Ok(false) => format!(
                    "no reachable master has artifact {digest}, which {job} needs\nhint: if \
                     {id} is down, start it again, or end the job with `gristmill kill {job}`"
                ),
                Err(Refusal::Unavailable { message }) => format!(
                    "most of the masters other than {id} must hold the files of {job}, but cannot: \
                     {message}\nhint: fix that, then remove {id}"
                ),
                Err(refusal) => return Err(refusal),
            };
            return Err(Refusal::Limit { message });
        }
        Ok(())
    }

    /// Whether another master reports that this one was removed.
    async fn is_removed(&self, group: &Group) -> bool {
        let own = group.identity();
        let others = group.members().into_iter().filter(|member| member.node != own.node);
        let mut asked = JoinSet::new();
        for fellow in others.map(|member| self.fellow(&member.address)) {
            asked.spawn(async move {
                let answered = timeout(ASKED_WITHIN, fellow.removed()).await;
                let Ok(Ok(list)) = answered else { return false };
                list.cluster == own.cluster && list.masters.contains(&MasterId(own.node))
            });
        }
        while let Some(said) = asked.join_next().await {
            if said.unwrap_or(false) {
                return true;
            }
        }
        false
    }

    /// Resolves when this master has been removed, after logging that.
    pub(super) async fn until_removed(&self) {
        let Some(group) = &self.group else { return std::future::pending().await };
        let mut looks = tokio::time::interval(ASK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let hears = match &*group.leadership().borrow() {
                Leadership::Leads { .. } => true,
                Leadership::Follows { leader } => leader.is_some(),
            };
            if hears && group.is_member() {
                continue;
            }
            if self.is_removed(group).await {
                group.note_removed();
                let id = MasterId(group.identity().node);
                (self.log)(&format!("master {id} was removed from its cluster: this process ends"));
                self.removed.send_replace(true);
                return;
            }
        }
    }
}
