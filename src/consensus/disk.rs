//! The storage of the log: a file, or a simulated disk in the simulation tests.

use std::path::Path;
use std::time::Duration;

use redb::{Builder, Database, DatabaseError};

/// Stands between a node's log and its file. If there is one, the log is written on the node's own runtime, so that
/// the result does not depend on which thread is faster.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file of the log, or creates it, as the builder is configured.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn open(&self, builder: &Builder, path: &Path) -> Result<Database, DatabaseError>;

    /// How long the next write takes, whatever is written.
    fn latency(&self) -> Duration;
}
