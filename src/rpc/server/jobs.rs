//! Serves the requests of clients about jobs.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::rpc::check;
use crate::rpc::convert::{encode, parsed};
use crate::rpc::jobs::{Jobs, Submit, TasksRequest};
use crate::rpc::pb;
use crate::rpc::recipe::RecipeRequest;
use crate::rpc::status::status;

/// Passes requests to their implementation.
pub(super) struct Service<J>(pub(super) Arc<J>);

#[tonic::async_trait]
impl<J: Jobs> pb::jobs_server::Jobs for Service<J> {
    async fn submit(
        &self,
        request: Request<pb::SubmitRequest>,
    ) -> Result<Response<pb::JobRef>, Status> {
        let request = Submit::try_from(request.into_inner()).map_err(status)?;
        check::submit(&request).map_err(status)?;
        let job = self.0.submit(request).await.map_err(status)?;
        Ok(Response::new(pb::JobRef { job: job.to_string() }))
    }

    async fn list(&self, _: Request<pb::ListRequest>) -> Result<Response<pb::ListAnswer>, Status> {
        let jobs = self.0.list().await.map_err(status)?;
        let jobs = jobs.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListAnswer { jobs }))
    }

    async fn status(
        &self,
        request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::JobStatus>, Status> {
        let pb::StatusRequest { job, after } = request.into_inner();
        let job = parsed(&job).map_err(status)?;
        let answer = self.0.status(job, after).await.map_err(status)?;
        Ok(Response::new(answer.into()))
    }

    async fn tasks(
        &self,
        request: Request<pb::TasksRequest>,
    ) -> Result<Response<pb::TasksAnswer>, Status> {
        let request = TasksRequest::try_from(request.into_inner()).map_err(status)?;
        check::tasks(&request).map_err(status)?;
        let tasks = self.0.tasks(request).await.map_err(status)?;
        let tasks = tasks.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::TasksAnswer { tasks }))
    }

    async fn counters(
        &self,
        request: Request<pb::JobRef>,
    ) -> Result<Response<pb::CountersAnswer>, Status> {
        let job = parsed(&request.into_inner().job).map_err(status)?;
        let groups = self.0.counters(job).await.map_err(status)?;
        Ok(Response::new(groups.into()))
    }

    async fn why(&self, request: Request<pb::JobRef>) -> Result<Response<pb::WhyAnswer>, Status> {
        let job = parsed(&request.into_inner().job).map_err(status)?;
        let why = self.0.why(job).await.map_err(status)?;
        Ok(Response::new(pb::WhyAnswer { why_bincode: encode(&why) }))
    }

    async fn recipe(
        &self,
        request: Request<pb::RecipeRequest>,
    ) -> Result<Response<pb::RecipeAnswer>, Status> {
        let pb::RecipeRequest { task, number } = request.into_inner();
        let task = parsed(&task).map_err(status)?;
        let recipe = self.0.recipe(RecipeRequest { task, number }).await.map_err(status)?;
        Ok(Response::new(pb::RecipeAnswer { recipe_bincode: encode(&recipe) }))
    }

    async fn kill(&self, request: Request<pb::JobRef>) -> Result<Response<pb::Ack>, Status> {
        let job = parsed(&request.into_inner().job).map_err(status)?;
        self.0.kill(job).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }

    async fn list_workers(
        &self,
        _: Request<pb::ListRequest>,
    ) -> Result<Response<pb::WorkersAnswer>, Status> {
        let workers = self.0.workers().await.map_err(status)?;
        let workers = workers.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::WorkersAnswer { workers }))
    }

    async fn drain(&self, request: Request<pb::DrainRequest>) -> Result<Response<pb::Ack>, Status> {
        let worker = parsed(&request.into_inner().worker).map_err(status)?;
        self.0.drain(worker).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }
}
