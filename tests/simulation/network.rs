//! The network: who can be reached where, and what happens to a call on its way there and back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill::master::Master;
use gristmill::rpc::refusal::Refusal;
use gristmill::worker::Server;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;

/// How long a caller waits for an answer, as the client over gRPC does.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long after a message was lost its sender notices, in milliseconds.
const NOTICED_MS: (u64, u64) = (1, 800);

/// The network; clones are the same one.
#[derive(Clone)]
pub(crate) struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    /// The one master, and where it runs.
    master: Mutex<Option<(Handle, Master)>>,
    servers: Mutex<BTreeMap<String, (Handle, Server)>>,
    /// Where artifacts lie while they travel.
    inbox: PathBuf,
    next_parcel: AtomicU64,
    /// Nothing is lost, repeated or late any more.
    is_calm: AtomicBool,
    /// What happened to calls that were not simply answered.
    mishaps: AtomicU64,
    /// Services that have panicked.
    panics: Mutex<Vec<String>>,
}

/// What will happen to one call; drawn before it is made, so that nothing which happens on its way changes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
    pub(crate) request_is_lost: bool,
    pub(crate) answer_is_lost: bool,
    /// A second copy arrives so much later.
    pub(crate) again: Option<Duration>,
    pub(crate) noticed: Duration,
}

/// One machine's way into the network; clones are the same one.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) network: Network,
    chance: Arc<Mutex<Chance>>,
    /// Times as long as others' that its messages take.
    slowness: u64,
    /// Set before the machine loses power: nobody hears that its connections are closed.
    is_dark: Arc<AtomicBool>,
}

impl Network {
    pub(crate) fn new(inbox: PathBuf) -> Self {
        let shared = Shared {
            master: Mutex::default(),
            servers: Mutex::default(),
            inbox,
            next_parcel: AtomicU64::new(0),
            is_calm: AtomicBool::new(false),
            mishaps: AtomicU64::new(0),
            panics: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn calm_down(&self) {
        self.shared.is_calm.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mishaps(&self) -> u64 {
        self.shared.mishaps.load(Ordering::SeqCst)
    }

    pub(crate) fn panics(&self) -> Vec<String> {
        self.shared.panics.lock().unwrap().clone()
    }

    pub(crate) fn add_master(&self, at: Handle, master: Master) {
        *self.shared.master.lock().unwrap() = Some((at, master));
    }

    pub(crate) fn master(&self) -> Result<(Handle, Master), Refusal> {
        let master = self.shared.master.lock().unwrap().clone();
        master.ok_or_else(|| unavailable("no master listens"))
    }

    /// Serves at an address until the guard is dropped.
    pub(crate) fn serve(&self, address: &str, at: Handle, server: Server) -> Served {
        self.shared.servers.lock().unwrap().insert(address.into(), (at, server));
        Served { network: self.clone(), address: address.into() }
    }

    pub(crate) fn server(&self, address: &str) -> Result<(Handle, Server), Refusal> {
        let server = self.shared.servers.lock().unwrap().get(address).cloned();
        server.ok_or_else(|| unavailable(&format!("nobody listens at {address}")))
    }

    /// A name that no file has yet.
    pub(crate) fn parcel(&self) -> PathBuf {
        let number = self.shared.next_parcel.fetch_add(1, Ordering::SeqCst);
        self.shared.inbox.join(number.to_string())
    }
}

/// Keeps a server reachable.
pub(crate) struct Served {
    network: Network,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Ok(mut servers) = self.network.shared.servers.lock() {
            servers.remove(&self.address);
        }
    }
}

impl Link {
    pub(crate) fn new(network: &Network, chance: Chance, slowness: u64) -> Self {
        Self {
            network: network.clone(),
            chance: Arc::new(Mutex::new(chance)),
            slowness,
            is_dark: Arc::default(),
        }
    }

    pub(crate) fn go_dark(&self) {
        self.is_dark.store(true, Ordering::SeqCst);
    }

    pub(crate) fn fate(&self) -> Fate {
        let mut chance = self.chance.lock().unwrap();
        let mut latency = || {
            let is_late = chance.permille(20);
            let (least, most) = if is_late { (20, 300) } else { (1, 4) };
            Duration::from_millis(chance.between(least, most) * self.slowness)
        };
        let (there, back, late) = (latency(), latency(), latency());
        let fate = Fate {
            there,
            back,
            request_is_lost: chance.permille(15),
            answer_is_lost: chance.permille(15),
            again: chance.permille(25).then_some(late),
            noticed: Duration::from_millis(chance.between(NOTICED_MS.0, NOTICED_MS.1)),
        };
        if self.network.shared.is_calm.load(Ordering::SeqCst) {
            return Fate { request_is_lost: false, answer_is_lost: false, again: None, ..fate };
        }
        fate
    }

    /// Has a machine do something, and brings back its answer.
    pub(crate) async fn call<T, F>(
        &self,
        to: &Handle,
        within: Duration,
        serve: impl Fn() -> F,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let fate = self.fate();
        let answered = timeout(within, async {
            sleep(fate.there).await;
            self.lose(fate.request_is_lost, &fate).await?;
            let answer = self.begin(to, &fate, &serve).answer().await;
            self.lose(fate.answer_is_lost, &fate).await?;
            sleep(fate.back).await;
            answer
        });
        answered.await.unwrap_or_else(|_| Err(unavailable("no answer in time")))
    }

    /// Begins to do something on another machine; what is dropped before its end stops there.
    pub(crate) fn begin<T, F>(&self, to: &Handle, fate: &Fate, serve: &impl Fn() -> F) -> Serving<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        if let Some(later) = fate.again {
            self.network.shared.mishaps.fetch_add(1, Ordering::SeqCst);
            let again = serve();
            // Its answer goes nowhere.
            to.spawn(async move {
                sleep(later).await;
                again.await.map(drop)
            });
        }
        let (network, is_dark) = (self.network.clone(), Arc::clone(&self.is_dark));
        Serving { task: to.spawn(serve()), network, is_dark }
    }

    pub(crate) async fn lose(&self, is_lost: bool, fate: &Fate) -> Result<(), Refusal> {
        if !is_lost {
            return Ok(());
        }
        self.network.shared.mishaps.fetch_add(1, Ordering::SeqCst);
        sleep(fate.noticed).await;
        Err(unavailable("the connection broke"))
    }
}

/// Something that another machine does for this one.
pub(crate) struct Serving<T> {
    task: JoinHandle<Result<T, Refusal>>,
    network: Network,
    is_dark: Arc<AtomicBool>,
}

impl<T> Serving<T> {
    pub(crate) async fn answer(mut self) -> Result<T, Refusal> {
        match (&mut self.task).await {
            Ok(answer) => answer,
            Err(error) => {
                if error.is_panic() {
                    self.network.shared.panics.lock().unwrap().push(error.to_string());
                }
                Err(unavailable("the machine is gone"))
            }
        }
    }
}

impl<T> Drop for Serving<T> {
    fn drop(&mut self) {
        if !self.is_dark.load(Ordering::SeqCst) {
            self.task.abort();
        }
    }
}

pub(crate) fn unavailable(message: &str) -> Refusal {
    Refusal::Unavailable { message: message.into() }
}
