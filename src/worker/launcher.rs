//! What starts an executor, and what a worker needs of one that runs: the seam for a simulation.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::{CappedLog, Death};

/// What starts executors.
pub trait Launcher: Send + Sync + 'static {
    /// How it limits memory, as [`crate::rpc::workers::Register::limiter`] says it.
    fn limiter(&self) -> &'static str;
    /// Starts an executor. Dropping what it gives kills it.
    fn launch(&self, launch: Launch) -> impl Future<Output = io::Result<Launched>> + Send;
}

/// An executor that is wanted.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The job's executable.
    pub executable: PathBuf,
    /// Where it begins.
    pub folder: PathBuf,
    /// Memory that it and its children may have, in bytes; 0: not limited.
    pub memory_bytes: u64,
}

/// The worker's end of the socket to an executor.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// An executor that runs.
pub struct Launched {
    /// The worker's end of its socket.
    pub socket: Box<dyn Socket>,
    /// The process.
    pub process: Arc<dyn Process>,
    /// How it died, once it has.
    pub death: watch::Receiver<Option<Death>>,
}

/// An executor's process.
pub trait Process: Send + Sync {
    /// Kills it and all that it has started; nothing, if it is dead.
    fn kill(&self);
    /// What has been printed since the last [`Process::take_log`].
    fn log(&self) -> CappedLog;
    /// The same, and begins anew.
    fn take_log(&self) -> CappedLog;
}
