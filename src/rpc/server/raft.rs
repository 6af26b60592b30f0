//! Serves the Raft messages of other masters.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::rpc::pb;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;
use crate::rpc::status::status;

/// Passes requests to their implementation.
pub(super) struct Service<R>(pub(super) Arc<R>);

fn call(request: Request<pb::RaftCall>) -> Result<Call, Status> {
    Call::try_from(request.into_inner()).map_err(status)
}

fn answer(answered: Result<Vec<u8>, Refusal>) -> Result<Response<pb::RaftAnswer>, Status> {
    let bincode = answered.map_err(status)?;
    Ok(Response::new(pb::RaftAnswer { bincode }))
}

#[tonic::async_trait]
impl<R: Raft> pb::raft_server::Raft for Service<R> {
    async fn append_entries(
        &self,
        request: Request<pb::RaftCall>,
    ) -> Result<Response<pb::RaftAnswer>, Status> {
        answer(self.0.append_entries(call(request)?).await)
    }

    async fn vote(
        &self,
        request: Request<pb::RaftCall>,
    ) -> Result<Response<pb::RaftAnswer>, Status> {
        answer(self.0.vote(call(request)?).await)
    }

    async fn stand(
        &self,
        request: Request<pb::RaftCall>,
    ) -> Result<Response<pb::RaftAnswer>, Status> {
        answer(self.0.stand(call(request)?).await)
    }

    async fn install_snapshot(
        &self,
        request: Request<pb::RaftCall>,
    ) -> Result<Response<pb::RaftAnswer>, Status> {
        answer(self.0.install_snapshot(call(request)?).await)
    }
}
