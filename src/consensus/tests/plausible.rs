//! Impossible messages are refused, and the group keeps working.

use openraft::raft::{AppendEntriesRequest, VoteRequest};
use openraft::{EntryPayload, LeaderId};

use super::counting::{Bench, evidence};
use super::group::Group;
use crate::consensus::entry::{Entry, Kind, LogId, Vote};
use crate::consensus::plausible::is_term_plausible;
use crate::rpc::client::{Fellow, Options};
use crate::rpc::raft::{Call, Raft};

fn id(term: u64, index: u64) -> LogId {
    LogId::new(openraft::CommittedLeaderId::new(term, 3), index)
}

fn entries(ids: &[(u64, u64)]) -> Vec<Entry> {
    let entry = |&(term, index)| Entry { log_id: id(term, index), payload: EntryPayload::Blank };
    ids.iter().map(entry).collect()
}

fn append(term: u64, prev: Option<LogId>, ids: &[(u64, u64)]) -> AppendEntriesRequest<Kind> {
    AppendEntriesRequest {
        vote: Vote { leader_id: LeaderId::new(term, 3), committed: true },
        prev_log_id: prev,
        entries: entries(ids),
        leader_commit: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_terms_and_entries_are_refused_and_the_group_goes_on() {
    let group = Group::of(Bench::new(), 3).await;
    let leader = group.leader().await;
    assert_eq!(group.at(leader).add(1).await, 1);
    let terms = || group.at(leader).node.group().standing().term;
    let before = terms();
    for place in 0..3 {
        let fellow = Fellow::connect(&group.addresses[place], &Options::default());
        let to = place as u64 + 1;
        let call = |body| Call { cluster: 0xc1, to, body };
        for term in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 32) + before + 1_000] {
            let vote = VoteRequest { vote: Vote::new(term, 3), last_log_id: Some(id(term, 9)) };
            let vote = fellow.vote(call(evidence(3).seal(to, &vote).unwrap())).await;
            let append = evidence(3).seal(to, &append(term, None, &[])).unwrap();
            let append = fellow.append_entries(call(append)).await;
            for refused in [vote, append] {
                let refused = refused.unwrap_err().to_string();
                assert!(refused.contains(&format!("term {term} is impossibly high")), "{refused}");
            }
        }
        for (prev, ids, said) in [
            (Some(id(before, 40)), &[(before, 42)][..], "does not follow"),
            (None, &[(before, 0), (before, 0)], "does not follow"),
            (Some(id(before, 40)), &[(before - 1, 41)], "does not follow"),
            (Some(id(before, u64::MAX)), &[], "cannot have entry"),
            (None, &[(before + 1, 0)], "cannot have entry"),
        ] {
            let append = evidence(3).seal(to, &append(before, prev, ids)).unwrap();
            let refused = fellow.append_entries(call(append)).await.unwrap_err().to_string();
            assert!(refused.contains(said), "{prev:?} {ids:?}: {refused}");
        }
    }
    let leader = group.leader().await;
    assert_eq!(group.at(leader).add(1).await, 2);
    assert_eq!(terms(), before, "nobody took such a term over");
    assert_eq!(group.bench.fatal.lock().unwrap().clone(), []);
}

#[test]
fn terms_far_ahead_are_plausible_up_to_a_bound() {
    assert!(is_term_plausible(7, 7) && is_term_plausible(7, 1) && is_term_plausible(7, 1 << 32));
    assert!(!is_term_plausible(7, (1 << 32) + 8) && !is_term_plausible(1 << 40, u64::MAX));
    assert!(is_term_plausible(u64::MAX - 1, u64::MAX));
}
