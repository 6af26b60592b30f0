//! Simulates the network: which process is reachable at which address, and what happens to calls and their answers on
//! the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use gristmill::master::Master;
use gristmill::rpc::refusal::Refusal;
use gristmill::spec::MasterId;
use gristmill::worker::Server;
use tokio::runtime::Handle;

use crate::faults::{Cut, How};

/// The network; clones are the same one.
#[derive(Clone)]
pub(crate) struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    /// By address, where each runs, and what it is.
    masters: Mutex<BTreeMap<String, (Handle, Master)>>,
    servers: Mutex<BTreeMap<String, (Handle, Server)>>,
    /// Addresses whose machines have no power: they send nothing, not even that a connection is closed.
    dark: Mutex<BTreeSet<String>>,
    /// What does not pass, by the number of the fault.
    cuts: Mutex<BTreeMap<u64, Cut>>,
    /// Masters that end when they are asked for their votes, and those that were asked, with the candidate.
    after_vote: Mutex<BTreeSet<String>>,
    voted: Mutex<BTreeMap<String, String>>,
    /// Where artifacts lie while they travel.
    inbox: PathBuf,
    next_parcel: AtomicU64,
    /// From here on nothing is lost, repeated or late.
    is_calm: AtomicBool,
    /// What happened to calls that were not simply answered.
    mishaps: AtomicU64,
    /// Masters that have given orders, with their term of leadership; cleared when it is read.
    orders: Mutex<BTreeSet<(u64, MasterId)>>,
    /// Services that have panicked.
    panics: Mutex<Vec<String>>,
}

impl Network {
    pub(crate) fn new(inbox: PathBuf) -> Self {
        let shared = Shared {
            masters: Mutex::default(),
            servers: Mutex::default(),
            dark: Mutex::default(),
            cuts: Mutex::default(),
            after_vote: Mutex::default(),
            voted: Mutex::default(),
            inbox,
            next_parcel: AtomicU64::new(0),
            is_calm: AtomicBool::new(false),
            mishaps: AtomicU64::new(0),
            orders: Mutex::default(),
            panics: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// From now on nothing is lost or repeated.
    pub(crate) fn calm_down(&self) {
        self.shared.is_calm.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.shared.is_calm.load(Ordering::SeqCst)
    }

    pub(crate) fn mishap(&self) {
        self.shared.mishaps.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn mishaps(&self) -> u64 {
        self.shared.mishaps.load(Ordering::SeqCst)
    }

    /// A master answers a poll.
    pub(crate) fn note_orders(&self, leadership: u64, master: MasterId) {
        self.shared.orders.lock().unwrap().insert((leadership, master));
    }

    /// What was noted since this was last asked.
    pub(crate) fn orders(&self) -> BTreeSet<(u64, MasterId)> {
        std::mem::take(&mut self.shared.orders.lock().unwrap())
    }

    pub(crate) fn note_panic(&self, panic: String) {
        self.shared.panics.lock().unwrap().push(panic);
    }

    pub(crate) fn panics(&self) -> Vec<String> {
        self.shared.panics.lock().unwrap().clone()
    }

    /// A master listens at an address, until its machine is gone.
    pub(crate) fn add_master(&self, address: &str, at: Handle, master: Master) {
        self.shared.masters.lock().unwrap().insert(address.into(), (at, master));
    }

    pub(crate) fn master(&self, address: &str) -> Result<(Handle, Master), Refusal> {
        self.shared.masters.lock().unwrap().get(address).cloned().ok_or_else(|| nobody(address))
    }

    /// Serves at an address until the guard is dropped.
    pub(crate) fn serve(&self, address: &str, at: Handle, server: Server) -> Served {
        self.shared.servers.lock().unwrap().insert(address.into(), (at, server));
        Served { network: self.clone(), address: address.into() }
    }

    pub(crate) fn server(&self, address: &str) -> Result<(Handle, Server), Refusal> {
        self.shared.servers.lock().unwrap().get(address).cloned().ok_or_else(|| nobody(address))
    }

    /// The machine at this address is gone; if it is dark, nobody is told.
    pub(crate) fn remove(&self, address: &str, is_dark: bool) {
        self.shared.masters.lock().unwrap().remove(address);
        if is_dark {
            self.shared.dark.lock().unwrap().insert(address.into());
        }
    }

    /// The machine at this address has power again.
    pub(crate) fn lighten(&self, address: &str) {
        self.shared.dark.lock().unwrap().remove(address);
    }

    pub(crate) fn cuts(&self) -> MutexGuard<'_, BTreeMap<u64, Cut>> {
        self.shared.cuts.lock().unwrap()
    }

    /// The master at this address is to end once it has voted.
    pub(crate) fn end_after_vote(&self, address: String) {
        self.shared.after_vote.lock().unwrap().insert(address);
    }

    pub(crate) fn note_vote(&self, address: &str, candidate: &str) {
        if self.shared.after_vote.lock().unwrap().remove(address) {
            self.shared.voted.lock().unwrap().insert(address.into(), candidate.into());
        }
    }

    /// Addresses of the masters that are to end now, and of those who asked for their votes.
    pub(crate) fn voted(&self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.shared.voted.lock().unwrap())
    }

    /// What becomes of what is sent now; nothing special, if there is none.
    pub(crate) fn way(&self, from: &str, to: &str) -> Option<How> {
        let dark = self.shared.dark.lock().unwrap();
        if dark.contains(from) || dark.contains(to) {
            return Some(How::Lost);
        }
        self.cuts().values().find(|cut| cut.meets(from, to)).map(|cut| cut.how)
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

fn nobody(address: &str) -> Refusal {
    unavailable(&format!("nobody listens at {address}"))
}

pub(crate) fn unavailable(message: &str) -> Refusal {
    Refusal::Unavailable { message: message.into() }
}
