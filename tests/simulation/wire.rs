//! The messages on the network: calls to the master, and fetches between workers.
//!
//! In the simulation no server checks requests against their limits, so this module does.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gristmill::client::Masters;
use gristmill::master::{LEASE_MS, Master};
use gristmill::model::{AttemptId, JobId, WorkerId};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::check;
use gristmill::rpc::jobs::{JobLine, JobStatus, Jobs, Submit, TaskLine, TasksRequest, WorkerLine};
use gristmill::rpc::masters::{Join, Masters as _};
use gristmill::rpc::recipe::{Recipe, RecipeRequest};
use gristmill::rpc::refusal::Refusal;
use gristmill::rpc::shuffle::{FetchPiece, FetchRequest, Shuffle};
use gristmill::rpc::why::Why;
use gristmill::rpc::workers::{
    Leave, Locate, Located, Orders, Poll, Register, Registered, Workers,
};
use gristmill::worker::{Server, Transport};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::faults::{MASTERS, Who};
use crate::link::{ANSWER_MAX, Fate, Link};
use crate::network::unavailable;

/// How much longer a call for a watched status may take, since the master holds it back.
const HELD_MAX: Duration = Duration::from_secs(1);
/// Time limit of a poll: the same as that of the gRPC client for this lease.
const POLL_MAX: Duration = Duration::from_millis(LEASE_MS * 2 / 3);
/// How long it may take until a new master has caught up.
const JOIN_MAX: Duration = Duration::from_secs(35);
/// Time after which no further try is made. It and the pauses are the same as those of the gRPC client.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_millis(100);

/// Calls the method of the master that takes this request.
macro_rules! asked {
    ($self:ident, $within:expr, $call:ident($($argument:ident),*)) => {
        $self
            .ask($within, move |master| {
                $(let $argument = $argument.clone();)*
                async move { master.$call($($argument),*).await }
            })
            .await
    };
}

impl Link {
    /// Asks the leading master, as far as it is known. Each master is tried at least once, even after [`PATIENCE`].
    async fn ask<T, F>(
        &self,
        within: Duration,
        serve: impl Fn(Master) -> F + Clone + Send + Sync + 'static,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let mut out_of_patience = pin!(sleep(PATIENCE));
        let mut pause = PAUSE_FIRST;
        let mut tries = 0;
        loop {
            tries += 1;
            let asked = self.current.load(Ordering::SeqCst);
            let refused = match self.ask_at(&address(asked), within, serve.clone()).await {
                Err(refused) => refused,
                answer => return answer,
            };
            let named = match &refused {
                Refusal::NotLeader { leader } => number(leader).filter(|&named| named != asked),
                Refusal::Unavailable { .. } => None,
                _ => return Err(refused),
            };
            // Another call may have turned to another master already.
            let next = named.unwrap_or((asked + 1) % MASTERS as usize);
            let _turned_or_not =
                self.current.compare_exchange(asked, next, Ordering::SeqCst, Ordering::SeqCst);
            tokio::select! {
                biased;
                () = &mut out_of_patience, if tries >= MASTERS => {
                    return Err(unavailable(&refused.to_string()));
                }
                () = sleep(pause) => pause = PAUSE_MOST.min(2 * pause),
            }
        }
    }

    /// Asks the master at this address once.
    pub(crate) async fn ask_at<T, F>(
        &self,
        to: &str,
        within: Duration,
        serve: impl Fn(Master) -> F + Send + Sync + 'static,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let (at, master) = match self.network.master(to) {
            Ok(found) => found,
            // The connection may be refused, or there may be no answer at all.
            Err(nobody) => {
                let noticed = async {
                    sleep(self.fate().there).await;
                    self.pass_back(to).await?;
                    Err(nobody)
                };
                let late = |_| Err(unavailable("no answer in time"));
                return timeout(within, noticed).await.unwrap_or_else(late);
            }
        };
        self.call(to, &at, within, move || serve(master.clone())).await
    }

    /// Returns whether no master listens at this address.
    pub(crate) async fn is_refused(&self, to: &str) -> Result<bool, Refusal> {
        let fate = self.fate();
        sleep(fate.there + fate.back).await;
        self.pass_back(to).await?;
        Ok(self.network.master(to).is_err())
    }

    /// Adds a master to the cluster.
    pub(crate) async fn join(&self, request: Join) -> Result<(), Refusal> {
        asked!(self, JOIN_MAX, join(request))
    }

    /// Uploads an artifact to the master at this address.
    pub(crate) async fn put_at(
        &self,
        to: &str,
        digest: Digest,
        file: &Path,
    ) -> Result<(), Refusal> {
        let parcel = self.network.parcel();
        std::fs::copy(file, &parcel).map_err(broken)?;
        let put = move |master: Master| {
            let parcel = parcel.clone();
            async move { master.put(digest, &parcel).await }
        };
        self.ask_at(to, ANSWER_MAX, put).await
    }

    /// Downloads an artifact from the master at this address.
    pub(crate) async fn get_at(
        &self,
        to: &str,
        digest: Digest,
        file: &Path,
    ) -> Result<(), Refusal> {
        let network = self.network.clone();
        let get = move |master: Master| {
            let parcel = network.parcel();
            async move { master.get(digest, &parcel).await.map(|()| parcel) }
        };
        let parcel = self.ask_at(to, ANSWER_MAX, get).await?;
        std::fs::rename(parcel, file).map_err(broken)
    }
}

fn address(place: usize) -> String {
    Who::Master(place as u64 + 1).address()
}

/// Returns the index of the master that listens at this address.
fn number(leader: &str) -> Option<usize> {
    (0..MASTERS as usize).find(|&place| address(place) == leader)
}

impl Workers for Link {
    async fn register(&self, request: Register) -> Result<Registered, Refusal> {
        check::register(&request)?;
        asked!(self, ANSWER_MAX, register(request))
    }

    async fn poll(&self, mut request: Poll) -> Result<Orders, Refusal> {
        check::poll(&mut request)?;
        let network = self.network.clone();
        let poll = move |master: Master| {
            let (network, request) = (network.clone(), request.clone());
            async move {
                let orders = master.poll(request).await?;
                network.note_orders(orders.epoch, master.standing().await?.id);
                Ok(orders)
            }
        };
        self.ask(POLL_MAX, poll).await
    }

    async fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        asked!(self, ANSWER_MAX, locate(request))
    }

    async fn leave(&self, request: Leave) -> Result<(), Refusal> {
        asked!(self, ANSWER_MAX, leave(request))
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
        let put = move |master: Master| {
            let parcel = parcel.clone();
            async move { master.put(digest, &parcel).await }
        };
        self.ask(ANSWER_MAX, put).await
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        let network = self.network.clone();
        let get = move |master: Master| {
            let parcel = network.parcel();
            async move { master.get(digest, &parcel).await.map(|()| parcel) }
        };
        let parcel = self.ask(ANSWER_MAX, get).await?;
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

/// The connection from one worker to another.
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
        let late = |_| unavailable("no piece in time");
        let reached = timeout(ANSWER_MAX, self.link.pass_back(&self.address));
        reached.await.map_err(late)??;
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
        // A request with a stream as its answer is not repeated.
        let once = Fate { again: None, ..fate };
        let serving = self.link.begin(&self.address, &at, &once, &serve);
        drop(sender);
        let mut left_before_break = if fate.answer_is_lost { 1 } else { u32::MAX };
        loop {
            let Some(piece) = timeout(ANSWER_MAX, pieces.recv()).await.map_err(late)? else {
                break;
            };
            self.link.lose(left_before_break == 0, &fate).await?;
            left_before_break -= 1;
            if !send(piece).await {
                return Ok(());
            }
        }
        sleep(fate.back).await;
        timeout(ANSWER_MAX, serving.answer()).await.map_err(late)?
    }

    async fn log(&self, attempt: AttemptId) -> Result<Vec<u8>, Refusal> {
        let (at, server) = self.link.network.server(&self.address)?;
        let log = move || {
            let server = server.clone();
            async move { server.log(attempt).await }
        };
        self.link.call(&self.address, &at, ANSWER_MAX, log).await
    }
}

/// The connection of one worker to the network, in both directions.
pub(crate) struct Wire {
    pub(crate) link: Link,
    pub(crate) address: String,
    /// The runtime of its services.
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
