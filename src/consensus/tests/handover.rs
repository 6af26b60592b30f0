//! Tests that leadership is handed over to the right master, and without an election timeout.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::counting::Bench;
use super::group::Group;
use crate::consensus::{Leadership, ProposeError};

/// Number of groups, and how often leadership is handed over in each: a hundred times in all.
const GROUPS: usize = 5;
const TIMES: u64 = 20;
/// The lease of a silent leader.
const BELIEVED: Duration = Duration::from_millis(600);

/// Hands leadership over, with a pause before each time. Returns how often that worked before an election was needed.
async fn hand_on(times: u64, pause: Duration) -> usize {
    let group = Group::of(Bench::new(), 3).await;
    let mut leader = group.leader().await;
    let mut unnoticed = 0;
    for n in 1..=times {
        assert_eq!(group.at(leader).add(1).await, n);
        sleep(pause).await;
        let next = (leader + 1 + n as usize % 2) % 3;
        let old = group.at(leader).node.group();
        let mut handing = pin!(old.hand_over(Some(next as u64 + 1)));
        let at_once = timeout(BELIEVED, handing.as_mut()).await;
        unnoticed += usize::from(at_once.is_ok());
        let named = match at_once {
            Ok(named) => named,
            Err(_) => handing.await,
        };
        assert_eq!(named, Ok(next as u64 + 1), "{n}");
        let leads = group.at(next).node.group().leadership().borrow().clone();
        assert!(matches!(leads, Leadership::Leads { .. }), "{n}: {leads:?}");
        leader = next;
    }
    for place in 0..3 {
        group.reaches(place, (times, times)).await;
    }
    assert!(group.bench.fatal.lock().unwrap().is_empty());
    unnoticed
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over_a_hundred_times_and_nothing_is_lost() {
    let groups: Vec<_> =
        (0..GROUPS).map(|_| tokio::spawn(hand_on(TIMES, Duration::ZERO))).collect();
    for group in groups {
        group.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_standing_leader_hands_over_at_once() {
    assert!(hand_on(3, 2 * BELIEVED).await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_to_a_live_master_or_stays() {
    let mut group = Group::of(Bench::new(), 3).await;
    let leader = group.leader().await;
    let (away, there) = ((leader + 1) % 3, (leader + 2) % 3);
    group.stop(away).await;
    group.at(leader).add(1).await;
    let named = group.at(leader).node.group().hand_over(None).await;
    assert_eq!(named, Ok(there as u64 + 1));
    assert_eq!(group.at(there).add(1).await, 2);

    group.stop(leader).await;
    let refused = group.at(there).node.group().hand_over(None).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NoSuccessor { .. }), "{refused}");
    let to = Some(away as u64 + 1);
    let refused = group.at(there).node.group().hand_over(to).await.unwrap_err().to_string();
    assert!(refused.contains(&group.addresses[away]), "{refused}");
    group.start_again(away).await;
    // It still leads, or another node does. Either way commands are accepted again.
    let leader = group.leader().await;
    assert_eq!(group.at(leader).add(1).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_leader_hands_over_and_only_to_voters() {
    let group = Group::of(Bench::new(), 2).await;
    let leader = group.leader().await;
    let group = &group;
    let asked = |place: usize, to| async move { group.at(place).node.group().hand_over(to).await };
    assert_eq!(asked(leader, Some(leader as u64 + 1)).await, Ok(leader as u64 + 1));
    let refused = asked(leader, Some(9)).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no voting master m9");
    let refused = asked(1 - leader, None).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { leader: Some(_) }), "{refused}");
}
