//! Peers that a cluster must tolerate: silent ones, slow ones, and a worker that sends false reports.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gristmill::model::{
    AttemptId, Cause, Failure, JobId, Room, TaskKind, Volume, WorkerFacts, WorkerId,
};
use gristmill::rpc::client::{Master, Options};
use gristmill::rpc::workers::{
    Done, Held, HeldState, Leave, LostOutput, Order, Poll, Register, Work, Workers,
};

use super::faults::pass;
use crate::commands::Result;

/// Connections of a silent client to each member.
const SILENT: usize = 60;
/// Connections of a slow client to each member, and the time between two bytes of each.
const SLOW: usize = 8;
const BYTE_EVERY: Duration = Duration::from_millis(100);
/// The first bytes of an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Slots of a lying worker.
const SLOTS: u32 = 2;

/// Misbehaving peers that are connected to members.
pub(crate) struct Peers {
    connections: Vec<TcpStream>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peers {
    fn run(work: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || work(&seen));
        Self { connections: Vec::new(), stop, thread: Some(thread) }
    }

    /// Ends all connections.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(self.connections);
        if let Some(thread) = self.thread {
            let _ended_or_panicked = thread.join();
        }
    }
}

/// Connects to all addresses, and sends nothing or only the beginning of a request.
pub(crate) fn silent(addresses: &[String]) -> Peers {
    let mut peers = Peers::run(|_| {});
    for address in addresses {
        for number in 0..SILENT {
            let Ok(mut connection) = TcpStream::connect(address) else { continue };
            if number % 2 == 0 {
                let _sent_or_closed = connection.write_all(&PREFACE[..14]);
            }
            peers.connections.push(connection);
        }
    }
    peers
}

/// Connects to all addresses, and sends a request byte by byte.
pub(crate) fn slow(addresses: Vec<String>) -> Peers {
    Peers::run(move |stop| {
        let connect = |address: &String| TcpStream::connect(address).ok();
        let mut connections: Vec<TcpStream> = addresses
            .iter()
            .flat_map(|address| (0..SLOW).filter_map(move |_| connect(address)))
            .collect();
        for byte in PREFACE.iter().chain(std::iter::repeat(&0)) {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            connections.retain_mut(|connection| connection.write_all(&[*byte]).is_ok());
            pass(BYTE_EVERY);
        }
    })
}

/// Registers a worker that takes attempts, and lies about them and about map outputs of others.
pub(crate) fn lying(masters: Vec<String>, incarnation: u64) -> Result<Peers> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    Ok(Peers::run(move |stop| {
        // The worker may be refused at any time.
        let _ended_or_refused = runtime.block_on(lie(masters, incarnation, stop));
    }))
}

async fn lie(masters: Vec<String>, incarnation: u64, stop: &AtomicBool) -> Result {
    let master = Master::connect(&masters, Options::default())?;
    let incarnation = u128::from(incarnation);
    let registered = master
        .register(Register {
            incarnation,
            worker: None,
            facts: WorkerFacts {
                pid: std::process::id(),
                address: "127.0.0.1:9".into(),
                slots: SLOTS,
                ..WorkerFacts::default()
            },
            outputs: Vec::new(),
            cluster: None,
        })
        .await?;
    let worker = registered.worker;
    let mut held = Vec::new();
    for sequence in 1.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let (jobs, room) = (Vec::new(), Room::default());
        let poll = Poll { worker, incarnation, sequence, held, jobs, draining: false, room };
        let orders = master.poll(poll).await?;
        held = orders.attempts.iter().enumerate().map(|(at, order)| lies(at, order)).collect();
        held.push(never_assigned());
    }
    Ok(master.leave(Leave { worker, incarnation }).await?)
}

/// Returns a false report on an attempt.
fn lies(at: usize, order: &Order) -> Held {
    let failed = |cause, lost| HeldState::Failed { failure: Failure::new(cause, "a lie"), lost };
    let state = match (&order.work, at % 3) {
        (Work::Map { .. }, 0) => failed(Cause::Killed, Vec::new()),
        (Work::Map { .. }, 1) => HeldState::Done(Done::Map {
            output: (),
            joined: 0,
            digest: 17,
            bytes: 1,
            is_staged: false,
            counters: Default::default(),
            volume: Volume::default(),
        }),
        (Work::Reduce { maps, .. }, _) => {
            let lost = (0..*maps).map(|map| lost(order.attempt.task.job, map)).collect();
            failed(Cause::FetchFailed, lost)
        }
        _ => HeldState::Running {
            progress: f64::NAN,
            bytes: u64::MAX,
            fetched: u32::MAX,
            joined: u32::MAX,
            wants: u32::MAX,
        },
    };
    Held { attempt: order.attempt, pid: 1, state }
}

/// Returns a claim that the first worker's output of a map is damaged.
fn lost(job: JobId, map: u32) -> LostOutput {
    let attempt = job.task(TaskKind::Map, map).attempt(1);
    LostOutput { attempt, worker: WorkerId(1), is_corrupt: true }
}

/// Returns a report of success of an attempt that was never assigned.
fn never_assigned() -> Held {
    let attempt: AttemptId = JobId(1).task(TaskKind::Map, 9_999).attempt(7);
    Held { attempt, pid: 1, state: HeldState::Done(Done::Sweep) }
}
