//! The calls that a worker makes to a master.

use tonic::transport::Channel;

use super::Master;
use super::jobs::ask;
use super::master::Line;
use crate::rpc::CONTROL_BYTES_MAX;
use crate::rpc::convert::answer;
use crate::rpc::pb;
use crate::rpc::pb::workers_client::WorkersClient;
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{Leave, Locate, Located, Orders, Poll, Register, Registered, Workers};

fn client(channel: Channel) -> WorkersClient<Channel> {
    WorkersClient::new(channel)
        .max_decoding_message_size(CONTROL_BYTES_MAX)
        .max_encoding_message_size(CONTROL_BYTES_MAX)
}

impl Workers for Master {
    async fn register(&self, request: Register) -> Result<Registered, Refusal> {
        let answered = ask!(self, register, pb::Packed::of(&request));
        let registered: Registered = answer(answered.open("a registration"), &self.address())?;
        self.learn_lease(registered.lease_ms);
        self.learn_fellows();
        Ok(registered)
    }

    async fn poll(&self, request: Poll) -> Result<Orders, Refusal> {
        let within = self.poll_within();
        let answered = ask!(self, poll, pb::Packed::of(&request), within);
        answer(answered.open("orders"), &self.address())
    }

    async fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        let answered = ask!(self, locate, pb::Packed::of(&request));
        answer(answered.open("locations"), &self.address())
    }

    async fn leave(&self, request: Leave) -> Result<(), Refusal> {
        let pb::Ack {} = ask!(self, leave, pb::Packed::of(&request));
        Ok(())
    }
}
