//! The process that runs attempts of one job for a worker, one at a time, in one slot.
//!
//! ```text
//!   worker ══ socket ══ reader thread ──Run──► main thread   one attempt after the other, the author's code included
//!                │          │ closed                 │ Done | Failed
//!                │          ▼                        ▼
//!                │       exit, whatever runs   Reporter ◄── progress thread, ten times a second at most
//!                └───────────────────────────────────┘
//! ```
//!
//! An executor ends when its worker ends, even if user code is in an endless loop: the executor exits when the socket
//! closes, and its supervisor (`supervisor.rs`) kills it when the worker has ended.

mod attempt;
mod more_maps;
mod peak;
mod reporter;
mod start;
mod supervisor;

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

pub use attempt::carry_out;
use rustix::fs::Mode;
use rustix::process::{Pid, umask};
pub use start::{Started, start};

use self::more_maps::MoreMaps;
use self::reporter::Reporter;
use self::supervisor::end_orphans;
use crate::clock::Clock;
use crate::crash::crash_point;
use crate::frame::{self, Connection, Done, FromExecutor, Run, ToExecutor};
use crate::job::Job;
use crate::model::Failure;
use crate::shuffle::ReadProgress;

/// How long the worker may take to send its hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// The mode bits that a umask can remove.
const MODE_BITS: u32 = 0o777;

/// The exit code of an executor whose worker has closed the socket.
const CLOSED: i32 = 0;
/// The exit code of an executor that received an invalid message from its worker.
const CONFUSED: i32 = 1;

/// Error that ends an executor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Standard input is not a socket: the executor was not started by a worker.
    #[error(
        "standard input is not a socket\nhint: only workers start executors; run the job \
         without {}",
        frame::EXECUTOR_ARG
    )]
    NoSocket,
    /// An error of the system.
    #[error("cannot {doing}: {source}\nhint: check the limits of the worker's process")]
    System {
        /// The action that failed.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The worker has another version, or sent an unexpected message.
    #[error(transparent)]
    Frame(#[from] frame::Error),
}

/// Runs the attempts that arrive over the socket. The process exits when the worker closes it.
///
/// # Errors
///
/// A worker of another version, which the error names along with ours, or a socket that fails.
pub fn serve<J: Job>(started: Started) -> Result<(), Error> {
    let Started { socket, supervisor } = started;
    let cannot = |doing| move |source| Error::System { doing, source };
    let other = socket.try_clone().map_err(cannot("duplicate the socket"))?;
    let mut connection = Connection::new(socket);
    let deadline = |within| other.set_read_timeout(within).map_err(cannot("set a deadline"));
    deadline(Some(HELLO_WITHIN))?;
    connection.greet_worker()?;
    deadline(None)?;

    let reporter = Arc::new(Reporter::new(Connection::new(other)));
    let (order, orders) = channel();
    let (give, given) = channel();
    let reader = thread::Builder::new().name("reader".into());
    reader.spawn(move || read(connection, &order, &give)).map_err(cannot("start a thread"))?;
    let shared = Arc::clone(&reporter);
    let progress = thread::Builder::new().name("progress".into());
    progress.spawn(move || shared.report_progress()).map_err(cannot("start a thread"))?;
    work::<J>(&orders, &given, &reporter, supervisor)
}

/// Runs attempts until the reader ends the process.
fn work<J: Job>(
    orders: &Receiver<Box<Run>>,
    given: &Receiver<Vec<u32>>,
    reporter: &Reporter,
    supervisor: Option<Pid>,
) -> Result<(), Error> {
    let clock = Clock::system();
    for run in orders {
        reporter.send(&FromExecutor::Begun { pid: std::process::id() })?;
        // The worker keeps its own files private, but files that the job writes have the modes that its submitter
        // wants.
        umask(Mode::from_bits_truncate(run.spec.umask & MODE_BITS));
        let progress = Arc::new(ReadProgress::default());
        reporter.begin(Arc::clone(&progress));
        let mut more = MoreMaps::new(&run, reporter, given, &clock);
        peak::reset();
        let mut done: Result<Done, Failure> = carry_out::<J>(&run, &progress, &mut more);
        if let Some(volume) = done.as_mut().ok().and_then(Done::volume_mut) {
            volume.usage.memory_bytes = peak::bytes();
        }
        if let Some(supervisor) = supervisor {
            end_orphans(supervisor);
        }
        reporter.end(&match done {
            Ok(done) => FromExecutor::Done(done),
            Err(failure) => FromExecutor::Failed(failure),
        })?;
        crash_point!("w11");
    }
    Ok(())
}

/// Passes on the worker's messages. It always reads the socket, so it notices at once when the worker closes it. Then
/// the process exits without cleaning up, because the worker and later attempts do that.
fn read(mut connection: Connection<UnixStream>, order: &Sender<Box<Run>>, give: &Sender<Vec<u32>>) {
    loop {
        let sent = match connection.receive() {
            Ok(Some(ToExecutor::Run(run))) => order.send(run).is_ok(),
            Ok(Some(ToExecutor::More { maps })) => give.send(maps).is_ok(),
            Ok(None) | Err(frame::Error::Io(_) | frame::Error::Truncated { .. }) => {
                std::process::exit(CLOSED)
            }
            _ => std::process::exit(CONFUSED),
        };
        if !sent {
            std::process::exit(CONFUSED);
        }
    }
}
