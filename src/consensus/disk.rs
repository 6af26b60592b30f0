//! The disk under the log: the file itself, unless a simulation replaces it.

use std::path::Path;
use std::time::Duration;

use redb::{Builder, Database, DatabaseError};

/// What stands between a node's log and its file. With one, the log is written on the runtime that the node runs on, so
/// that nothing depends on which thread is faster.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file of the log, or creates it, as the builder is configured.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn open(&self, builder: &Builder, path: &Path) -> Result<Database, DatabaseError>;

    /// How long the next write takes, whatever it is.
    fn latency(&self) -> Duration;
}
