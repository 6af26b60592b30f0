//! Serves the requests of workers.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::rpc::check;
use crate::rpc::pb;
use crate::rpc::status::status;
use crate::rpc::workers::{Leave, Locate, Poll, Register, Workers};

/// Passes requests to their implementation.
pub(super) struct Service<W>(pub(super) Arc<W>);

#[tonic::async_trait]
impl<W: Workers> pb::workers_server::Workers for Service<W> {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterAnswer>, Status> {
        let request = Register::try_from(request.into_inner()).map_err(status)?;
        check::register(&request).map_err(status)?;
        let registered = self.0.register(request).await.map_err(status)?;
        Ok(Response::new(registered.into()))
    }

    async fn poll(
        &self,
        request: Request<pb::PollRequest>,
    ) -> Result<Response<pb::PollAnswer>, Status> {
        let mut request = Poll::try_from(request.into_inner()).map_err(status)?;
        check::poll(&mut request).map_err(status)?;
        let orders = self.0.poll(request).await.map_err(status)?;
        Ok(Response::new(orders.into()))
    }

    async fn locate(
        &self,
        request: Request<pb::LocateRequest>,
    ) -> Result<Response<pb::LocateAnswer>, Status> {
        let request = Locate::try_from(request.into_inner()).map_err(status)?;
        let located = self.0.locate(request).await.map_err(status)?;
        Ok(Response::new(located.into()))
    }

    async fn leave(&self, request: Request<pb::LeaveRequest>) -> Result<Response<pb::Ack>, Status> {
        let request = Leave::try_from(request.into_inner()).map_err(status)?;
        self.0.leave(request).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }
}
