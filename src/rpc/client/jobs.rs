//! Client calls about jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::transport::Channel;

use super::Master;
use super::master::Line;
use crate::model::{JobId, WorkerId};
use crate::rpc::convert::{answer, decode, parsed};
use crate::rpc::jobs::{JobLine, JobStatus, Jobs, Submit, TaskLine, TasksRequest, WorkerLine};
use crate::rpc::pb;
use crate::rpc::pb::jobs_client::JobsClient;
use crate::rpc::recipe::{Recipe, RecipeRequest};
use crate::rpc::refusal::Refusal;
use crate::rpc::why::Why;
use crate::rpc::{CONTROL_BYTES_MAX, check};

/// How long a status may be held back.
const STATUS_HELD: Duration = Duration::from_secs(1);

fn client(channel: Channel) -> JobsClient<Channel> {
    JobsClient::new(channel)
        .max_decoding_message_size(CONTROL_BYTES_MAX)
        .max_encoding_message_size(CONTROL_BYTES_MAX)
}

/// Sends a request over the control connection: `$call` with clones of `$request`.
macro_rules! ask {
    ($self:ident, $call:ident, $request:expr) => {
        ask!($self, $call, $request, $self.options().answer)
    };
    ($self:ident, $call:ident, $request:expr, $within:expr) => {{
        let request = $request;
        $self
            .ask(Line::Control, $within, |channel| {
                let request = request.clone();
                async move { client(channel).$call(request).await }
            })
            .await?
    }};
}
pub(super) use ask;

impl Jobs for Master {
    async fn submit(&self, request: Submit) -> Result<JobId, Refusal> {
        // A spec that is too large for a message is refused here, where the error can name it.
        check::submit(&request)?;
        let answered = ask!(self, submit, pb::SubmitRequest::from(request));
        answer(parsed(&answered.job), &self.address())
    }

    async fn list(&self) -> Result<Vec<JobLine>, Refusal> {
        let answered = ask!(self, list, pb::ListRequest {});
        let lines = answered.jobs.into_iter().map(JobLine::try_from).collect();
        answer(lines, &self.address())
    }

    async fn status(&self, job: JobId, after: u64) -> Result<JobStatus, Refusal> {
        let request = pb::StatusRequest { job: job.to_string(), after };
        let answered = ask!(self, status, request, self.options().answer + STATUS_HELD);
        // A client that follows a job must find the leader until the job ends.
        self.learn_fellows();
        answer(JobStatus::try_from(answered), &self.address())
    }

    async fn tasks(&self, request: TasksRequest) -> Result<Vec<TaskLine>, Refusal> {
        let answered = ask!(self, tasks, pb::TasksRequest::from(request));
        let lines = answered.tasks.into_iter().map(TaskLine::try_from).collect();
        answer(lines, &self.address())
    }

    async fn counters(
        &self,
        job: JobId,
    ) -> Result<BTreeMap<String, BTreeMap<String, u64>>, Refusal> {
        Ok(ask!(self, counters, pb::JobRef { job: job.to_string() }).into())
    }

    async fn why(&self, job: JobId) -> Result<Why, Refusal> {
        let answered = ask!(self, why, pb::JobRef { job: job.to_string() });
        answer(decode("why", &answered.why_bincode), &self.address())
    }

    async fn recipe(&self, request: RecipeRequest) -> Result<Recipe, Refusal> {
        let RecipeRequest { task, number } = request;
        let answered = ask!(self, recipe, pb::RecipeRequest { task: task.to_string(), number });
        answer(decode("recipe", &answered.recipe_bincode), &self.address())
    }

    async fn kill(&self, job: JobId) -> Result<(), Refusal> {
        let pb::Ack {} = ask!(self, kill, pb::JobRef { job: job.to_string() });
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerLine>, Refusal> {
        let answered = ask!(self, list_workers, pb::ListRequest {});
        let lines = answered.workers.into_iter().map(WorkerLine::try_from).collect();
        answer(lines, &self.address())
    }

    async fn drain(&self, worker: WorkerId) -> Result<(), Refusal> {
        let pb::Ack {} = ask!(self, drain, pb::DrainRequest { worker: worker.to_string() });
        Ok(())
    }
}
