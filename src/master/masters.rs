//! Serves requests about masters, and passes Raft messages on.

use std::time::Duration;

use super::leading::refusal;
use super::{Master, Shared};
use crate::consensus::{Group, Member};
use crate::model::{MasterId, Nonce};
use crate::rpc::client::Fellow;
use crate::rpc::masters::{Join, MasterLine, MasterList, Masters, RemovedList, Role};
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;

/// How long another master may take to return its status.
const STANDING_WITHIN: Duration = Duration::from_secs(1);

impl Masters for Master {
    async fn masters(&self) -> Result<MasterList, Refusal> {
        let group = self.shared.group()?;
        let asked = group.members().into_iter().map(|member| {
            let shared = std::sync::Arc::clone(&self.shared);
            tokio::spawn(async move { shared.line_of(member).await })
        });
        let asked: Vec<_> = asked.collect();
        let mut masters = Vec::new();
        for line in asked {
            let line = line.await;
            masters.push(line.map_err(|error| Refusal::Internal { message: error.to_string() })?);
        }
        Ok(MasterList { cluster: group.identity().cluster, masters: compared(masters) })
    }

    async fn standing(&self) -> Result<MasterLine, Refusal> {
        let group = self.shared.group()?;
        Ok(self.shared.own_line(group))
    }

    async fn removed(&self) -> Result<RemovedList, Refusal> {
        let group = self.shared.group()?;
        let masters = group.removed().into_iter().map(MasterId).collect();
        Ok(RemovedList { cluster: group.identity().cluster, masters })
    }

    async fn remove(&self, master: MasterId) -> Result<bool, Refusal> {
        let shared = &self.shared;
        let was_member = shared.led(shared.remove(master)).await?;
        if was_member {
            (shared.log)(&format!("master {master} was removed on request"));
        }
        Ok(was_member)
    }

    async fn transfer(&self, master: MasterId) -> Result<(), Refusal> {
        let shared = &self.shared;
        shared.leads()?;
        let leader = shared.group()?.hand_over(Some(master.0)).await.map_err(refusal)?;
        (shared.log)(&format!("master {} now leads, as requested", MasterId(leader)));
        Ok(())
    }

    async fn join(&self, request: Join) -> Result<(), Refusal> {
        let group = self.shared.group()?;
        let Join { cluster, id, address } = request;
        if cluster != group.identity().cluster {
            let message = format!(
                "master {id} belongs to cluster {}, not to {}\nhint: give it an empty folder as --data",
                Nonce(cluster),
                Nonce(group.identity().cluster)
            );
            return Err(Refusal::Invalid { message });
        }
        let shared = &self.shared;
        shared.led(async { group.admit(id.0, &address).await.map_err(refusal) }).await?;
        (shared.log)(&format!("master {id} at {address} is now a member"));
        Ok(())
    }
}

impl Raft for Master {
    async fn append_entries(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.shared.group()?.append_entries(call).await
    }

    async fn vote(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.shared.group()?.vote(call).await
    }

    async fn stand(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        if self.shared.is_stopping() {
            let message = "this master is stopping".to_string();
            return Err(Refusal::Unavailable { message });
        }
        self.shared.group()?.stand(call).await
    }

    async fn install_snapshot(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.shared.group()?.install_snapshot(call).await
    }
}

impl Shared {
    pub(super) fn group(&self) -> Result<&Group, Refusal> {
        let alone =
            || Refusal::Unavailable { message: "this master runs alone, without a log".into() };
        self.group.as_ref().ok_or_else(alone)
    }

    /// Returns the addresses of all masters, as `--cluster` takes them.
    pub(super) fn addresses(&self) -> String {
        let members = self.group.iter().flat_map(Group::members);
        let addresses: Vec<String> = members.map(|member| member.address).collect();
        if addresses.is_empty() { "ADDR".into() } else { addresses.join(",") }
    }

    fn own_line(&self, group: &Group) -> MasterLine {
        let node = group.identity().node;
        let members = group.members();
        let own = members.into_iter().find(|member| member.node == node);
        let standing = group.standing();
        MasterLine {
            id: MasterId(node),
            pid: self.pid,
            votes: own.as_ref().is_some_and(|own| own.votes),
            address: own.map(|own| own.address).unwrap_or_default(),
            role: if standing.leads { Role::Leader } else { Role::Follower },
            term: standing.term,
            applied: standing.applied,
            behind: 0,
            web: self.web.clone(),
        }
    }

    pub(super) async fn line_of(&self, member: Member) -> MasterLine {
        if let Some(group) = self.group.as_ref().filter(|it| it.identity().node == member.node) {
            return self.own_line(group);
        }
        let unreachable = MasterLine {
            id: MasterId(member.node),
            pid: 0,
            address: member.address.clone(),
            role: Role::Unreachable,
            term: 0,
            applied: 0,
            behind: 0,
            votes: member.votes,
            web: None,
        };
        let fellow = self.fellow(&member.address);
        match tokio::time::timeout(STANDING_WITHIN, fellow.standing()).await {
            Ok(Ok(line)) if line.id == unreachable.id => line,
            _ => unreachable,
        }
    }

    /// A client of one other master, which tries once.
    pub(super) fn fellow(&self, address: &str) -> Fellow {
        Fellow::connect(address, &self.links)
    }
}

/// If several masters believe that they lead, the one with the highest term does. The others do not know it yet.
fn compared(mut masters: Vec<MasterLine>) -> Vec<MasterLine> {
    let applied = masters.iter().map(|line| line.applied).max().unwrap_or(0);
    let term = masters.iter().map(|line| line.term).max().unwrap_or(0);
    for line in &mut masters {
        if line.role != Role::Unreachable {
            line.behind = applied - line.applied;
        }
        if line.role == Role::Leader && line.term < term {
            line.role = Role::Follower;
        }
    }
    masters
}
