//! Groups of several nodes in one process, connected over real sockets.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::{BasicNode, ChangeMembers};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::counting::{Bench, Counter, Running, number};
use crate::consensus::{Begin, Error, Leadership, Node, ProposeError};
use crate::rpc::client::{Fellow, Options};
use crate::rpc::raft::{Call, Raft};
use crate::rpc::server::serve_raft;

const CLUSTER: u128 = 0xc1;
/// Far longer than anything that a test waits for takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node with its server.
struct Seat {
    running: Running,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

/// A group, some of whose nodes are down.
pub(super) struct Group {
    pub(super) bench: Bench,
    seats: Vec<Option<Seat>>,
    pub(super) addresses: Vec<String>,
}

impl Group {
    pub(super) async fn of(bench: Bench, nodes: usize) -> Self {
        let mut group = Self { bench, seats: Vec::new(), addresses: Vec::new() };
        for place in 0..nodes {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            group.addresses.push(listener.local_addr().unwrap().to_string());
            let begin = match place {
                0 => Begin::Cluster { cluster: CLUSTER },
                _ => Begin::Member { cluster: CLUSTER },
            };
            let seat = group.start(place, begin, listener).await.unwrap();
            group.seats.push(Some(seat));
            if place > 0 {
                let first = group.at(0).node.group();
                first.admit(place as u64 + 1, &group.addresses[place]).await.unwrap();
            }
        }
        group
    }

    pub(super) fn folder(&self, place: usize) -> PathBuf {
        self.bench.folder.path().join(format!("m{}", place + 1))
    }

    async fn start(
        &self,
        place: usize,
        begin: Begin,
        listener: TcpListener,
    ) -> Result<Seat, Error> {
        let mut options = self.bench.options(&self.folder(place), begin);
        (options.node, options.address) = (place as u64 + 1, self.addresses[place].clone());
        let counter = Arc::<Counter>::default();
        let node = Node::open(options, Arc::clone(&counter)).await?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::new(node.group());
        let served = tokio::spawn(serve_raft(listener, served, async move { drop(stopped.await) }));
        Ok(Seat { running: Running { node, counter }, stop, served })
    }

    pub(super) fn at(&self, place: usize) -> &Running {
        &self.seats[place].as_ref().unwrap().running
    }

    pub(super) async fn stop(&mut self, place: usize) {
        let seat = self.seats[place].take().unwrap();
        seat.running.node.close().await;
        drop(seat.stop);
        // Its address is free once the listener is closed.
        seat.served.await.unwrap().unwrap();
    }

    pub(super) async fn start_again(&mut self, place: usize) {
        let listener = TcpListener::bind(&self.addresses[place]).await.unwrap();
        let seat = self.start(place, Begin::Nothing, listener).await.unwrap();
        self.seats[place] = Some(seat);
    }

    /// Waits for a leader among the running nodes.
    pub(super) async fn leader(&self) -> usize {
        let up =
            || self.seats.iter().enumerate().filter_map(|(at, seat)| Some((at, seat.as_ref()?)));
        let looked = async {
            loop {
                for (place, seat) in up() {
                    let leadership = seat.running.node.group().leadership().borrow().clone();
                    if matches!(leadership, Leadership::Leads { .. }) {
                        return place;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looked).await.unwrap()
    }

    pub(super) async fn reaches(&self, place: usize, state: (u64, u64)) {
        let looked = async {
            while self.at(place).counter.state() != state {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, looked).await;
        assert!(reached.is_ok(), "{place}: {:?}, not {state:?}", self.at(place).counter.state());
    }
}

pub(super) fn add(n: u64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_entries_survive_the_leader_and_reach_it_later() {
    let mut group = Group::of(Bench::new(), 3).await;
    let first = group.leader().await;
    let since = group.at(first).node.group().leadership();
    for n in 1..=10 {
        group.at(first).add(n).await;
    }
    let Leadership::Leads { since } = since.borrow().clone() else { panic!("it leads") };
    group.stop(first).await;
    let second = group.leader().await;
    assert_ne!(first, second);
    assert_eq!(group.at(second).counter.state(), (55, 10), "applied before it says that it leads");
    let leads = group.at(second).node.group().leadership().borrow().clone();
    assert!(matches!(leads, Leadership::Leads { since: later } if later > since), "{leads:?}");
    assert_eq!(group.at(second).add(45).await, 100);

    group.start_again(first).await;
    group.reaches(first, (100, 11)).await;
    for place in 0..3 {
        group.reaches(place, (100, 11)).await;
    }
    assert!(group.bench.fatal.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_leader_is_replaced_when_its_lease_ends() {
    let mut bench = Bench::new();
    bench.limits.believed_ms = 4_000;
    let mut group = Group::of(bench, 3).await;
    let first = group.leader().await;
    group.at(first).add(1).await;
    group.stop(first).await;
    // If a leader is only silent, an election starts no sooner than after one and a half leases.
    let followed = tokio::time::timeout(Duration::from_millis(6_000), group.leader()).await;
    assert!(followed.is_ok(), "{followed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_was_away_long_gets_a_snapshot() {
    let mut bench = Bench::new();
    bench.limits.log_bytes = 4_000;
    let mut group = Group::of(bench, 3).await;
    let leader = group.leader().await;
    let away = (leader + 1) % 3;
    group.at(leader).add(1).await;
    group.stop(away).await;
    for _ in 0..600 {
        group.at(leader).add(1).await;
    }
    let log = group.at(leader).node.log_entries().await;
    assert!(log < 300, "{log} entries are still there, so it needs a snapshot");
    group.start_again(away).await;
    group.reaches(away, (601, 601)).await;
    // It has a copy of its own, and starts from that.
    group.stop(away).await;
    group.start_again(away).await;
    group.reaches(away, (601, 601)).await;
    assert!(group.bench.fatal.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn node_with_a_different_state_stops_and_the_others_go_on() {
    let group = Group::of(Bench::new(), 3).await;
    let leader = group.leader().await;
    let strays = (leader + 1) % 3;
    group.at(leader).add(1).await;
    group.reaches(strays, (1, 1)).await;
    group.at(strays).counter.strays.store(true, Ordering::SeqCst);
    // The first entry makes its state differ, and the second one reveals that.
    group.at(leader).add(1).await;
    group.at(leader).add(1).await;
    group.reaches(strays, (3, 2)).await;
    assert_eq!(group.at(leader).add(1).await, 4);
    group.reaches((leader + 2) % 3, (4, 4)).await;
    assert_eq!(group.at(strays).counter.state(), (3, 2), "it has stopped");
    let fatal = group.bench.fatal.lock().unwrap().clone();
    let folder = group.folder(strays).display().to_string();
    let said = &fatal.first().unwrap().message;
    assert!(said.contains(&folder) && said.contains("differs from the leader's"), "{fatal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn minority_accepts_nothing_and_names_the_missing() {
    let mut group = Group::of(Bench::new(), 3).await;
    let leader = group.leader().await;
    group.at(leader).node.group().confirm().await.unwrap();
    group.stop((leader + 1) % 3).await;
    assert_eq!(group.at(leader).add(7).await, 7, "two of three are a majority");
    group.stop((leader + 2) % 3).await;
    let refused = group.at(leader).node.group().confirm().await.unwrap_err();
    assert!(matches!(refused, ProposeError::NoQuorum { .. }), "{refused}");
    let refused = group.at(leader).node.propose(add(1)).await.unwrap_err();
    for address in &group.addresses {
        assert!(refused.to_string().contains(address), "{refused}");
    }
    group.start_again((leader + 1) % 3).await;
    let leader = group.leader().await;
    // It is not known whether the command without an answer was applied.
    let sum = number(&group.at(leader).node.propose(add(0)).await.unwrap()).unwrap();
    assert!(sum == 7 || sum == 8, "{sum}");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_membership_change_is_completed() {
    let mut group = Group::of(Bench::new(), 3).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    group.addresses.push(address.clone());
    let fourth = group.start(3, Begin::Member { cluster: CLUSTER }, listener).await.unwrap();
    group.seats.push(Some(fourth));
    let leader = group.leader().await;
    let inner = group.at(leader).node.group();
    let learner = inner.raft().add_learner(4, BasicNode::new(&address), true);
    learner.await.unwrap();
    let mut metrics = inner.raft().metrics();
    let begun = async {
        while !inner.is_changing() {
            metrics.changed().await.unwrap();
        }
    };
    // The caller gives up after the first of two steps.
    tokio::select! {
        biased;
        () = begun => {}
        ended = inner.raft().change_membership(ChangeMembers::AddVoterIds([4].into()), true) => {
            panic!("both steps at once: {ended:?}");
        }
    }
    assert!(inner.is_changing());

    drop(inner);
    group.stop(leader).await;
    let next = group.leader().await;
    let inner = group.at(next).node.group();
    // What the old leader had not sent is lost with it.
    let has_begun = inner.is_changing();
    let all_vote = || inner.members().iter().all(|member| member.votes);
    inner.end_change().await.unwrap();
    assert!(!inner.is_changing());
    assert_eq!(all_vote(), has_begun, "{:?}", inner.members());
    inner.admit(4, &address).await.unwrap();
    assert!(all_vote(), "{:?}", inner.members());
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_master_does_not_block_others_from_joining() {
    let bench = Bench::new();
    let mut group = Group::of(bench, 1).await;
    let inner = group.at(0).node.group();
    // Nothing listens there.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let new = Some((9, gone.clone()));
    let refused = inner.clone().change(new, Duration::from_millis(300)).await;
    assert_eq!(refused, Err(ProposeError::Behind { node: 9, address: gone, within_s: 0 }));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    group.addresses.push(address.clone());
    let second = group.start(1, Begin::Member { cluster: CLUSTER }, listener).await.unwrap();
    group.seats.push(Some(second));
    inner.admit(2, &address).await.unwrap();
    let voters: Vec<u64> =
        inner.members().iter().filter(|member| member.votes).map(|member| member.node).collect();
    assert_eq!(voters, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_says_who_leads() {
    let group = Group::of(Bench::new(), 2).await;
    let leader = group.leader().await;
    let follower = &group.at(1 - leader).node;
    let named = ProposeError::NotLeader { leader: Some(group.addresses[leader].clone()) };
    group.at(leader).add(1).await;
    assert_eq!(follower.propose(add(1)).await.unwrap_err(), named);
    let refused = follower.group().confirm().await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { .. }), "{refused}");
    let members = follower.group().members();
    let members: Vec<_> = members.iter().map(|member| (member.node, member.votes)).collect();
    assert_eq!(members, [(1, true), (2, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_addresses_are_unique() {
    let mut group = Group::of(Bench::new(), 2).await;
    let first = group.at(group.leader().await).node.group();
    first.admit(2, &group.addresses[1]).await.unwrap();
    for (node, address, said) in [
        (2, "127.0.0.1:1", "master 2 already exists at"),
        (3, group.addresses[1].as_str(), "already belongs to master 2"),
    ] {
        let refused = first.admit(node, address).await.unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
    group.stop(1).await;
    group.addresses[1] = "127.0.0.1:1".into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let moved = group.start(1, Begin::Nothing, listener).await.err().unwrap();
    assert!(matches!(moved, Error::Moved { node: 2, .. }), "{moved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_another_node_are_refused() {
    let group = Group::of(Bench::new(), 2).await;
    let fellow = Fellow::connect(&group.addresses[1], &Options::default());
    for (cluster, to, said) in [
        (0xc2, 2, "not master 2 of cluster 000000000000000000000000000000c2"),
        (CLUSTER, 3, "this is master 2 of"),
        (CLUSTER, 2, "run the same version of gristmill on all masters"),
    ] {
        let call = Call { cluster, to, body: vec![1, 2, 3] };
        for refused in [
            fellow.append_entries(call.clone()).await,
            fellow.vote(call.clone()).await,
            fellow.install_snapshot(call.clone()).await,
        ] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
