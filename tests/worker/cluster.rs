//! Workers in one process, the simulated master, and the connections between them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill::clock::Clock;
use gristmill::model::{
    AttemptId, InputSpec, JobId, JobSpec, Location, Nonce, SideFileSpec, TaskKind,
};
use gristmill::rpc::refusal::Refusal;
use gristmill::rpc::shuffle::{FetchPiece, FetchRequest, Shuffle};
use gristmill::rpc::workers::{Order, Work};
use gristmill::worker::{self, Error, Limiter, Options, ProcessLauncher, Server, Stop, Transport};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::executor::script;
use crate::master::Master;

pub(crate) const JOB: JobId = JobId(7);
pub(crate) const NONCE: Nonce = Nonce(0xfeed);

/// The network between workers and the master. Clones share one network.
#[derive(Clone, Default)]
pub(crate) struct Network {
    pub(crate) master: Master,
    servers: Arc<Mutex<BTreeMap<String, Server>>>,
    /// Number of pieces that will still be damaged on their way.
    pub(crate) damages: Arc<AtomicU32>,
    /// Number of requests for map outputs.
    pub(crate) fetches: Arc<AtomicU32>,
    /// Number of outputs that were reported as readable on the requester's machine, and whether these reports name a
    /// path that does not exist.
    pub(crate) places: Arc<AtomicU32>,
    pub(crate) misplaces: Arc<AtomicBool>,
    /// Whether every output is reported to be at this path, even if its bytes are requested.
    pub(crate) insists: Arc<AtomicBool>,
    pub(crate) lies: Arc<Mutex<PathBuf>>,
    /// Address of the worker that accepts requests and answers none of them.
    pub(crate) frozen: Arc<Mutex<Option<String>>>,
}

/// The connection to one worker.
pub(crate) struct Peer {
    network: Network,
    address: String,
}

impl Network {
    /// Adds a worker. Its address is its number in the network.
    fn add(&self, server: Server) {
        let mut servers = self.servers.lock().unwrap();
        let address = format!("worker-{}", servers.len() + 1);
        servers.insert(address, server);
    }

    fn server(&self, address: &str) -> Result<Server, Refusal> {
        let server = self.servers.lock().unwrap().get(address).cloned();
        server.ok_or(Refusal::Unavailable { message: format!("nobody listens at {address}") })
    }
}

impl Transport for Network {
    type Masters = Master;
    type Peer = Peer;

    fn masters(&self) -> Master {
        self.master.clone()
    }

    fn peer(&self, address: &str) -> Peer {
        Peer { network: self.clone(), address: address.into() }
    }

    async fn serve(&self, server: Server) -> io::Result<()> {
        self.add(server);
        std::future::pending().await
    }
}

impl Shuffle for Peer {
    async fn fetch<S, F>(&self, request: FetchRequest, mut send: S) -> Result<(), Refusal>
    where
        S: FnMut(FetchPiece) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        self.network.fetches.fetch_add(1, Ordering::SeqCst);
        if self.network.frozen.lock().unwrap().as_ref() == Some(&self.address) {
            return std::future::pending().await;
        }
        if self.network.insists.load(Ordering::SeqCst) {
            let path = self.network.lies.lock().unwrap().clone();
            for &(map, _) in &request.maps {
                send(FetchPiece::Place { map, path: path.as_path().into() }).await;
            }
            return Ok(());
        }
        let damages = Arc::clone(&self.network.damages);
        let places = Arc::clone(&self.network.places);
        let misplaces = self.network.misplaces.load(Ordering::SeqCst);
        let send = move |mut piece| {
            if let FetchPiece::Bytes(bytes) = &mut piece {
                let left = |left: u32| left.checked_sub(1);
                if damages.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
                    bytes[0] ^= 1;
                }
            }
            if let FetchPiece::Place { path, .. } = &mut piece {
                places.fetch_add(1, Ordering::SeqCst);
                if misplaces {
                    *path = path.join("elsewhere").into();
                }
            }
            send(piece)
        };
        self.network.server(&self.address)?.fetch(request, send).await
    }

    async fn log(&self, attempt: AttemptId) -> Result<Vec<u8>, Refusal> {
        self.network.server(&self.address)?.log(attempt).await
    }
}

/// A running worker.
pub(crate) struct Running {
    pub(crate) stop: watch::Sender<Stop>,
    pub(crate) ended: JoinHandle<Result<(), Error>>,
}

/// A network and a job on it.
pub(crate) struct Cluster {
    pub(crate) network: Network,
    pub(crate) folder: tempfile::TempDir,
    workers: u32,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let network = Network::default();
        network.master.with(|known| known.keep.push(JOB));
        Cluster { network, folder: tempfile::TempDir::new().unwrap(), workers: 0 }
    }

    pub(crate) fn data(&self, worker: u32) -> PathBuf {
        self.folder.path().join(format!("worker-{worker}"))
    }

    /// Starts the next worker. The first one's address is `worker-1`.
    pub(crate) async fn worker(
        &mut self,
        change: impl FnOnce(&mut Options, &mut Limiter),
    ) -> Running {
        self.workers += 1;
        let mut limiter = Limiter::Not;
        let mut options = Options {
            data: self.data(self.workers),
            address: format!("worker-{}", self.workers),
            machine: String::new(),
            slots: 2,
            attempt_memory_bytes: 0,
            pid: std::process::id(),
            incarnation: self.workers.into(),
            masterless_max: Duration::from_secs(30),
            own_poll_thread: true,
            clock: Clock::system(),
            log: |_| {},
        };
        change(&mut options, &mut limiter);
        let launcher = ProcessLauncher::start(limiter).unwrap();
        let (stop, stopped) = watch::channel(Stop::No);
        let before = self.network.master.with(|known| known.registered.len());
        let ended = tokio::spawn(worker::run(options, self.network.clone(), launcher, stopped));
        self.network
            .master
            .until("registered", |known| (known.registered.len() > before).then_some(()))
            .await;
        Running { stop, ended }
    }

    /// Returns an order. `behaviour` is what the executor will do.
    pub(crate) fn order(&self, behaviour: &str, kind: TaskKind, index: u32, work: Work) -> Order {
        let spec = JobSpec {
            name: "test".into(),
            inputs: vec![InputSpec { source: 0, location: Location::from("in") }],
            output: Some(Location::from("out")),
            overwrite: false,
            reducers: None,
            split_bytes: None,
            memory_bytes: 64 << 20,
            memory_is_given: false,
            max_bad_records: 0,
            umask: 0o022,
            sync: false,
            side_files: Vec::new(),
            job: behaviour.into(),
            invocation: Default::default(),
        };
        Order {
            attempt: JOB.task(kind, index).attempt(1),
            nonce: NONCE,
            executable: self.network.master.store(&script()),
            spec: self.network.master.store(&bincode::serialize(&spec).unwrap()),
            work,
            is_map_only: false,
            timeout_ms: 0,
        }
    }

    /// Adds a side file with these bytes to an order's job.
    pub(crate) fn with_side_file(&self, mut order: Order, bytes: &[u8]) -> Order {
        let master = &self.network.master;
        let spec = master.with(|known| known.artifacts[&order.spec].clone());
        let mut spec: JobSpec = bincode::deserialize(&spec).unwrap();
        let (name, digest) = (Location::from("/gone/stop.txt"), Some(master.store(bytes)));
        spec.side_files = vec![SideFileSpec { location: name.clone(), name, digest }];
        order.spec = master.store(&bincode::serialize(&spec).unwrap());
        order
    }

    pub(crate) fn map(&self, index: u32) -> Order {
        let plan = self.network.master.store(b"the plan");
        self.order("", TaskKind::Map, index, Work::Map { plan, joined: Vec::new() })
    }

    pub(crate) fn reduce(&self, partition: u32, maps: u32) -> Order {
        let plan = self.network.master.store(b"the plan");
        self.order("", TaskKind::Reduce, partition, Work::Reduce { plan, maps })
    }

    /// Assigns an attempt to a worker.
    pub(crate) fn give(&self, worker: u64, order: Order) -> AttemptId {
        let attempt = order.attempt;
        let worker = gristmill::model::WorkerId(worker);
        self.network.master.with(|known| known.orders.entry(worker).or_default().push(order));
        attempt
    }
}

impl Running {
    /// Stops the worker and waits until it ends.
    pub(crate) async fn end(self) {
        self.stop.send_replace(Stop::Now);
        let ended = tokio::time::timeout(Duration::from_secs(20), self.ended).await;
        ended.expect("it stops in time").unwrap().unwrap();
    }
}

/// Returns whether a process exists and is not dead.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
