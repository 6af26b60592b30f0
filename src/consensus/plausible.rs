//! Checks messages from other masters before openraft sees them, because openraft does not check them.
//!
//! A message is refused if its term is impossibly high, if its entries are out of sequence, or if its log differs from
//! what this master has applied. Otherwise openraft would overflow the term, panic, or drop committed entries.

use openraft::raft::{AppendEntriesRequest, VoteRequest};

use super::entry::{Kind, LogId, NodeId, SnapshotMeta, Vote};
use super::evidence::Records;
use super::{Fatal, Group};
use crate::rpc::refusal::Refusal;

/// How far ahead another master's term may be. A master that starts an election every third of a second reaches this
/// after forty years.
const TERMS_AHEAD_MAX: u64 = 1 << 32;
/// Largest index of an entry. At a thousand entries per microsecond, it is reached after thirty years.
const INDEX_MAX: u64 = 1 << 60;
/// Largest term in a folder.
pub(super) const TERM_MAX: u64 = 1 << 62;

/// Whether a term can follow this one.
pub(super) fn is_term_plausible(ours: u64, theirs: u64) -> bool {
    theirs <= ours.saturating_add(TERMS_AHEAD_MAX)
}

fn term_of(vote: &Vote) -> u64 {
    vote.leader_id.term
}

impl Group {
    /// # Errors
    /// When no candidate of this group can ask for a vote in this way.
    pub(super) fn check_vote(&self, request: &VoteRequest<NodeId>) -> Result<(), Refusal> {
        self.check_term(&request.vote)?;
        request.last_log_id.iter().try_for_each(|id| check_id(id, &request.vote))
    }

    /// # Errors
    /// When no leader of this group can send these entries; if they contradict what this master has applied, it must end.
    pub(super) fn check_entries(
        &self,
        request: &AppendEntriesRequest<Kind>,
    ) -> Result<(), Refusal> {
        let vote = &request.vote;
        self.check_term(vote)?;
        let ids = || request.entries.iter().map(|entry| &entry.log_id);
        let all = request.prev_log_id.iter().chain(ids());
        all.clone().chain(&request.leader_commit).try_for_each(|id| check_id(id, vote))?;
        let mut before = request.prev_log_id;
        for id in ids() {
            let expected = before.map_or(0, |before| before.index + 1);
            if id.index != expected || before.is_some_and(|before| before.leader_id > id.leader_id)
            {
                let before =
                    before.map_or("an empty log".into(), |before| format!("entry {before}"));
                return Err(invalid(format!("entry {id} does not follow {before}")));
            }
            before = Some(*id);
        }
        let contradicted = all.copied().find_map(|id| self.contradiction(vote, id));
        contradicted.map_or(Ok(()), |what| Err(self.refuse_history(what)))
    }

    /// # Errors
    /// When no leader of this group can send this snapshot; if it contradicts what this master has applied, it must end.
    pub(super) fn check_snapshot(
        &self,
        vote: &Vote,
        meta: &SnapshotMeta,
        records: Option<&Records>,
    ) -> Result<(), Refusal> {
        self.check_term(vote)?;
        let Some(last) = meta.last_log_id else {
            return Err(invalid("the snapshot has no last entry".into()));
        };
        check_id(&last, vote)?;
        let applied = self.evidence().applied();
        let is_ahead = applied.is_none_or(|applied| applied.index <= last.index);
        let lacks = records.filter(|_| is_ahead && self.is_current(vote));
        let lacks = lacks.and_then(|records| self.evidence().lacks(records));
        let contradicted = self.contradiction(vote, last).or(lacks);
        contradicted.map_or(Ok(()), |what| Err(self.refuse_history(what)))
    }

    fn check_term(&self, vote: &Vote) -> Result<(), Refusal> {
        let (ours, theirs) = (self.standing().term, term_of(vote));
        if is_term_plausible(ours, theirs) {
            return Ok(());
        }
        Err(invalid(format!("term {theirs} is impossibly high: this master is in term {ours}")))
    }

    /// Whether the leader of this vote must have everything that this master has applied. An earlier leader need not.
    fn is_current(&self, vote: &Vote) -> bool {
        let applied = self.evidence().applied();
        applied.is_none_or(|applied| term_of(vote) >= applied.leader_id.term)
    }

    /// How a leader's entry differs from the one that this master has applied, if it does.
    fn contradiction(&self, vote: &Vote, theirs: LogId) -> Option<String> {
        let applied = self.evidence().applied()?;
        if theirs.index > applied.index || !self.is_current(vote) {
            return None;
        }
        let ours = match theirs.index == applied.index {
            true => Some(applied),
            // The writer notices an error of the disk.
            false => self.tables()?.log_id(theirs.index).ok()?,
        };
        let differs = match ours {
            Some(ours) => ours != theirs,
            // The entry is in a snapshot, and terms only rise.
            None => theirs.leader_id > applied.leader_id,
        };
        let (index, leader) = (theirs.index, theirs.leader_id);
        differs.then(|| {
            let here = match ours {
                Some(ours) => format!("from leader {}", ours.leader_id),
                None => format!("from leader {} or an earlier one", applied.leader_id),
            };
            format!("entry {index} is from leader {leader} in the leader's log, but {here} here")
        })
    }

    fn refuse_history(&self, what: String) -> Refusal {
        let Fatal { message } = self.evidence().fail(
            format!("the leader's log contradicts entries that this master has applied: {what}"),
            "keep this folder: another master was probably started from an old copy of its folder, \
             and the later entries exist only here. To recover these entries, stop all masters and \
             restore the newest copy of each folder. To continue without them, join with an empty \
             folder and another --id",
        );
        Refusal::Internal { message }
    }
}

fn check_id(id: &LogId, vote: &Vote) -> Result<(), Refusal> {
    let what = if id.leader_id.term > term_of(vote) {
        ", whose term is higher"
    } else if id.index > INDEX_MAX {
        ": its index is impossibly high"
    } else {
        return Ok(());
    };
    Err(invalid(format!("a master in term {} cannot have entry {id}{what}", term_of(vote))))
}

fn invalid(message: String) -> Refusal {
    Refusal::Invalid { message }
}
