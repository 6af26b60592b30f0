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
    async fn register(&self, request: Request<pb::Packed>) -> Result<Response<pb::Packed>, Status> {
        let request: Register = request.into_inner().open("a registration").map_err(status)?;
        check::register(&request).map_err(status)?;
        let registered = self.0.register(request).await.map_err(status)?;
        Ok(Response::new(pb::Packed::of(&registered)))
    }

    async fn poll(&self, request: Request<pb::Packed>) -> Result<Response<pb::Packed>, Status> {
        let mut request: Poll = request.into_inner().open("a poll").map_err(status)?;
        check::poll(&mut request).map_err(status)?;
        let orders = self.0.poll(request).await.map_err(status)?;
        Ok(Response::new(pb::Packed::of(&orders)))
    }

    async fn locate(&self, request: Request<pb::Packed>) -> Result<Response<pb::Packed>, Status> {
        let request: Locate =
            request.into_inner().open("a question for map outputs").map_err(status)?;
        let located = self.0.locate(request).await.map_err(status)?;
        Ok(Response::new(pb::Packed::of(&located)))
    }

    async fn leave(&self, request: Request<pb::Packed>) -> Result<Response<pb::Ack>, Status> {
        let request: Leave = request.into_inner().open("a goodbye").map_err(status)?;
        self.0.leave(request).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }
}
