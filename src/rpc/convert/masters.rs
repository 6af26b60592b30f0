//! Converts messages about masters to and from protobuf.

use super::field::{bytes, texts};
use super::{all, each, ids, parsed, wide};
use crate::rpc::check::invalid;
use crate::rpc::masters::{Join, MasterLine, MasterList, RemovedList, Role};
use crate::rpc::pb;
use crate::rpc::refusal::Refusal;

impl From<Role> for pb::MasterRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Leader => Self::Leader,
            Role::Follower => Self::Follower,
            Role::Unreachable => Self::Unreachable,
        }
    }
}

impl TryFrom<pb::MasterRole> for Role {
    type Error = Refusal;

    fn try_from(wire: pb::MasterRole) -> Result<Self, Refusal> {
        match wire {
            pb::MasterRole::Leader => Ok(Self::Leader),
            pb::MasterRole::Follower => Ok(Self::Follower),
            pb::MasterRole::Unreachable => Ok(Self::Unreachable),
            pb::MasterRole::Unspecified => Err(invalid("a master's role is missing".into())),
        }
    }
}

impl From<MasterLine> for pb::MasterLine {
    fn from(line: MasterLine) -> Self {
        let MasterLine { id, pid, address, role, term, applied, behind, votes, web } = line;
        let role = pb::MasterRole::from(role).into();
        let (id, web) = (id.to_string(), web.unwrap_or_default());
        Self { id, pid, address, role, term, applied, behind, votes, web }
    }
}

impl TryFrom<pb::MasterLine> for MasterLine {
    type Error = Refusal;

    fn try_from(wire: pb::MasterLine) -> Result<Self, Refusal> {
        let role = wire.role().try_into()?;
        let pb::MasterLine { pid, address, term, applied, behind, votes, web, .. } = wire;
        let web = Some(web).filter(|web| !web.is_empty());
        Ok(Self { id: parsed(&wire.id)?, pid, address, role, term, applied, behind, votes, web })
    }
}

impl From<MasterList> for pb::ListMastersAnswer {
    fn from(list: MasterList) -> Self {
        Self { cluster: bytes(list.cluster), masters: all(list.masters) }
    }
}

impl TryFrom<pb::ListMastersAnswer> for MasterList {
    type Error = Refusal;

    fn try_from(wire: pb::ListMastersAnswer) -> Result<Self, Refusal> {
        Ok(Self { cluster: wide("cluster", &wire.cluster)?, masters: each(wire.masters)? })
    }
}

impl From<RemovedList> for pb::ListRemovedAnswer {
    fn from(list: RemovedList) -> Self {
        Self { cluster: bytes(list.cluster), masters: texts(&list.masters) }
    }
}

impl TryFrom<pb::ListRemovedAnswer> for RemovedList {
    type Error = Refusal;

    fn try_from(wire: pb::ListRemovedAnswer) -> Result<Self, Refusal> {
        Ok(Self { cluster: wide("cluster", &wire.cluster)?, masters: ids(&wire.masters)? })
    }
}

impl From<Join> for pb::JoinRequest {
    fn from(join: Join) -> Self {
        Self { cluster: bytes(join.cluster), id: join.id.to_string(), address: join.address }
    }
}

impl TryFrom<pb::JoinRequest> for Join {
    type Error = Refusal;

    fn try_from(wire: pb::JoinRequest) -> Result<Self, Refusal> {
        Ok(Self {
            cluster: wide("cluster", &wire.cluster)?,
            id: parsed(&wire.id)?,
            address: wire.address,
        })
    }
}
