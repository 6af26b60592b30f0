//! Shows a master's cluster over HTTP: to people as pages, to programs as JSON, metrics and events; and changes nothing.
//!
//! ```text
//!   connection ─► server ─► guard ─► leader ─► routes ─► pages, api, events, … ─► answer
//!                  limits    Host,    this one, or
//!                            Origin   the one that leads, through here
//! ```
//!
//! | file | what for |
//! |---|---|
//! | `server` | connections: how many, how long, how large |
//! | `guard` | what every request and every answer must hold to |
//! | `leader` | a master that does not lead has the one that does answer |
//! | `routes` | every address that is served, in one table; `openapi.json` describes the same |
//! | `pages` | for people: overview, jobs, a job, its tasks, a worker; pictures as inline SVG |
//! | `summary` | what a job's tasks come to, however many they are |
//! | `api` | jobs, tasks, counters, workers and masters, as the command prints them with `--format json` |
//! | `events` | what happens, as a stream that can be taken up again |
//! | `health`, `metrics` | for whoever watches over masters |
//! | `fetch` | asks a master's web for one thing, for the command |
//! | `query`, `answer` | what is asked for behind the `?`, and how answers and faults are written |
//!
//! It runs on a thread of its own, so that whoever looks keeps no worker waiting, and reads in pages.

mod answer;
mod api;
mod events;
mod fetch;
mod guard;
mod health;
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
use summary::Summaries;

/// How far the web port lies above that for clients and workers, where nothing else is asked for.
pub const PORT_ABOVE: u16 = 80;

/// What requests are answered from. Clones are the same.
#[derive(Clone)]
struct Web {
    master: Master,
    summaries: Summaries,
    shared: Arc<Shared>,
}

struct Shared {
    /// Room for streams of events.
    streams: Arc<Semaphore>,
    /// Answers by the hundreds of their status, from 1xx on.
    answered: [AtomicU64; 5],
}

/// Serves a master on a thread of its own, until `stop` is ready.
///
/// # Errors
/// When the listener cannot be used, or no thread can be started.
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
            // It was usable when it was bound.
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            server::serve(listener, web, stop).await;
        });
    };
    std::thread::Builder::new().name("web".into()).spawn(serve)?;
    Ok(())
}

impl Web {
    fn new(master: Master, clock: Clock) -> Self {
        let streams = Arc::new(Semaphore::new(events::STREAMS_MAX));
        let shared = Arc::new(Shared { streams, answered: Default::default() });
        Self { master, summaries: Summaries::new(clock), shared }
    }
}
