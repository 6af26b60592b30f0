//! Serves a cluster's state over HTTP, read-only: pages for people; JSON, metrics and events for programs.
//!
//! ```text
//!   connection ─► server ─► guard ─► leader ─► routes ─► pages, api, events, … ─► answer
//!                  limits    Host,    answers here, or
//!                            Origin   forwards to the leader
//! ```
//!
//! | file | purpose |
//! |---|---|
//! | `server` | connections: how many, how long, how large |
//! | `guard` | checks of every request, headers of every answer |
//! | `leader` | forwards requests to the leader |
//! | `routes` | every address, in one table; `openapi.json` describes the same |
//! | `pages` | for people: overview, jobs, a job, its tasks, a worker; pictures as inline SVG |
//! | `summary` | sums of a job's tasks, however many they are |
//! | `history` | slots in use and bytes read over the last few minutes |
//! | `api` | the JSON that the command prints with `--format json` |
//! | `events` | events as a stream that clients can resume |
//! | `health`, `metrics` | monitoring |
//! | `fetch` | fetches one path, for the command |
//! | `query`, `answer` | query strings; answers and faults |
//!
//! The web server runs on its own thread and reads the master's state in small portions. So clients of the web server
//! never delay workers.

mod answer;
mod api;
mod events;
mod fetch;
mod guard;
mod health;
mod history;
mod leader;
mod metrics;
mod pages;
mod query;
mod routes;
mod server;
mod summary;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Semaphore;

pub use fetch::{Unanswered, fetch};

use crate::clock::Clock;
use crate::master::Master;
use history::History;
use summary::Summaries;

/// Default distance of the web port above the port for clients and workers.
pub const PORT_ABOVE: u16 = 80;

/// The sources of all answers. Clones share them.
#[derive(Clone)]
struct Web {
    master: Master,
    clock: Clock,
    summaries: Summaries,
    history: History,
    shared: Arc<Shared>,
}

struct Shared {
    /// Permits for streams of events.
    streams: Arc<Semaphore>,
    /// Number of answers by class of status, from 1xx on.
    answered: [AtomicU64; 5],
}

/// Serves a master on a new thread until `stop` is ready.
///
/// # Errors
/// If the listener cannot be used or the thread cannot be started.
pub fn start(
    listener: TcpListener,
    master: Master,
    clock: Clock,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let web = Web::new(master, clock);
    let serve = move || {
        runtime.block_on(async move {
            // It was bound without an error.
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let sampling = web.history.follow(web.master.clone(), web.clock.clone());
            // Sampling never ends by itself.
            tokio::select! {
                () = server::serve(listener, web, stop) => {}
                () = sampling => {}
            }
        });
    };
    std::thread::Builder::new().name("web".into()).spawn(serve)?;
    Ok(())
}

impl Web {
    fn new(master: Master, clock: Clock) -> Self {
        let streams = Arc::new(Semaphore::new(events::STREAMS_MAX));
        let shared = Arc::new(Shared { streams, answered: Default::default() });
        let summaries = Summaries::new(clock.clone());
        Self { master, clock, summaries, history: History::default(), shared }
    }
}
