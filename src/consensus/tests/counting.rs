//! A state machine for tests, which keeps a sum: each command is a number to add, and each reply is the sum so far.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::consensus::entry::Start;
use crate::consensus::evidence::Evidence;
use crate::consensus::{Begin, Error, Fatal, Limits, Machine, Node, Options, Unreadable};
use crate::rpc::client;

/// The sum, and how many numbers were added.
#[derive(Debug, Default)]
pub(super) struct Counter {
    counted: Mutex<(u64, u64)>,
    /// Whether it gives wrong answers, like a machine with a fault.
    pub(super) strays: AtomicBool,
}

impl Counter {
    pub(super) fn state(&self) -> (u64, u64) {
        *self.counted.lock().unwrap()
    }
}

pub(super) fn number(bytes: &[u8]) -> Result<u64, Unreadable> {
    let bytes = bytes.first_chunk().ok_or(Unreadable(format!("{bytes:?} is not a number")))?;
    Ok(u64::from_le_bytes(*bytes))
}

impl Machine for Counter {
    fn apply(&self, _: u64, command: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut state = self.counted.lock().unwrap();
        state.0 += number(command)? + u64::from(self.strays.load(Ordering::SeqCst));
        state.1 += 1;
        Ok(state.0.to_le_bytes().to_vec())
    }

    fn save(&self) -> Result<Vec<u8>, Unreadable> {
        let (sum, count) = self.state();
        Ok([sum.to_le_bytes(), count.to_le_bytes()].concat())
    }

    fn load(&self, _index: u64, saved: &[u8]) -> Result<(), Unreadable> {
        *self.counted.lock().unwrap() = (number(saved)?, number(&saved[8..])?);
        Ok(())
    }
}

/// A folder, and the messages of its node.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) limits: Limits,
    pub(super) fatal: Arc<Mutex<Vec<Fatal>>>,
    starts: AtomicU64,
}

/// The evidence of a node at its first start.
pub(super) fn evidence(node: u64) -> Arc<Evidence> {
    let start = Start { count: 1, incarnation: node.into() };
    Arc::new(Evidence::new(node, start, 0, (PathBuf::new(), Arc::new(|_| ()))))
}

/// A node and its machine.
pub(super) struct Running {
    pub(super) node: Node,
    pub(super) counter: Arc<Counter>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let (limits, fatal) = (Limits::default(), Arc::default());
        let (folder, starts) = (tempfile::tempdir().unwrap(), AtomicU64::new(1));
        Self { folder, limits, fatal, starts }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("m1")
    }

    pub(super) fn options(&self, folder: &Path, begin: Begin) -> Options {
        let fatal = Arc::clone(&self.fatal);
        Options {
            folder: folder.to_path_buf(),
            node: 1,
            address: "127.0.0.1:7400".into(),
            begin,
            incarnation: self.starts.fetch_add(1, Ordering::SeqCst).into(),
            links: client::Options::default(),
            limits: self.limits,
            disk: None,
            on_fatal: Arc::new(move |told| fatal.lock().unwrap().push(told)),
        }
    }

    /// Starts a node in this folder, which must exist.
    pub(super) async fn open(&self, folder: &Path) -> Result<Running, Error> {
        self.start(self.options(folder, Begin::Nothing)).await
    }

    /// Begins a cluster.
    pub(super) async fn begin(&self) -> Running {
        self.start(self.options(&self.data(), Begin::Cluster { cluster: 0xc1 })).await.unwrap()
    }

    pub(super) async fn start(&self, options: Options) -> Result<Running, Error> {
        let counter = Arc::<Counter>::default();
        let node = Node::open(options, Arc::clone(&counter)).await?;
        Ok(Running { node, counter })
    }
}

impl Running {
    /// Adds a number, and returns the sum.
    pub(super) async fn add(&self, n: u64) -> u64 {
        number(&self.node.propose(n.to_le_bytes().to_vec()).await.unwrap()).unwrap()
    }
}
