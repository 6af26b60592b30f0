//! What goes over the network: the conversations with the master, and workers' fetches from each other.
//!
//! There is no server that holds requests to their limits, so it is done here.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use gristmill::client::Masters;
use gristmill::master::Master;
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::check;
use gristmill::rpc::jobs::{JobLine, JobStatus, Jobs, Submit, TaskLine, TasksRequest, WorkerLine};
use gristmill::rpc::recipe::{Recipe, RecipeRequest};
use gristmill::rpc::refusal::Refusal;
use gristmill::rpc::shuffle::{FetchPiece, FetchRequest, Shuffle};
use gristmill::rpc::why::Why;
use gristmill::rpc::workers::{Locate, Located, Orders, Poll, Register, Registered, Workers};
use gristmill::spec::{AttemptId, JobId, WorkerId};
use gristmill::worker::{Server, Transport};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::network::{ANSWER_MAX, Fate, Link, unavailable};

/// How much longer a poll or a watched status may take, since it is held back.
const HELD_MAX: Duration = Duration::from_secs(1);

impl Link {
    /// Asks the master.
    async fn ask<T, F>(&self, within: Duration, serve: impl Fn(Master) -> F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let (at, master) = self.network.master()?;
        self.call(&at, within, || serve(master.clone())).await
    }
}

/// A call of the master that is this request and nothing more.
macro_rules! asked {
    ($self:ident, $within:expr, $call:ident($($argument:ident),*)) => {
        $self
            .ask($within, |master| {
                $(let $argument = $argument.clone();)*
                async move { master.$call($($argument),*).await }
            })
            .await
    };
}

impl Workers for Link {
    async fn register(&self, request: Register) -> Result<Registered, Refusal> {
        check::register(&request)?;
        asked!(self, ANSWER_MAX, register(request))
    }

    async fn poll(&self, mut request: Poll) -> Result<Orders, Refusal> {
        check::poll(&mut request)?;
        asked!(self, ANSWER_MAX + HELD_MAX, poll(request))
    }

    async fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        asked!(self, ANSWER_MAX, locate(request))
    }
}

impl Jobs for Link {
    async fn submit(&self, request: Submit) -> Result<JobId, Refusal> {
        check::submit(&request)?;
        asked!(self, ANSWER_MAX, submit(request))
    }

    async fn list(&self) -> Result<Vec<JobLine>, Refusal> {
        asked!(self, ANSWER_MAX, list())
    }

    async fn status(&self, job: JobId, after: u64) -> Result<JobStatus, Refusal> {
        asked!(self, ANSWER_MAX + HELD_MAX, status(job, after))
    }

    async fn tasks(&self, request: TasksRequest) -> Result<Vec<TaskLine>, Refusal> {
        check::tasks(&request)?;
        asked!(self, ANSWER_MAX, tasks(request))
    }

    async fn counters(
        &self,
        job: JobId,
    ) -> Result<BTreeMap<String, BTreeMap<String, u64>>, Refusal> {
        asked!(self, ANSWER_MAX, counters(job))
    }

    async fn why(&self, job: JobId) -> Result<Why, Refusal> {
        asked!(self, ANSWER_MAX, why(job))
    }

    async fn recipe(&self, request: RecipeRequest) -> Result<Recipe, Refusal> {
        asked!(self, ANSWER_MAX, recipe(request))
    }

    async fn kill(&self, job: JobId) -> Result<(), Refusal> {
        asked!(self, ANSWER_MAX, kill(job))
    }

    async fn workers(&self) -> Result<Vec<WorkerLine>, Refusal> {
        asked!(self, ANSWER_MAX, workers())
    }

    async fn drain(&self, worker: WorkerId) -> Result<(), Refusal> {
        asked!(self, ANSWER_MAX, drain(worker))
    }
}

impl Artifacts for Link {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        asked!(self, ANSWER_MAX, has(digest))
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        let parcel = self.network.parcel();
        std::fs::copy(file, &parcel).map_err(broken)?;
        self.ask(ANSWER_MAX, |master| {
            let parcel = parcel.clone();
            async move { master.put(digest, &parcel).await }
        })
        .await
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        let network = self.network.clone();
        let parcel = self
            .ask(ANSWER_MAX, |master| {
                let parcel = network.parcel();
                async move { master.get(digest, &parcel).await.map(|()| parcel) }
            })
            .await?;
        std::fs::rename(parcel, file).map_err(broken)
    }
}

impl Masters for Link {
    async fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, Refusal> {
        let (digest, file) = (Digest::of(bytes), self.network.parcel());
        std::fs::write(&file, bytes).map_err(broken)?;
        self.put(digest, &file).await?;
        Ok(digest)
    }
}

fn broken(error: io::Error) -> Refusal {
    Refusal::Internal { message: error.to_string() }
}

/// The way from one worker to another.
pub(crate) struct Peer {
    link: Link,
    address: String,
}

impl Shuffle for Peer {
    async fn fetch<S, F>(&self, request: FetchRequest, mut send: S) -> Result<(), Refusal>
    where
        S: FnMut(FetchPiece) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        check::fetch(&request)?;
        let fate = self.link.fate();
        sleep(fate.there).await;
        self.link.lose(fate.request_is_lost, &fate).await?;
        let (at, server) = self.link.network.server(&self.address)?;
        let (sender, mut pieces) = mpsc::channel(2);
        let serve = || {
            let (server, sender, request) = (server.clone(), sender.clone(), request.clone());
            let send = move |piece| {
                let sender = sender.clone();
                async move { sender.send(piece).await.is_ok() }
            };
            async move { server.fetch(request, send).await }
        };
        // Nobody repeats a request whose answer is a stream.
        let once = Fate { again: None, ..fate };
        let serving = self.link.begin(&at, &once, &serve);
        drop(sender);
        let mut left_before_break = if fate.answer_is_lost { 1 } else { u32::MAX };
        loop {
            let piece = timeout(ANSWER_MAX, pieces.recv()).await;
            let Some(piece) = piece.map_err(|_| unavailable("no piece in time"))? else { break };
            self.link.lose(left_before_break == 0, &fate).await?;
            left_before_break -= 1;
            if !send(piece).await {
                return Ok(());
            }
        }
        sleep(fate.back).await;
        serving.answer().await
    }

    async fn log(&self, attempt: AttemptId) -> Result<Vec<u8>, Refusal> {
        let (at, server) = self.link.network.server(&self.address)?;
        self.link
            .call(&at, ANSWER_MAX, || {
                let server = server.clone();
                async move { server.log(attempt).await }
            })
            .await
    }
}

/// How one worker reaches others, and is reached.
pub(crate) struct Wire {
    pub(crate) link: Link,
    pub(crate) address: String,
    /// Where its services run.
    pub(crate) at: Handle,
}

impl Transport for Wire {
    type Masters = Link;
    type Peer = Peer;

    fn masters(&self) -> Link {
        self.link.clone()
    }

    fn peer(&self, address: &str) -> Peer {
        Peer { link: self.link.clone(), address: address.into() }
    }

    async fn serve(&self, server: Server) -> io::Result<()> {
        let _served = self.link.network.serve(&self.address, self.at.clone(), server);
        std::future::pending().await
    }
}
