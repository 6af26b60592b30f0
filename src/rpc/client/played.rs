//! Lets masters reach each other over a simulated network.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::rpc::artifacts::Digest;
use crate::rpc::masters::{MasterLine, RemovedList};
use crate::rpc::raft::Call;
use crate::rpc::refusal::Refusal;

/// An answer that will arrive later.
pub type Soon<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// A Raft message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaftCall {
    /// [`append_entries`](crate::rpc::raft::Raft::append_entries)
    AppendEntries,
    /// [`vote`](crate::rpc::raft::Raft::vote)
    Vote,
    /// [`stand`](crate::rpc::raft::Raft::stand)
    Stand,
    /// [`install_snapshot`](crate::rpc::raft::Raft::install_snapshot)
    InstallSnapshot,
}

/// Delivers calls between masters by their addresses, and returns the answers.
pub trait Fellows: Send + Sync {
    /// Sends a Raft message.
    fn deliver(&self, to: &str, what: RaftCall, call: Call) -> Soon<Vec<u8>>;
    /// Whether nothing listens there.
    fn is_refused(&self, to: &str) -> Soon<bool>;
    /// Asks whether it has an artifact.
    fn has(&self, to: &str, digest: Digest) -> Soon<bool>;
    /// Gives it an artifact.
    fn put(&self, to: &str, digest: Digest, file: &Path) -> Soon<()>;
    /// Gets an artifact from it.
    fn get(&self, to: &str, digest: Digest, file: &Path) -> Soon<()>;
    /// Asks for its status.
    fn standing(&self, to: &str) -> Soon<MasterLine>;
    /// Asks which masters were removed.
    fn removed(&self, to: &str) -> Soon<RemovedList>;
}

/// A simulated network, as one master sees it. Clones are the same one.
#[derive(Clone)]
pub struct Played(pub Arc<dyn Fellows>);

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Played")
    }
}
