//! Serves requests about the masters.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::rpc::check;
use crate::rpc::convert::parsed;
use crate::rpc::masters::{Join, Masters};
use crate::rpc::pb;
use crate::rpc::status::status;

/// Passes requests to their implementation.
pub(super) struct Service<M>(pub(super) Arc<M>);

#[tonic::async_trait]
impl<M: Masters> pb::masters_server::Masters for Service<M> {
    async fn list_masters(
        &self,
        _: Request<pb::ListMastersRequest>,
    ) -> Result<Response<pb::ListMastersAnswer>, Status> {
        let list = self.0.masters().await.map_err(status)?;
        Ok(Response::new(list.into()))
    }

    async fn standing(
        &self,
        _: Request<pb::StandingRequest>,
    ) -> Result<Response<pb::MasterLine>, Status> {
        let line = self.0.standing().await.map_err(status)?;
        Ok(Response::new(line.into()))
    }

    async fn transfer(&self, request: Request<pb::MasterRef>) -> Result<Response<pb::Ack>, Status> {
        let master = parsed(&request.into_inner().master).map_err(status)?;
        self.0.transfer(master).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }

    async fn list_removed(
        &self,
        _: Request<pb::ListRemovedRequest>,
    ) -> Result<Response<pb::ListRemovedAnswer>, Status> {
        let list = self.0.removed().await.map_err(status)?;
        Ok(Response::new(list.into()))
    }

    async fn remove(
        &self,
        request: Request<pb::MasterRef>,
    ) -> Result<Response<pb::RemoveAnswer>, Status> {
        let master = parsed(&request.into_inner().master).map_err(status)?;
        let was_member = self.0.remove(master).await.map_err(status)?;
        Ok(Response::new(pb::RemoveAnswer { was_member }))
    }

    async fn join(&self, request: Request<pb::JoinRequest>) -> Result<Response<pb::Ack>, Status> {
        let request = Join::try_from(request.into_inner()).map_err(status)?;
        check::join(&request).map_err(status)?;
        self.0.join(request).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }
}
