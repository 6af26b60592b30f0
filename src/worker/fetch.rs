//! Gets a reduce its partition of every map's output: finds out where they are, fetches what others have, points at
//! what is here. Begins before all maps are done, and ends when all outputs are here or one cannot be had.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::error::task_failure;
use super::gather::{Gather, Got};
use super::map_outputs::Absent;
use super::{Launcher, Transport, Worker};
use crate::frame::SegmentRef;
use crate::offload::offload;
use crate::rpc::shuffle::{FetchRequest, SEGMENTS_MAX};
use crate::rpc::workers::{Locate, LostOutput, Order, Workers};
use crate::spec::{Cause, Failure, TaskKind, WorkerId};

/// Requests in flight at once; never two to the same worker.
const REQUESTS_MAX: usize = 8;
/// Between two questions where outputs are; what could not be had is asked for again only after the next.
const LOCATE_INTERVAL: Duration = Duration::from_millis(250);
/// How long the answer may take.
const LOCATE_MAX: Duration = Duration::from_secs(5);
/// Times that an output is asked for which its worker says it does not have whole.
const MISSING_TRIES_MAX: u32 = 2;
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

/// Where one map's output is.
#[derive(Clone)]
struct Location {
    attempt: u32,
    worker: WorkerId,
    address: String,
}

/// What one request or look brought: of which worker, and what became of each map.
type Brought = Result<(BTreeMap<u32, Location>, BTreeMap<u32, Got>), Failure>;

/// One reduce attempt's way to its segments.
struct Fetching<'a, T: Transport, L> {
    worker: &'a Arc<Worker<T, L>>,
    order: &'a Order,
    maps: u32,
    version: u64,
    located: BTreeMap<u32, Location>,
    have: BTreeMap<u32, SegmentRef>,
    /// Maps whose request is on its way, and the addresses asked.
    flying: BTreeSet<u32>,
    asked: BTreeSet<String>,
    /// Maps that wait for the next answer to where they are.
    held_back: BTreeSet<u32>,
    tries: BTreeMap<(u32, u32), u32>,
    lost: Vec<LostOutput>,
    why: String,
}

/// The segments of all maps, in the order of the maps; what others have is gathered in the scratch folder.
pub(super) async fn fetch_all<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
    maps: u32,
    scratch: &Path,
) -> Result<Vec<SegmentRef>, Unfetched> {
    let gather = Arc::new(Gather::create(scratch.join("fetched"))?);
    let mut fetching = Fetching {
        worker,
        order,
        maps,
        version: 0,
        located: BTreeMap::new(),
        have: BTreeMap::new(),
        flying: BTreeSet::new(),
        asked: BTreeSet::new(),
        held_back: BTreeSet::new(),
        tries: BTreeMap::new(),
        lost: Vec::new(),
        why: String::new(),
    };
    // Dropping it ends what is on its way.
    let mut requests: JoinSet<Brought> = JoinSet::new();
    fetching.locate().await;
    while fetching.have.len() < maps as usize {
        fetching.ask(&gather, &mut requests);
        tokio::select! {
            biased;
            Some(brought) = requests.join_next(), if !requests.is_empty() => {
                fetching.settle(brought.map_err(|error| task_failure("fetch map outputs", &error))??)?;
            }
            () = tokio::time::sleep(LOCATE_INTERVAL) => fetching.locate().await,
        }
    }
    Ok(fetching.have.into_values().collect())
}

impl<T: Transport, L: Launcher> Fetching<'_, T, L> {
    /// Learns where outputs are by now. Without an answer, what was known goes on to hold.
    async fn locate(&mut self) {
        self.held_back.clear();
        let request = Locate { job: self.order.attempt.task.job, since: self.version };
        let answer = tokio::time::timeout(LOCATE_MAX, self.worker.masters.locate(request)).await;
        let Ok(Ok(located)) = answer else { return };
        self.version = located.version;
        for change in located.changes {
            match change.at {
                Some((attempt, worker, address)) => {
                    self.located.insert(change.map, Location { attempt, worker, address });
                }
                None => {
                    self.located.remove(&change.map);
                }
            }
        }
    }

    /// Sends as many requests as may be on their way, each to another worker.
    fn ask(&mut self, gather: &Arc<Gather>, requests: &mut JoinSet<Brought>) {
        while requests.len() < REQUESTS_MAX {
            let Some(batch) = self.batch() else { return };
            let address = batch.values().next().map(|at| at.address.clone()).unwrap_or_default();
            self.flying.extend(batch.keys());
            self.asked.insert(address.clone());
            if address == self.worker.options.address {
                self.look(batch, requests);
                continue;
            }
            let request = FetchRequest {
                job: self.order.attempt.task.job,
                nonce: self.order.nonce,
                partition: self.order.attempt.task.index,
                maps: batch.iter().map(|(&map, at)| (map, at.attempt)).collect(),
            };
            let peer = self.worker.transport.peer(&address);
            let fetch = Arc::clone(gather).fetch(peer, request);
            requests.spawn(async move { fetch.await.map(|got| (batch, got)) });
        }
    }

    /// Outputs to ask one worker for, if there are any and it is not being asked.
    fn batch(&self) -> Option<BTreeMap<u32, Location>> {
        let is_wanted = |map: &u32, at: &Location| {
            *map < self.maps
                && !self.have.contains_key(map)
                && !self.flying.contains(map)
                && !self.held_back.contains(map)
                && !self.asked.contains(&at.address)
        };
        let mut wanted = self.located.iter().filter(|(map, at)| is_wanted(map, at));
        let (first, at) = wanted.next()?;
        let same = wanted.filter(|(_, other)| other.address == at.address);
        let batch = std::iter::once((first, at)).chain(same).take(SEGMENTS_MAX);
        Some(batch.map(|(&map, at)| (map, at.clone())).collect())
    }

    /// Checks outputs that are here; they are read where they lie.
    fn look(&self, batch: BTreeMap<u32, Location>, requests: &mut JoinSet<Brought>) {
        let outputs = Arc::clone(&self.worker.outputs);
        let job = (self.order.attempt.task.job, self.order.nonce);
        let partition = self.order.attempt.task.index;
        let look_at_all = move || {
            let look = |(&map, at): (&u32, &Location)| {
                let got = match outputs.check(job, (map, at.attempt), partition) {
                    Ok(stored) => Got::Whole(stored.segment()),
                    Err(Absent { is_corrupt, message }) => Got::Missing { is_corrupt, message },
                };
                (map, got)
            };
            let got = batch.iter().map(look).collect();
            (batch, got)
        };
        requests.spawn(async move {
            let looked = offload(look_at_all).await;
            looked.map_err(|error| task_failure("look at map outputs", &error))
        });
    }

    /// Notes what a request brought; fails if an output is not to be had.
    fn settle(
        &mut self,
        (batch, brought): (BTreeMap<u32, Location>, BTreeMap<u32, Got>),
    ) -> Result<(), Unfetched> {
        for (map, at) in &batch {
            self.flying.remove(map);
            self.asked.remove(&at.address);
        }
        for (map, got) in brought {
            let Some(at) = batch.get(&map) else { continue };
            let (is_corrupt, message, tries_max) = match got {
                Got::Whole(segment) => {
                    self.have.insert(map, segment);
                    continue;
                }
                Got::Missing { is_corrupt, message } => (is_corrupt, message, MISSING_TRIES_MAX),
                Got::Unanswered { message } => (false, message, UNANSWERED_TRIES_MAX),
            };
            self.held_back.insert(map);
            let tries = self.tries.entry((map, at.attempt)).or_default();
            *tries += 1;
            if *tries >= tries_max {
                let task = self.order.attempt.task.job.task(TaskKind::Map, map);
                let attempt = task.attempt(at.attempt);
                self.why = format!("{attempt} from {} at {}: {message}", at.worker, at.address);
                self.lost.push(LostOutput { attempt, worker: at.worker, is_corrupt });
            }
        }
        let have = u32::try_from(self.have.len()).unwrap_or(u32::MAX);
        self.worker.book.fetched(self.order.attempt, have);
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
