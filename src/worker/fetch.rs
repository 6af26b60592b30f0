//! Gets a reduce its partition of every map's output: finds out where they are, fetches what others have, points at
//! what is on this machine. Begins before all maps are done, and ends when all outputs are here or one cannot be had.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use super::error::task_failure;
use super::gather::{Gather, Got};
use super::map_outputs::{Absent, fault};
use super::{Launcher, Transport, Worker};
use crate::crash::crash_point;
use crate::frame::SegmentRef;
use crate::offload::offload;
use crate::rpc::shuffle::{FetchRequest, SEGMENTS_MAX};
use crate::rpc::workers::{CHANGES_MAX, Locate, Located, LostOutput, Order, Workers};
use crate::spec::{Cause, Failure, TaskKind, WorkerId};

/// Requests in flight at once; never two to the same worker.
const REQUESTS_MAX: usize = 8;
/// Between two questions where outputs are, unless there is more to be told; what could not be had is asked for again only after the next.
const LOCATE_INTERVAL: Duration = Duration::from_millis(250);
/// How long the answer may take.
const LOCATE_MAX: Duration = Duration::from_secs(5);
/// Times that an output is asked for which its worker says it does not have whole.
const MISSING_TRIES_MAX: u32 = 2;
/// Times that an output is asked for whose sender is too slow, or says that it lies where it does not.
const SLOW_TRIES_MAX: u32 = 2;
/// Times that an output is asked for while nobody answers: time for the masters to find out that its worker is gone.
const UNANSWERED_TRIES_MAX: u32 = 20;

/// Why a reduce did not get all outputs.
pub(super) struct Unfetched {
    pub(super) failure: Failure,
    pub(super) lost: Vec<LostOutput>,
}

impl From<Failure> for Unfetched {
    fn from(failure: Failure) -> Self {
        Unfetched { failure, lost: Vec::new() }
    }
}

/// The segments that a reduce is to read.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) segments: Vec<SegmentRef>,
    /// Whose those are that lie elsewhere than in the attempt's own scratch folder.
    lent: Vec<(LostOutput, PathBuf)>,
}

impl Fetched {
    /// Says of the failure of whoever has read them which of the outputs that were lent cannot be had: only now is each
    /// held against its checksums.
    pub(super) async fn blame(self, partition: u32, failure: Failure) -> Unfetched {
        if failure.cause != Cause::FetchFailed {
            return failure.into();
        }
        let lost = move |(output, path): (LostOutput, PathBuf)| {
            let Absent { is_corrupt, .. } = fault(&path, partition)?;
            Some(LostOutput { is_corrupt, ..output })
        };
        match offload(move || self.lent.into_iter().filter_map(lost).collect()).await {
            Ok(lost) => Unfetched { failure, lost },
            Err(error) => task_failure("look at map outputs", &error).into(),
        }
    }
}

/// Where one map's output is.
#[derive(Clone, PartialEq, Eq)]
struct Location {
    attempt: u32,
    worker: WorkerId,
    address: String,
}

/// What one request or look brought: which it is, and what became of each map.
type Brought = Result<(u64, BTreeMap<u32, Got>), Failure>;

/// A request that is on its way.
struct Flight {
    /// What it asks for, all of one worker.
    batch: BTreeMap<u32, Location>,
    /// Ends it.
    request: AbortHandle,
}

/// One reduce attempt's way to its segments.
struct Fetching<'a, T: Transport, L> {
    worker: &'a Arc<Worker<T, L>>,
    order: &'a Order,
    maps: u32,
    version: u64,
    located: BTreeMap<u32, Location>,
    have: BTreeMap<u32, SegmentRef>,
    lent: Vec<(LostOutput, PathBuf)>,
    /// Addresses of workers whose files cannot be read from here, though they are on this machine.
    hidden: BTreeSet<String>,
    /// Maps that have joined another, in whose output theirs is.
    joined: BTreeSet<u32>,
    /// Requests that are on their way, by a number that none has twice, and the maps that they ask for.
    flights: BTreeMap<u64, Flight>,
    flying: BTreeSet<u32>,
    last_flight: u64,
    /// Maps that wait for the next answer to where they are.
    held_back: BTreeSet<u32>,
    tries: BTreeMap<(u32, u32), u32>,
    lost: Vec<LostOutput>,
    why: String,
}

/// The segments of all maps that have not joined another, in the order of the maps; what others have is gathered in the scratch folder.
pub(super) async fn fetch_all<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
    maps: u32,
    scratch: &Path,
) -> Result<Fetched, Unfetched> {
    let gather = Arc::new(Gather::create(scratch.join("fetched"))?);
    let mut fetching = Fetching {
        worker,
        order,
        maps,
        version: 0,
        located: BTreeMap::new(),
        have: BTreeMap::new(),
        lent: Vec::new(),
        hidden: BTreeSet::new(),
        joined: BTreeSet::new(),
        flights: BTreeMap::new(),
        flying: BTreeSet::new(),
        last_flight: 0,
        held_back: BTreeSet::new(),
        tries: BTreeMap::new(),
        lost: Vec::new(),
        why: String::new(),
    };
    // Dropping it ends what is on its way.
    let mut requests: JoinSet<Brought> = JoinSet::new();
    let mut answer = std::pin::pin!(locate(worker, fetching.question(), Duration::ZERO));
    while fetching.have.len() + fetching.joined.len() < maps as usize {
        tokio::select! {
            biased;
            Some(brought) = requests.join_next(), if !requests.is_empty() => match brought {
                Ok(brought) => fetching.settle(brought?, &gather)?,
                // It was given up, as what it asked for is elsewhere.
                Err(error) if error.is_cancelled() => {}
                Err(error) => return Err(task_failure("fetch map outputs", &error).into()),
            },
            located = &mut answer => {
                let pause = fetching.learn(located);
                answer.set(locate(worker, fetching.question(), pause));
            }
        }
        fetching.ask(&gather, &mut requests);
    }
    Ok(Fetched { segments: fetching.have.into_values().collect(), lent: fetching.lent })
}

/// Asks where outputs are, after a pause; none if nobody answers.
async fn locate<T: Transport, L: Launcher>(
    worker: &Worker<T, L>,
    question: Locate,
    pause: Duration,
) -> Option<Located> {
    tokio::time::sleep(pause).await;
    tokio::time::timeout(LOCATE_MAX, worker.masters.locate(question)).await.ok()?.ok()
}

impl<T: Transport, L: Launcher> Fetching<'_, T, L> {
    fn question(&self) -> Locate {
        Locate { job: self.order.attempt.task.job, since: self.version }
    }

    /// Learns where outputs are by now; gives the pause before the next question. Without an answer, what was known goes
    /// on to hold.
    fn learn(&mut self, located: Option<Located>) -> Duration {
        self.held_back.clear();
        let Some(located) = located else { return LOCATE_INTERVAL };
        self.version = located.version;
        let is_all = located.changes.len() < CHANGES_MAX;
        for change in located.changes {
            // For good: whoever makes the other's output again makes it of the same maps.
            if change.within.is_some() {
                self.joined.insert(change.map);
                continue;
            }
            match change.at {
                Some((attempt, worker, address)) => {
                    self.located.insert(change.map, Location { attempt, worker, address });
                }
                None => {
                    self.located.remove(&change.map);
                }
            }
        }
        self.give_up_moved();
        if is_all { LOCATE_INTERVAL } else { Duration::ZERO }
    }

    /// Gives up requests none of whose outputs is where it is asked for: who is asked may be silent for long.
    fn give_up_moved(&mut self) {
        let (located, flying) = (&self.located, &mut self.flying);
        self.flights.retain(|_, Flight { batch, request }| {
            let is_there = batch.iter().any(|(map, at)| located.get(map) == Some(at));
            if !is_there {
                request.abort();
                batch.keys().for_each(|map| {
                    flying.remove(map);
                });
            }
            is_there
        });
    }

    /// Sends as many requests as may be on their way, each to another worker.
    fn ask(&mut self, gather: &Arc<Gather>, requests: &mut JoinSet<Brought>) {
        while requests.len() < REQUESTS_MAX {
            let Some(batch) = self.batch() else { return };
            let address = batch.values().next().map(|at| at.address.clone()).unwrap_or_default();
            self.flying.extend(batch.keys());
            self.last_flight += 1;
            let number = self.last_flight;
            let machine = &self.worker.options.machine;
            let machine = if self.hidden.contains(&address) { "" } else { machine };
            let wanted = FetchRequest {
                job: self.order.attempt.task.job,
                nonce: self.order.nonce,
                partition: self.order.attempt.task.index,
                maps: batch.iter().map(|(&map, at)| (map, at.attempt)).collect(),
                machine: machine.to_string(),
            };
            let request = if address == self.worker.options.address {
                let looked = self.look(wanted);
                requests.spawn(async move { looked.await.map(|got| (number, got)) })
            } else {
                let fetched =
                    Arc::clone(gather).fetch(self.worker.transport.peer(&address), wanted);
                requests.spawn(async move { fetched.await.map(|got| (number, got)) })
            };
            self.flights.insert(number, Flight { batch, request });
        }
    }

    /// Outputs to ask one worker for, if there are any and it is not being asked.
    fn batch(&self) -> Option<BTreeMap<u32, Location>> {
        let asked = self.flights.values().filter_map(|flight| flight.batch.values().next());
        let asked: BTreeSet<&str> = asked.map(|at| at.address.as_str()).collect();
        let is_wanted = |map: &u32, at: &Location| {
            *map < self.maps
                && !self.have.contains_key(map)
                && !self.flying.contains(map)
                && !self.held_back.contains(map)
                && !asked.contains(at.address.as_str())
        };
        let mut wanted = self.located.iter().filter(|(map, at)| is_wanted(map, at));
        let (first, at) = wanted.next()?;
        let same = wanted.filter(|(_, other)| other.address == at.address);
        let batch = std::iter::once((first, at)).chain(same).take(SEGMENTS_MAX);
        Some(batch.map(|(&map, at)| (map, at.clone())).collect())
    }

    /// Finds outputs that are this worker's own; they are read where they lie.
    fn look(
        &self,
        wanted: FetchRequest,
    ) -> impl Future<Output = Result<BTreeMap<u32, Got>, Failure>> + use<T, L> {
        let outputs = Arc::clone(&self.worker.outputs);
        let FetchRequest { job, nonce, partition, maps, .. } = wanted;
        let look_at_all = move || {
            let look = |(map, attempt)| {
                let got = match outputs.lend((job, nonce), (map, attempt), partition) {
                    Ok(segment) => Got::Whole(segment),
                    Err(Absent { is_corrupt, message }) => Got::Missing { is_corrupt, message },
                };
                (map, got)
            };
            maps.into_iter().map(look).collect()
        };
        async move {
            let looked = offload(look_at_all).await;
            looked.map_err(|error| task_failure("look at map outputs", &error))
        }
    }

    /// Notes what a request brought; fails if an output is not to be had.
    fn settle(
        &mut self,
        (number, brought): (u64, BTreeMap<u32, Got>),
        gather: &Gather,
    ) -> Result<(), Unfetched> {
        // What was given up, and was there nevertheless, is asked for where it is now.
        let Some(Flight { batch, .. }) = self.flights.remove(&number) else { return Ok(()) };
        // Its maps were asked for by name of this machine, all at once.
        let is_first_look =
            batch.values().next().is_some_and(|at| !self.hidden.contains(&at.address));
        for map in batch.keys() {
            self.flying.remove(map);
        }
        for (map, got) in brought {
            let Some(at) = batch.get(&map) else { continue };
            let attempt = self.order.attempt.task.job.task(TaskKind::Map, map).attempt(at.attempt);
            let (is_corrupt, message, tries_max) = match got {
                Got::Whole(segment) => {
                    if segment.path != gather.path() {
                        let whose = LostOutput { attempt, worker: at.worker, is_corrupt: false };
                        self.lent.push((whose, segment.path.clone()));
                    }
                    self.have.insert(map, segment);
                    continue;
                }
                // The next request asks for the bytes.
                Got::Hidden if is_first_look => {
                    self.hidden.insert(at.address.clone());
                    continue;
                }
                Got::Hidden => {
                    let message = "its worker sends no bytes, only a place where it does not lie";
                    (false, message.into(), SLOW_TRIES_MAX)
                }
                Got::Slow { message } => (false, message, SLOW_TRIES_MAX),
                Got::Missing { is_corrupt, message } => (is_corrupt, message, MISSING_TRIES_MAX),
                Got::Unanswered { message } => (false, message, UNANSWERED_TRIES_MAX),
            };
            self.held_back.insert(map);
            let tries = self.tries.entry((map, at.attempt)).or_default();
            *tries += 1;
            if *tries >= tries_max {
                self.why = format!("{attempt} from {} at {}: {message}", at.worker, at.address);
                self.lost.push(LostOutput { attempt, worker: at.worker, is_corrupt });
            }
        }
        let have = u32::try_from(self.have.len() + self.joined.len()).unwrap_or(u32::MAX);
        self.worker.book.fetched(self.order.attempt, have);
        crash_point!("w08", 2 * have >= self.maps);
        if self.lost.is_empty() {
            return Ok(());
        }
        let message = format!(
            "failed to fetch {} of {} map outputs; the last: {}",
            self.lost.len(),
            self.maps,
            self.why
        );
        let lost = std::mem::take(&mut self.lost);
        Err(Unfetched { failure: Failure::new(Cause::FetchFailed, message), lost })
    }
}
