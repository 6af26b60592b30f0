//! Simulates the network: which process is reachable at which address, and what happens to calls and their answers on
//! the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use gristmill::master::Master;
use gristmill::model::MasterId;
use gristmill::rpc::refusal::Refusal;
use gristmill::worker::Server;
use tokio::runtime::Handle;

use crate::faults::{Cut, How};

/// The network. Clones share one network.
#[derive(Clone)]
pub(crate) struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    /// The masters and servers by address, each with the runtime of its machine.
    masters: Mutex<BTreeMap<String, (Handle, Master)>>,
    servers: Mutex<BTreeMap<String, (Handle, Server)>>,
    /// Addresses of machines without power. They send nothing, not even the end of a connection.
    dark: Mutex<BTreeSet<String>>,
    /// The cuts, by the number of the fault.
    cuts: Mutex<BTreeMap<u64, Cut>>,
    /// Masters that will be killed when they are asked for their votes, and those that were asked, with the candidate.
    after_vote: Mutex<BTreeSet<String>>,
    voted: Mutex<BTreeMap<String, String>>,
    /// Folder of artifacts on their way.
    inbox: PathBuf,
    next_parcel: AtomicU64,
    /// Whether messages are no longer lost or repeated.
    is_calm: AtomicBool,
    /// Number of lost or repeated messages, except those between masters.
    mishaps: AtomicU64,
    /// Masters that have assigned work, each with its leadership. Reading it clears it.
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

    /// Stops all losses and repetitions of messages.
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

    /// Records that a master answers a poll.
    pub(crate) fn note_orders(&self, leadership: u64, master: MasterId) {
        self.shared.orders.lock().unwrap().insert((leadership, master));
    }

    /// Returns what was recorded since the last call.
    pub(crate) fn orders(&self) -> BTreeSet<(u64, MasterId)> {
        std::mem::take(&mut self.shared.orders.lock().unwrap())
    }

    pub(crate) fn note_panic(&self, panic: String) {
        self.shared.panics.lock().unwrap().push(panic);
    }

    pub(crate) fn panics(&self) -> Vec<String> {
        self.shared.panics.lock().unwrap().clone()
    }

    /// Makes a master reachable at an address, until its machine is gone.
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

    /// Removes the machine at this address. If it is dark, its peers do not learn of it.
    pub(crate) fn remove(&self, address: &str, is_dark: bool) {
        self.shared.masters.lock().unwrap().remove(address);
        if is_dark {
            self.shared.dark.lock().unwrap().insert(address.into());
        }
    }

    /// Restores the power of the machine at this address.
    pub(crate) fn lighten(&self, address: &str) {
        self.shared.dark.lock().unwrap().remove(address);
    }

    pub(crate) fn cuts(&self) -> MutexGuard<'_, BTreeMap<u64, Cut>> {
        self.shared.cuts.lock().unwrap()
    }

    /// Lets the master at this address be killed once it has voted.
    pub(crate) fn end_after_vote(&self, address: String) {
        self.shared.after_vote.lock().unwrap().insert(address);
    }

    pub(crate) fn note_vote(&self, address: &str, candidate: &str) {
        if self.shared.after_vote.lock().unwrap().remove(address) {
            self.shared.voted.lock().unwrap().insert(address.into(), candidate.into());
        }
    }

    /// Returns the addresses of the masters to be killed now, each with the candidate that asked for its vote.
    pub(crate) fn voted(&self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.shared.voted.lock().unwrap())
    }

    /// Returns what happens to a message that is sent now, or `None` if it passes.
    pub(crate) fn way(&self, from: &str, to: &str) -> Option<How> {
        let dark = self.shared.dark.lock().unwrap();
        if dark.contains(from) || dark.contains(to) {
            return Some(How::Lost);
        }
        self.cuts().values().find(|cut| cut.meets(from, to)).map(|cut| cut.how)
    }

    /// Returns a name that no file has yet.
    pub(crate) fn parcel(&self) -> PathBuf {
        let number = self.shared.next_parcel.fetch_add(1, Ordering::SeqCst);
        self.shared.inbox.join(number.to_string())
    }
}

/// Keeps a server reachable until it is dropped.
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
