//! One machine's link to the network: decides whether and when its messages, and the answers to them, arrive.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill::rpc::refusal::Refusal;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::faults::How;
use crate::network::{Network, unavailable};

/// How long a caller waits for an answer, as the client over gRPC does.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long it takes the sender to notice that a message was lost, in milliseconds.
const NOTICED_MS: (u64, u64) = (1, 800);
/// How long a connection may be silent before it is closed, like the keep-alive timeout of gRPC.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// Pause between two checks whether held messages may pass.
const HELD_PAUSE: Duration = Duration::from_millis(7);

/// What will happen to a call. It is drawn before the call, so that nothing that happens during the call changes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
    pub(crate) request_is_lost: bool,
    pub(crate) answer_is_lost: bool,
    /// Delay after which a second copy arrives, if one does.
    pub(crate) again: Option<Duration>,
    pub(crate) noticed: Duration,
}

/// A machine's access to the network. Clones share one link.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) network: Network,
    /// The machine's address, or its name if it receives no calls.
    pub(crate) here: String,
    chance: Arc<Mutex<Chance>>,
    /// How many times longer its messages take than those of others.
    slowness: u64,
    /// Set before the machine loses power: its peers do not learn that its connections are closed.
    is_dark: Arc<AtomicBool>,
    /// Whether mishaps on it may cost attempts.
    is_counted: bool,
    /// Index of the master that is asked first.
    pub(crate) current: Arc<AtomicUsize>,
}

impl Link {
    pub(crate) fn new(network: &Network, here: &str, chance: Chance, slowness: u64) -> Self {
        Self {
            network: network.clone(),
            here: here.into(),
            chance: Arc::new(Mutex::new(chance)),
            slowness,
            is_dark: Arc::default(),
            is_counted: true,
            current: Arc::default(),
        }
    }

    /// Returns the link from one master to another.
    pub(crate) fn of_masters(network: &Network, here: &str, chance: Chance) -> Self {
        Self { is_counted: false, ..Self::new(network, here, chance, 1) }
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
        if self.network.is_calm() {
            return Fate { request_is_lost: false, answer_is_lost: false, again: None, ..fate };
        }
        fate
    }

    /// Calls a function on the machine at an address, and returns its answer.
    pub(crate) async fn call<T, F>(
        &self,
        to: &str,
        at: &Handle,
        within: Duration,
        serve: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let fate = self.fate();
        let answered = timeout(within, async {
            sleep(fate.there).await;
            self.lose(fate.request_is_lost, &fate).await?;
            let answer = match self.network.way(&self.here, to) {
                None => self.begin(to, at, &fate, &serve).answer().await,
                Some(How::Lost) => silence().await,
                Some(How::Held) => self.later(to, at, fate, serve).await,
            };
            self.lose(fate.answer_is_lost, &fate).await?;
            sleep(fate.back).await;
            self.pass_back(to).await?;
            answer
        });
        answered.await.unwrap_or_else(|_| Err(unavailable("no answer in time")))
    }

    /// Delivers a held message once it may pass, even if no caller waits for an answer.
    async fn later<T, F>(
        &self,
        to: &str,
        at: &Handle,
        fate: Fate,
        serve: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let (link, to, at) = (self.clone(), to.to_owned(), at.clone());
        let late = tokio::spawn(async move {
            loop {
                match link.network.way(&link.here, &to) {
                    None => return link.begin(&to, &at, &fate, &serve).answer().await,
                    Some(How::Lost) => return silence().await,
                    Some(How::Held) => sleep(HELD_PAUSE).await,
                }
            }
        });
        late.await.unwrap_or_else(|_| Err(unavailable("the machine is gone")))
    }

    /// Waits until an answer may pass.
    pub(crate) async fn pass_back(&self, from: &str) -> Result<(), Refusal> {
        loop {
            match self.network.way(from, &self.here) {
                None => return Ok(()),
                Some(How::Lost) => return silence().await,
                Some(How::Held) => sleep(HELD_PAUSE).await,
            }
        }
    }

    /// Starts a function on another machine. If the caller drops it before its end, it stops there.
    pub(crate) fn begin<T, F>(
        &self,
        to: &str,
        at: &Handle,
        fate: &Fate,
        serve: &impl Fn() -> F,
    ) -> Serving<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        if let Some(later) = fate.again {
            self.mishap();
            let again = serve();
            // The answer to the copy is dropped.
            at.spawn(async move {
                sleep(later).await;
                again.await.map(drop)
            });
        }
        Serving { task: at.spawn(serve()), link: self.clone(), to: to.into() }
    }

    fn mishap(&self) {
        if self.is_counted {
            self.network.mishap();
        }
    }

    pub(crate) async fn lose(&self, is_lost: bool, fate: &Fate) -> Result<(), Refusal> {
        if !is_lost {
            return Ok(());
        }
        self.mishap();
        sleep(fate.noticed).await;
        Err(unavailable("the connection broke"))
    }
}

/// Waits as the sender of a message that vanished, until its connection is closed.
async fn silence<T>() -> Result<T, Refusal> {
    sleep(SILENT_MAX).await;
    Err(unavailable("the connection is given up"))
}

/// A function that another machine runs for this one.
pub(crate) struct Serving<T> {
    task: JoinHandle<Result<T, Refusal>>,
    link: Link,
    to: String,
}

impl<T> Serving<T> {
    pub(crate) async fn answer(mut self) -> Result<T, Refusal> {
        match (&mut self.task).await {
            Ok(answer) => answer,
            Err(error) => {
                if error.is_panic() {
                    self.link.network.note_panic(error.to_string());
                }
                self.link.pass_back(&self.to).await?;
                Err(unavailable("the machine is gone"))
            }
        }
    }
}

impl<T> Drop for Serving<T> {
    fn drop(&mut self) {
        let is_told = self.link.network.way(&self.link.here, &self.to).is_none();
        if is_told && !self.link.is_dark.load(Ordering::SeqCst) {
            self.task.abort();
        }
    }
}
