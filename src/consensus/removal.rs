//! Takes a master out of its group, and keeps what such a one must know: that it was removed.

use std::fs;
use std::path::Path;

use openraft::ChangeMembers;
use tokio::time::timeout;

use super::entry::NodeId;
use super::group::{DECIDE_WITHIN, write_error};
use super::identity::place;
use super::{Error, Group, ProposeError};

/// The file in the folder of a master that was removed.
pub const REMOVED_FILE: &str = "removed";

impl Group {
    /// Takes a master out; says whether it was a member. May be repeated. One that leads makes way first, and says who
    /// is to be asked instead.
    ///
    /// # Errors
    /// When this node does not lead, or makes way; when there never was such a master, or nobody would be left.
    pub async fn remove(&self, node: u64) -> Result<bool, ProposeError> {
        if !self.standing().leads {
            return Err(self.follows());
        }
        let members = self.members();
        if !members.iter().any(|member| member.node == node) {
            if self.removed().contains(&node) {
                return Ok(false);
            }
            let what = format!("there never was a master m{node} here");
            return Err(ProposeError::Unknown { what });
        }
        if members.iter().filter(|member| member.votes).all(|member| member.node == node) {
            let what = format!(
                "m{node} is the only master: without it there is no cluster, and its jobs are gone; \
                 have another one join first: `gristmill masters add` says how"
            );
            return Err(ProposeError::Needed { what });
        }
        if node == self.identity().node {
            let next = self.hand_over(None).await?;
            let next = members.into_iter().find(|member| member.node == next);
            return Err(ProposeError::NotLeader { leader: next.map(|member| member.address) });
        }
        // It goes on if whoever asks for it is gone: half of a change would be worse than none.
        let changed = tokio::spawn(self.clone().take_out(node));
        match timeout(DECIDE_WITHIN, changed).await {
            Ok(changed) => {
                changed.unwrap_or_else(|error| {
                    Err(ProposeError::Stopped { why: error.to_string() })
                })?;
                Ok(true)
            }
            Err(_) => Err(self.no_quorum()),
        }
    }

    async fn take_out(self, node: NodeId) -> Result<(), ProposeError> {
        let _one_at_a_time = self.one_at_a_time()?;
        let write = async |change| {
            let changed = self.raft().change_membership(change, false).await;
            changed.map(drop).map_err(write_error)
        };
        if self.is_changing() {
            write(ChangeMembers::AddVoterIds([].into())).await?;
        }
        match self.members().iter().find(|member| member.node == node) {
            Some(member) if member.votes => write(ChangeMembers::RemoveVoters([node].into())).await,
            // It was being taken in.
            Some(_) => write(ChangeMembers::RemoveNodes([node].into())).await,
            None => Ok(()),
        }
    }

    /// The numbers of all masters that were removed, as far as this one knows: no one of them is given again.
    pub fn removed(&self) -> std::collections::BTreeSet<u64> {
        self.roll().removed()
    }

    /// Whether this node is a member of its group, as far as it knows.
    pub fn is_member(&self) -> bool {
        let node = self.identity().node;
        self.members().iter().any(|member| member.node == node)
    }

    /// This node was removed: its folder says so from now on, and is not started with again. Gives what is to be said.
    pub fn note_removed(&self) -> Error {
        let (node, folder) = (self.identity().node, self.folder());
        let text = format!("master {node} was removed from its cluster\n");
        // Without it, the others will be asked again.
        let _written_or_not = place(folder, REMOVED_FILE, text.as_bytes());
        Error::Removed { path: folder.to_path_buf(), node }
    }
}

/// Whether a folder is that of a master that was removed.
pub(super) fn was_removed(folder: &Path) -> bool {
    fs::exists(folder.join(REMOVED_FILE)).unwrap_or(false)
}
