//! Fetches a reduce's partition of every map output. It locates the outputs, fetches those on other machines, and reads
//! those on this machine from their files. It starts before all maps are done, and ends when all outputs are here or
//! one is unavailable.

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
use crate::model::{Cause, Failure, SegmentRef, TaskKind, WorkerId};
use crate::offload::offload;
use crate::rpc::shuffle::{FetchRequest, SEGMENTS_MAX};
use crate::rpc::workers::{CHANGES_MAX, Locate, Located, LostOutput, Order, Workers};

/// Most requests in flight at once, never two of them to the same worker.
const REQUESTS_MAX: usize = 8;
/// Pause between two requests for locations, unless the last answer was incomplete. An output that could not be
/// fetched is requested again after the next answer.
const LOCATE_INTERVAL: Duration = Duration::from_millis(250);
/// Time limit of a request for locations.
const LOCATE_MAX: Duration = Duration::from_secs(5);
/// Tries for an output that its worker reports as missing or damaged.
const MISSING_TRIES_MAX: u32 = 2;
/// Tries for an output whose worker is too slow, or names a path where the output is not.
const SLOW_TRIES_MAX: u32 = 2;
/// Tries for an output whose worker does not answer. They give the masters time to notice that the worker is gone.
const UNANSWERED_TRIES_MAX: u32 = 20;

/// Error of a reduce that did not get all outputs.
pub(super) struct Unfetched {
    pub(super) failure: Failure,
    pub(super) lost: Vec<LostOutput>,
}

impl From<Failure> for Unfetched {
    fn from(failure: Failure) -> Self {
        Unfetched { failure, lost: Vec::new() }
    }
}

/// The segments that a reduce must read.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) segments: Vec<SegmentRef>,
    /// Owners and files of the segments that are outside the attempt's own scratch folder.
    lent: Vec<(LostOutput, PathBuf)>,
}

impl Fetched {
    /// Adds the unavailable outputs among the lent ones to a failure to read. Only now is each checked against its
    /// checksums.
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
            Err(error) => task_failure("inspect map outputs", &error).into(),
        }
    }
}

/// Location of one map's output.
#[derive(Clone, PartialEq, Eq)]
struct Location {
    attempt: u32,
    worker: WorkerId,
    address: String,
}

/// Result of one request: its number, and the result for each map.
type Brought = Result<(u64, BTreeMap<u32, Got>), Failure>;

/// A request in flight.
struct Flight {
    /// The outputs that it asks one worker for.
    batch: BTreeMap<u32, Location>,
    /// Ends it.
    request: AbortHandle,
}

/// State of fetching for one reduce attempt.
struct Fetching<'a, T: Transport, L> {
    worker: &'a Arc<Worker<T, L>>,
    order: &'a Order,
    maps: u32,
    version: u64,
    located: BTreeMap<u32, Location>,
    have: BTreeMap<u32, SegmentRef>,
    lent: Vec<(LostOutput, PathBuf)>,
    /// Addresses of workers on this machine whose files this process cannot read.
    hidden: BTreeSet<String>,
    /// Maps that have joined another map, whose output includes theirs.
    joined: BTreeSet<u32>,
    /// Requests in flight by unique number, and the maps that they ask for.
    flights: BTreeMap<u64, Flight>,
    flying: BTreeSet<u32>,
    last_flight: u64,
    /// Maps that wait for the next answer about locations.
    held_back: BTreeSet<u32>,
    tries: BTreeMap<(u32, u32), u32>,
    lost: Vec<LostOutput>,
    why: String,
}

/// Fetches the segments of all maps that have not joined another one, in the order of the maps. Segments from other
/// machines are gathered in a file in the scratch folder.
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
    // Dropping it ends all requests in flight.
    let mut requests: JoinSet<Brought> = JoinSet::new();
    let mut answer = std::pin::pin!(locate(worker, fetching.question(), Duration::ZERO));
    while fetching.have.len() + fetching.joined.len() < maps as usize {
        tokio::select! {
            biased;
            Some(brought) = requests.join_next(), if !requests.is_empty() => match brought {
                Ok(brought) => fetching.settle(brought?, &gather)?,
                // The request was aborted, because its outputs have moved.
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

/// Asks for locations after a pause. Returns `None` if no master answers.
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

    /// Updates the locations from an answer, and returns the pause before the next request. Without an answer the known
    /// locations remain.
    fn learn(&mut self, located: Option<Located>) -> Duration {
        self.held_back.clear();
        let Some(located) = located else { return LOCATE_INTERVAL };
        self.version = located.version;
        let is_all = located.changes.len() < CHANGES_MAX;
        for change in located.changes {
            // This is final: if the other map's output is made again, it is made of the same maps.
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

    /// Aborts requests whose outputs have all moved elsewhere, since their worker may not answer for a long time.
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

    /// Sends requests up to the limit, each to a different worker.
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

    /// Returns outputs to request from one worker that has no request in flight, or `None`.
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

    /// Finds outputs of this worker itself, which are read from their files.
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
            looked.map_err(|error| task_failure("inspect map outputs", &error))
        }
    }

    /// Records the result of a request. Fails if an output is unavailable.
    fn settle(
        &mut self,
        (number, brought): (u64, BTreeMap<u32, Got>),
        gather: &Gather,
    ) -> Result<(), Unfetched> {
        // An aborted request may still have finished. Its outputs are requested at their new locations.
        let Some(Flight { batch, .. }) = self.flights.remove(&number) else { return Ok(()) };
        // The request named this machine, so a path was a valid answer.
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
                    if *segment.place.path != *gather.path() {
                        let whose = LostOutput { attempt, worker: at.worker, is_corrupt: false };
                        self.lent.push((whose, segment.place.path.to_path_buf()));
                    }
                    self.have.insert(map, segment);
                    continue;
                }
                // The next request asks for the bytes instead.
                Got::Hidden if is_first_look => {
                    self.hidden.insert(at.address.clone());
                    continue;
                }
                Got::Hidden => {
                    let message =
                        "its worker sent the path of a file that does not exist on this machine";
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
        self.worker.held_attempts.fetched(self.order.attempt, have);
        crash_point!("w08", 2 * have >= self.maps);
        if self.lost.is_empty() {
            return Ok(());
        }
        let message = format!(
            "failed to fetch {} of {} map outputs; last failure: {}",
            self.lost.len(),
            self.maps,
            self.why
        );
        let lost = std::mem::take(&mut self.lost);
        Err(Unfetched { failure: Failure::new(Cause::FetchFailed, message), lost })
    }
}
