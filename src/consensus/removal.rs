//! Removes a master from its group, and marks the folder of a removed master.

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
    /// Removes a master. Returns whether it was a member. May be repeated. A leader that must be removed hands
    /// leadership over first, and names its successor.
    ///
    /// # Errors
    /// If this node does not lead or hands over, if there never was such a master, or if it is the last one.
    pub async fn remove(&self, node: u64) -> Result<bool, ProposeError> {
        if !self.standing().leads {
            return Err(self.follows());
        }
        let members = self.members();
        if !members.iter().any(|member| member.node == node) {
            if self.removed().contains(&node) {
                return Ok(false);
            }
            let what = format!("this cluster never had a master m{node}");
            return Err(ProposeError::Unknown { what });
        }
        if members.iter().filter(|member| member.votes).all(|member| member.node == node) {
            let what = format!(
                "m{node} is the only voting master: without it the cluster and its jobs are \
                 lost\nhint: let another master join first: `gristmill masters add` prints the \
                  command"
            );
            return Err(ProposeError::Needed { what });
        }
        if node == self.identity().node {
            let next = self.hand_over(None).await?;
            let next = members.into_iter().find(|member| member.node == next);
            return Err(ProposeError::NotLeader { leader: next.map(|member| member.address) });
        }
        // The task continues even if the caller gives up: half a change would be worse than none.
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
            // The master was being added.
            Some(_) => write(ChangeMembers::RemoveNodes([node].into())).await,
            None => Ok(()),
        }
    }

    /// The numbers of all masters that were removed, as far as this node knows. They are not used again.
    pub fn removed(&self) -> std::collections::BTreeSet<u64> {
        self.removed_members().numbers()
    }

    /// Whether this node is a member of its group, as far as it knows.
    pub fn is_member(&self) -> bool {
        let node = self.identity().node;
        self.members().iter().any(|member| member.node == node)
    }

    /// Marks the folder of this node, which was removed, so that it cannot be started again. Returns the error to
    /// report.
    pub fn note_removed(&self) -> Error {
        let (node, folder) = (self.identity().node, self.folder());
        let text = format!("master {node} was removed from its cluster\n");
        // If the file cannot be written, the node asks the others at its next start.
        let _written_or_not = place(folder, REMOVED_FILE, text.as_bytes());
        Error::Removed { path: folder.to_path_buf(), node }
    }
}

/// Whether a folder belongs to a master that was removed.
pub(super) fn was_removed(folder: &Path) -> bool {
    fs::exists(folder.join(REMOVED_FILE)).unwrap_or(false)
}
