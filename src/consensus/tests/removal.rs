//! Removing a master: the others keep working, and the removed master's number is never used again.

use std::sync::Arc;
use std::time::Duration;

use openraft::ChangeMembers;

use super::counting::{Bench, Counter};
use super::group::Group;
use crate::consensus::{Begin, Error, Node, ProposeError};

fn voters(group: &Group, place: usize) -> Vec<u64> {
    let members = group.at(place).node.group().members();
    assert!(members.iter().all(|member| member.votes), "nobody is left half way: {members:?}");
    members.iter().map(|member| member.node).collect()
}

fn all_but(node: u64) -> Vec<u64> {
    (1..=3).filter(|&other| other != node).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_master_is_not_a_member_and_its_number_is_retired() {
    let mut bench = Bench::new();
    bench.limits.log_bytes = 4_000;
    let mut group = Group::of(bench, 3).await;
    let leader = group.leader().await;
    let (gone, stays) = ((leader + 1) % 3, (leader + 2) % 3);
    let node = gone as u64 + 1;
    group.at(leader).add(1).await;
    let inner = group.at(leader).node.group();
    assert_eq!(inner.remove(node).await, Ok(true));
    assert_eq!(voters(&group, leader), all_but(node));
    assert_eq!(inner.remove(node).await, Ok(false), "it may be repeated");
    let refused = inner.remove(9).await.unwrap_err();
    assert_eq!(
        refused,
        ProposeError::Unknown { what: "this cluster never had a master m9".into() }
    );
    let follower = group.at(stays).node.group();
    let refused = follower.remove(node).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { leader: Some(_) }), "{refused}");

    // So many entries that a restarted master finds them only in its snapshot.
    for _ in 0..600 {
        group.at(leader).add(1).await;
    }
    group.reaches(stays, (601, 601)).await;
    drop((inner, follower));
    group.stop(stays).await;
    group.start_again(stays).await;
    let (leader, known) = (group.leader().await, group.at(stays).node.group());
    assert_eq!(known.removed(), [node].into());
    let inner = group.at(leader).node.group();
    let refused = inner.admit(node, &group.addresses[gone]).await.unwrap_err().to_string();
    assert!(refused.contains("its number is not used again\nhint: give --id 4"), "{refused}");
    assert!(group.bench.fatal.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_master_is_removed_and_a_leader_hands_over_first() {
    let mut group = Group::of(Bench::new(), 3).await;
    let leader = group.leader().await;
    let (away, next) = ((leader + 1) % 3, (leader + 2) % 3);
    group.at(leader).add(1).await;
    group.stop(away).await;
    let inner = group.at(leader).node.group();
    assert_eq!(inner.remove(away as u64 + 1).await, Ok(true));
    let named = inner.remove(leader as u64 + 1).await;
    let address = group.addresses[next].clone();
    assert_eq!(named, Err(ProposeError::NotLeader { leader: Some(address) }));
    let inner = group.at(next).node.group();
    assert_eq!(inner.remove(leader as u64 + 1).await, Ok(true));
    assert_eq!(voters(&group, next), [next as u64 + 1]);
    assert_eq!(group.at(next).add(1).await, 2, "one is a group, too");
    let refused = inner.remove(next as u64 + 1).await.unwrap_err();
    assert!(matches!(refused, ProposeError::Needed { .. }), "{refused}");
    assert!(refused.to_string().contains("gristmill masters add"), "{refused}");
    assert_eq!(inner.removed().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn next_leader_completes_an_interrupted_removal() {
    // Of three, the two that are to stay are both needed.
    let mut group = Group::of(Bench::new(), 4).await;
    let leader = group.leader().await;
    let (goes, stays) = ((leader + 1) % 4, (leader + 2) % 4);
    let node = goes as u64 + 1;
    group.at(leader).add(1).await;
    for place in 0..4 {
        group.reaches(place, (1, 1)).await;
    }
    let inner = group.at(leader).node.group();
    let mut metrics = inner.raft().metrics();
    let begun = async {
        while !inner.is_changing() {
            metrics.changed().await.unwrap();
        }
    };
    let out = ChangeMembers::RemoveVoters([node].into());
    // The caller gives up after the first of two steps.
    tokio::select! {
        biased;
        () = begun => {}
        ended = inner.raft().change_membership(out, false) => {
            panic!("both steps at once: {ended:?}");
        }
    }
    drop(inner);
    group.stop(leader).await;
    let next = group.leader().await;
    let inner = group.at(next).node.group();
    // What the old leader had not sent is lost with it.
    let has_begun = inner.is_changing();
    let _ended_or_led_by_who_is_removed = inner.end_change().await;
    let expected: Vec<u64> = (1..=4).filter(|&it| !has_begun || it != node).collect();
    let known = group.at(stays).node.group();
    let ended = async {
        while known.is_changing() || voters(&group, stays) != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    assert!(ended.is_ok(), "{:?}", known.members());
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_masters_folder_does_not_start() {
    let mut group = Group::of(Bench::new(), 2).await;
    let leader = group.leader().await;
    let gone = 1 - leader;
    let node = gone as u64 + 1;
    assert_eq!(group.at(leader).node.group().remove(node).await, Ok(true));
    let inner = group.at(gone).node.group();
    // It may not have been notified.
    tokio::time::sleep(Duration::from_millis(10)).await;
    let said = inner.note_removed();
    assert!(matches!(said, Error::Removed { node: named, .. } if named == node), "{said}");
    drop(inner);
    group.stop(gone).await;
    for begin in [Begin::Nothing, Begin::Member { cluster: 0xc1 }] {
        let mut options = group.bench.options(&group.folder(gone), begin);
        options.node = node;
        let refused = Node::open(options, Arc::<Counter>::default()).await;
        let refused = refused.map(|_: Node| ()).unwrap_err().to_string();
        assert_eq!(refused, said.to_string());
    }
    assert!(
        said.to_string().contains("join again with an empty folder and another --id"),
        "{said}"
    );
}
