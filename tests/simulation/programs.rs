//! What runs on the machines: the master, a worker, a client; each is the real one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill::client::{Error, Submission, follow, submit};
use gristmill::clock::Clock;
use gristmill::master::{self, LEASE_MS, Master};
use gristmill::rpc::jobs::{Jobs, State};
use gristmill::rpc::refusal::Refusal;
use gristmill::spec::{JobId, Nonce};
use gristmill::worker::{self, MASTERLESS_MAX, Stop};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::functions::Functions;
use crate::history::History;
use crate::network::{Link, Network};
use crate::wire::Wire;

/// Slots of every worker.
const SLOTS: u32 = 2;
/// How long a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(200);

/// The master's machine.
pub(crate) async fn master(
    at: Handle,
    data: PathBuf,
    clock: Clock,
    seed: u64,
    (network, history): (Network, History),
) -> Result<(), String> {
    let said = history.clone();
    let options = master::Options {
        data,
        lease_ms: LEASE_MS,
        log: Arc::new(move |line| said.note(&format!("master: {line}"))),
        journal: Some(history.journal()),
    };
    let chance = Mutex::new(Chance::of(seed, "nonces"));
    let nonces = Arc::new(move || {
        let mut chance = chance.lock().unwrap();
        Nonce(u128::from(chance.next()) << 64 | u128::from(chance.next()))
    });
    let master = Master::open(options, clock, nonces).map_err(|error| error.to_string())?;
    network.add_master(at, master.clone());
    master.watch(std::future::pending()).await;
    Ok(())
}

/// A worker's machine, from one of its starts on.
pub(crate) async fn worker(
    at: Handle,
    number: u64,
    data: PathBuf,
    clock: Clock,
    link: Link,
    functions: Functions,
) -> Result<(), String> {
    let mut chance = Chance::of(functions.seed, &format!("{} incarnation", functions.place));
    let address = format!("127.0.0.1:{}", 9_000 + number);
    let options = worker::Options {
        data,
        address: address.clone(),
        machine: String::new(),
        slots: SLOTS,
        attempt_memory_bytes: 0,
        pid: 1,
        incarnation: u128::from(chance.next()),
        masterless_max: MASTERLESS_MAX,
        own_poll_thread: false,
        clock,
    };
    let (_never, stop) = watch::channel(Stop::No);
    let ran = worker::run(options, Wire { link, address, at }, functions, stop).await;
    ran.map_err(|error| error.to_string())
}

/// A client's machine: submits a job, follows it to its end, and looks whether it is the same when it is asked again.
pub(crate) async fn client(
    link: Link,
    submission: Submission,
    history: History,
) -> Result<(), String> {
    let job = submitted(&link, &submission).await?;
    let ended = loop {
        match follow(&link, job, |_| {}).await {
            Ok(status) => break status,
            Err(Refusal::Unavailable { .. }) => sleep(PAUSE).await,
            Err(refusal) => return Err(format!("{job} cannot be followed: {refusal}")),
        }
    };
    if ended.state != State::Succeeded {
        return Err(format!("{job} is {:?}: {:?}", ended.state, ended.error));
    }
    if submitted(&link, &submission).await? != job {
        return Err(format!("{job} was submitted again as another job"));
    }
    let counters = loop {
        match link.counters(job).await {
            Ok(counters) => break counters,
            Err(Refusal::Unavailable { .. }) => sleep(PAUSE).await,
            Err(refusal) => return Err(refusal.to_string()),
        }
    };
    let same = history.with(|scheduler| {
        let all = scheduler.job(job).map(gristmill::scheduler::Job::all_counters);
        let all = all.unwrap_or_default();
        all.iter()
            .all(|(group, name, n)| counters.get(group).and_then(|of| of.get(name)) == Some(&n))
    });
    if same {
        Ok(())
    } else {
        Err(format!("{job} has other counters than its winners: {counters:?}"))
    }
}

/// Submits until it is known that the job is accepted.
async fn submitted(link: &Link, submission: &Submission) -> Result<JobId, String> {
    loop {
        match submit(link, submission.clone()).await {
            Ok(job) => return Ok(job),
            Err(Error::Unknown { .. } | Error::Refused { cause: Refusal::Unavailable { .. } }) => {
                sleep(PAUSE).await;
            }
            Err(error) => return Err(format!("the submission failed: {error}")),
        }
    }
}
