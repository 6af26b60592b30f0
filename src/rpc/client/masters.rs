//! Client calls about the masters.

use std::time::Duration;

use tonic::transport::Channel;

use super::Master;
use super::jobs::ask;
use super::master::Line;
use crate::model::MasterId;
use crate::rpc::CONTROL_BYTES_MAX;
use crate::rpc::check;
use crate::rpc::convert::answer;
use crate::rpc::masters::{Join, MasterLine, MasterList, Masters, RemovedList};
use crate::rpc::pb;
use crate::rpc::pb::masters_client::MastersClient;
use crate::rpc::refusal::Refusal;

/// How long these changes may take: a new master catches up, another one leads, or the remaining masters copy what the
/// removed one has held.
const CHANGE_WITHIN: Duration = Duration::from_secs(35);

fn client(channel: Channel) -> MastersClient<Channel> {
    MastersClient::new(channel)
        .max_decoding_message_size(CONTROL_BYTES_MAX)
        .max_encoding_message_size(CONTROL_BYTES_MAX)
}

impl Masters for Master {
    async fn masters(&self) -> Result<MasterList, Refusal> {
        let answered = ask!(self, list_masters, pb::ListMastersRequest {});
        answer(answered.try_into(), &self.address())
    }

    async fn standing(&self) -> Result<MasterLine, Refusal> {
        let answered = ask!(self, standing, pb::StandingRequest {});
        answer(answered.try_into(), &self.address())
    }

    async fn removed(&self) -> Result<RemovedList, Refusal> {
        let answered = ask!(self, list_removed, pb::ListRemovedRequest {});
        answer(answered.try_into(), &self.address())
    }

    async fn transfer(&self, master: MasterId) -> Result<(), Refusal> {
        let request = pb::MasterRef { master: master.to_string() };
        let pb::Ack {} = ask!(self, transfer, request, CHANGE_WITHIN);
        Ok(())
    }

    async fn remove(&self, master: MasterId) -> Result<bool, Refusal> {
        let request = pb::MasterRef { master: master.to_string() };
        let answered = ask!(self, remove, request, CHANGE_WITHIN);
        Ok(answered.was_member)
    }

    async fn join(&self, request: Join) -> Result<(), Refusal> {
        check::join(&request)?;
        let pb::Ack {} = ask!(self, join, pb::JoinRequest::from(request), CHANGE_WITHIN);
        Ok(())
    }
}
