//! Finds the leading master, and calls it.
//!
//! Every call may be repeated, so a call without an answer is retried until the caller's time limit is over. The next
//! try goes to the leader that a master has named, or else to the next known master. While a master reports that the
//! work is in progress, the time limit does not apply.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::stranger::stranger;
use super::{Options, late};
use crate::model::{add_place, with_hint};
use crate::rpc::masters::Masters;
use crate::rpc::refusal::Refusal;
use crate::rpc::status::refusal;

/// Pause before the second try. It doubles up to the other limit.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_millis(100);
/// Shortest time limit of a poll, whatever the lease.
const POLL_LEAST: Duration = Duration::from_millis(500);
/// Most masters that are remembered: those that were named, leaders that they named, and the other masters.
const MASTERS_MAX: usize = 16;

/// A client of the masters of a cluster. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Master {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    known: Mutex<Known>,
    /// The lease. A poll is held back for a third of it. 0 until it is known.
    lease_ms: AtomicU64,
    /// Whether the current master was asked for the list of masters.
    knows_fellows: AtomicBool,
}

/// The known masters, and the current one.
#[derive(Debug)]
struct Known {
    /// In the order in which they are tried.
    addresses: Vec<String>,
    current: usize,
    links: BTreeMap<String, Link>,
}

/// The connections to a master: two, so that a large artifact does not delay a poll.
#[derive(Debug, Clone)]
struct Link {
    control: Channel,
    data: Channel,
}

/// The size of a call's messages, which decides its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Small messages, which must not wait.
    Control,
    /// Large messages.
    Data,
}

impl Master {
    /// Creates a client of the masters at these addresses. Connections are made when they are needed. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] without an address, or if one is not of this machine.
    pub fn connect(addresses: &[String], options: Options) -> Result<Self, Refusal> {
        if addresses.is_empty() {
            return Err(Refusal::Invalid { message: "no master address was given".into() });
        }
        let mut known = Known { addresses: Vec::new(), current: 0, links: BTreeMap::new() };
        for address in addresses {
            known.add(address, &options)?;
        }
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                known: Mutex::new(known),
                lease_ms: AtomicU64::new(0),
                knows_fellows: AtomicBool::new(false),
            }),
        })
    }

    /// The address of the master that was asked last, or will be asked first.
    pub fn address(&self) -> String {
        let known = self.known();
        known.addresses[known.current].clone()
    }

    /// The time limits of this client.
    pub(super) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Stores the lease that this client's worker has received.
    pub(super) fn learn_lease(&self, lease_ms: u64) {
        self.shared.lease_ms.store(lease_ms, Ordering::Relaxed);
    }

    /// Requests the list of masters in the background, once from each master that answers, so that a client that knew
    /// only one finds the others when it fails. Errors are ignored.
    pub(super) fn learn_fellows(&self) {
        if self.shared.knows_fellows.swap(true, Ordering::Relaxed) {
            return;
        }
        let client = self.clone();
        tokio::spawn(async move {
            let Ok(list) = client.masters().await else { return };
            let mut known = client.known();
            for line in list.masters {
                // An address on another machine, or one address too many, would have been refused on the command line
                // too.
                let _known_or_not = known.add(&line.address, client.options());
            }
        });
    }

    /// The time limit of a poll: the third of a lease for which it may be held back, and the same again. If a master
    /// hangs, there must be time left in the lease to find another one.
    pub(super) fn poll_within(&self) -> Duration {
        match self.shared.lease_ms.load(Ordering::Relaxed) {
            0 => self.options().answer + self.options().poll_held,
            lease_ms => POLL_LEAST.max(Duration::from_millis(lease_ms) * 2 / 3),
        }
    }

    /// Makes a call, and retries it until a leader answers. Each try has the time limit `within`. Every known master
    /// is tried, even if the caller's time limit is over.
    pub(super) async fn ask<T, F, Call>(
        &self,
        line: Line,
        within: Duration,
        call: F,
    ) -> Result<T, Refusal>
    where
        F: Fn(Channel) -> Call,
        Call: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = async |address: &str, channel| match timeout(within, call(channel)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(refusal(&status, address)),
            Err(_) => Err(late(within, address)),
        };
        let mut out_of_patience = pin!(sleep(self.shared.options.patience));
        let mut pause = PAUSE_FIRST;
        let (mut tries, mut is_under_way, mut has_failed) = (0, false, false);
        let mut silent = BTreeSet::new();
        loop {
            tries += 1;
            let (address, channel) = self.current(line);
            let asked = address.clone();
            let refused = match answer(&address, channel).await {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            match &refused {
                Refusal::NotLeader { leader } => {
                    self.follow(&address, leader);
                    // A leader that was not tried yet is tried at once.
                    if !leader.is_empty() && !silent.contains(leader) {
                        pause = PAUSE_FIRST;
                    }
                }
                Refusal::Unavailable { .. } => {
                    // The work in progress failed, and may fail again.
                    has_failed |= is_under_way;
                    self.turn(&address);
                    silent.insert(address);
                }
                Refusal::NotYet { .. } => {
                    is_under_way = true;
                    if !has_failed {
                        out_of_patience.set(sleep(self.shared.options.patience));
                    }
                }
                _ => return Err(refused),
            }
            tokio::select! {
                biased;
                () = &mut out_of_patience, if tries >= self.known().addresses.len() => {
                    return Err(self.unanswered(&refused, &asked).await);
                }
                () = sleep(pause) => pause = PAUSE_MOST.min(2 * pause),
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, line: Line) -> (String, Channel) {
        let known = self.known();
        let address = known.addresses[known.current].clone();
        let link = &known.links[&address];
        let channel = if line == Line::Control { &link.control } else { &link.data };
        (address, channel.clone())
    }

    /// Switches to the next master, unless another call has already done so.
    fn turn(&self, from: &str) {
        let mut known = self.known();
        if known.addresses[known.current] == from {
            known.current = (known.current + 1) % known.addresses.len();
            self.shared.knows_fellows.store(false, Ordering::Relaxed);
        }
    }

    fn follow(&self, from: &str, leader: &str) {
        let mut known = self.known();
        // An answer that names no leader, the master itself, or an invalid address does not help.
        let place = if leader == from { None } else { known.add(leader, self.options()).ok() };
        match place {
            Some(place) => known.current = place,
            None => {
                drop(known);
                self.turn(from);
            }
        }
    }

    /// The error when the time limit is over, after this refusal by the master at `asked`.
    async fn unanswered(&self, last: &Refusal, asked: &str) -> Refusal {
        let known = self.known().addresses.join(", ");
        let is_silent = matches!(last, Refusal::Unavailable { .. });
        if is_silent && let Some(found) = stranger(asked).await {
            let what = format!("{asked} is not a master's address: {found}");
            let hint = "use the address in the line `master 1 ADDRESS pid …` that `gristmill dev` or `gristmill master` prints";
            return Refusal::Unavailable { message: with_hint(what, Some(hint.into())) };
        }
        let last = match last {
            Refusal::NotLeader { leader } if leader.is_empty() => "no master leads".to_owned(),
            last => last.to_string(),
        };
        Refusal::Unavailable {
            message: add_place(
                &with_hint(
                    last,
                    Some("start the cluster, or give the addresses of its masters".into()),
                ),
                format_args!("masters known: {known}"),
            ),
        }
    }
}

impl Known {
    /// Adds an address, and returns its place.
    fn add(&mut self, address: &str, options: &Options) -> Result<usize, Refusal> {
        if let Some(place) = self.addresses.iter().position(|known| known == address) {
            return Ok(place);
        }
        if self.addresses.len() >= MASTERS_MAX {
            return Err(Refusal::Limit {
                message: format!("a client cannot know more than {MASTERS_MAX} masters"),
            });
        }
        let link = Link { control: options.channel(address)?, data: options.channel(address)? };
        self.links.insert(address.to_owned(), link);
        self.addresses.push(address.to_owned());
        Ok(self.addresses.len() - 1)
    }
}
