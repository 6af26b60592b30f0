//! The interface for starting executors and controlling their processes. A simulation can replace it.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::{CappedLog, Death};

/// Starts executors.
pub trait Launcher: Send + Sync + 'static {
    /// How it limits memory, as in [`crate::model::WorkerFacts::limiter`].
    fn limiter(&self) -> &'static str;
    /// Starts an executor. Dropping the result kills it.
    fn launch(&self, launch: Launch) -> impl Future<Output = io::Result<Launched>> + Send;
}

/// An executor to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The job's executable.
    pub executable: PathBuf,
    /// Its working folder.
    pub folder: PathBuf,
    /// Memory limit of the executor and its children, in bytes; 0 for none.
    pub memory_bytes: u64,
}

/// The worker's end of the socket to an executor.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A running executor.
pub struct Launched {
    /// The worker's end of its socket.
    pub socket: Box<dyn Socket>,
    /// The process.
    pub process: Arc<dyn Process>,
    /// Its death, once it has died.
    pub death: watch::Receiver<Option<Death>>,
}

/// An executor's process.
pub trait Process: Send + Sync {
    /// Kills it and everything that it has started. Does nothing if it is dead.
    fn kill(&self);
    /// Returns what has been printed since the last [`Process::take_log`].
    fn log(&self) -> CappedLog;
    /// Returns the same, and starts a new log.
    fn take_log(&self) -> CappedLog;
}
