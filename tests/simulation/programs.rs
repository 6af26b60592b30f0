//! Runs the real master, worker and client on the simulated machines, and an observer that looks at all jobs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill::client::{Error, Submission, follow, submit};
use gristmill::clock::Clock;
use gristmill::master::{self, Begin, LEASE_MS, Limits, Master, Seat};
use gristmill::model::{JobId, JobState, MasterId, Nonce};
use gristmill::rpc::client::{self, Played};
use gristmill::rpc::jobs::Jobs;
use gristmill::rpc::masters::{Join, Masters as _};
use gristmill::rpc::refusal::Refusal;
use gristmill::worker::{self, MASTERLESS_MAX, Stop};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use crate::chance::Chance;
use crate::disk::Disk;
use crate::faults::Who;
use crate::fellows::Fellows;
use crate::functions::Functions;
use crate::history::History;
use crate::link::Link;
use crate::moody;
use crate::wire::Wire;

/// Slots of every worker.
const SLOTS: u32 = 2;
/// How long a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause between two lists of all jobs.
const LOOK_PAUSE: Duration = Duration::from_millis(300);
/// Number of log entries after which a master takes a snapshot: so few that masters that were away get one.
const SNAPSHOT_ENTRIES: (u64, u64) = (10, 100);
/// Number of entries before a snapshot that a master keeps.
const KEPT_ENTRIES: u64 = 4;
const CLUSTER: u128 = 0xc1;

/// Everything that a master is started with.
pub(crate) struct Seated {
    pub(crate) number: u64,
    pub(crate) data: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    /// Names the machine and the number of its start.
    pub(crate) place: String,
    pub(crate) link: Link,
    pub(crate) disk: Disk,
    pub(crate) history: History,
}

/// Runs a master's machine from one of its starts on. Ends with the error after which the master cannot continue.
pub(crate) async fn master(at: Handle, seated: Seated) -> Result<(), String> {
    let Seated { number, data, clock, seed, place, link, disk, history } = seated;
    let who = Who::Master(number);
    let (said, name) = (history.clone(), place.clone());
    let options = master::Options {
        data,
        lease_ms: LEASE_MS,
        log: Arc::new(move |line| said.note(&format!("{name}: {line}"))),
        journal: Some(history.journal(number)),
    };
    let chance = Mutex::new(Chance::of(seed, &format!("{place} nonces")));
    let nonces = Arc::new(move || {
        let mut chance = chance.lock().unwrap();
        Nonce(u128::from(chance.next()) << 64 | u128::from(chance.next()))
    });
    let election_ms = Chance::of(seed, &format!("{place} election")).between(300, 599);
    let fellows = Fellows {
        network: link.network.clone(),
        here: who.address(),
        seed,
        place,
        links: Mutex::default(),
    };
    let (tell, told) = oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let seat = Seat {
        id: number,
        address: who.address(),
        web: None,
        pid: 1,
        begin: match number {
            1 => Begin::Cluster { cluster: CLUSTER },
            _ => Begin::Member { cluster: CLUSTER },
        },
        links: client::Options {
            played: Some(Played(Arc::new(fellows))),
            ..client::Options::default()
        },
        limits: Limits {
            log_entries: Chance::of(seed, "snapshots")
                .between(SNAPSHOT_ENTRIES.0, SNAPSHOT_ENTRIES.1),
            kept_entries: KEPT_ENTRIES,
            believed_ms: election_ms + 1,
            drawn_ms_least: Some(election_ms),
            ..Limits::default()
        },
        disk: Some(Arc::new(disk)),
        on_fatal: Arc::new(move |fatal| {
            if let Some(tell) = tell.lock().unwrap().take() {
                // The receiver may be gone, and then need not know.
                let _heard_or_gone = tell.send(fatal.message);
            }
        }),
    };
    let works = async {
        let started = Master::start(options, seat, clock, nonces).await;
        let master = started.map_err(|error| error.to_string())?;
        link.network.add_master(&who.address(), at, master.clone());
        let joining = master.clone();
        tokio::spawn(async move { join(&link, &joining, number).await });
        master.watch(std::future::pending()).await;
        Ok(())
    };
    tokio::select! {
        biased;
        fatal = told => Err(fatal.unwrap_or_default()),
        ended = works => ended,
    }
}

/// Adds a master to the cluster, unless it is a member already.
async fn join(link: &Link, own: &Master, number: u64) {
    let who = Who::Master(number);
    let (cluster, id, address) = (CLUSTER, MasterId(number), who.address());
    let has_say = || async {
        let lines = own.masters().await.map(|list| list.masters).unwrap_or_default();
        lines.iter().any(|line| line.id == id && line.votes)
    };
    while number > 1 && !has_say().await {
        let asked = link.join(Join { cluster, id, address: address.clone() }).await;
        if asked.is_ok() {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Runs a worker's machine from one of its starts on.
pub(crate) async fn worker(
    at: Handle,
    number: u64,
    data: PathBuf,
    clock: Clock,
    link: Link,
    functions: Functions,
) -> Result<(), String> {
    let mut chance = Chance::of(functions.seed, &format!("{} incarnation", functions.place));
    let address = Who::Worker(number).address();
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
        log: |_| {},
    };
    let (_never, stop) = watch::channel(Stop::No);
    let ran = worker::run(options, Wire { link, address, at }, functions, stop).await;
    ran.map_err(|error| error.to_string())
}

/// Runs a client's machine: it submits a job and follows it to its end. It then checks that the same submission still
/// belongs to this job, and that the job's counters are right.
pub(crate) async fn client(
    link: Link,
    submission: Submission,
    after: Duration,
    history: History,
) -> Result<(), String> {
    sleep(after).await;
    let job = submitted(&link, &submission).await?;
    history.accepted(&submission.id, job);
    let ended = loop {
        match follow(&link, job, |_| {}).await {
            Ok(status) => break status,
            Err(Refusal::Unavailable { .. }) => sleep(PAUSE).await,
            Err(refusal) => return Err(format!("{job} cannot be followed: {refusal}")),
        }
    };
    history.ended(job, ended.state);
    let has_said_so =
        ended.error.as_ref().is_some_and(|error| error.contains("map is not deterministic"));
    if submission.spec.name == moody::NAME && has_said_so {
        return Ok(());
    }
    if ended.state != JobState::Succeeded {
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

/// Submits until the client knows that the job is accepted.
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

/// Runs an observer that lists all jobs from time to time, and compares the answers with earlier ones.
pub(crate) async fn auditor(link: Link, history: History) -> Result<(), String> {
    loop {
        let told = history.acknowledged();
        if let Ok(lines) = link.list().await {
            told.check(&lines)?;
            lines.iter().for_each(|line| history.ended(line.id, line.state));
        }
        sleep(LOOK_PAUSE).await;
    }
}
