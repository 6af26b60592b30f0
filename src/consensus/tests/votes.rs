//! What a leader does when it receives an answer with a later vote than its own.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::{BasicNode, RaftNetwork, RaftNetworkFactory};
use tokio::net::TcpListener;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

use super::counting::{Bench, evidence};
use crate::consensus::entry::{Kind, Vote};
use crate::consensus::network::{Core, Line, Network};
use crate::rpc::client::Options;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;
use crate::rpc::server::serve_raft;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest time until a question is asked and answered, if nothing delays it.
const BUSY: Duration = Duration::from_millis(300);

/// A master that has voted for itself in a later term.
struct Later(Vote);

impl Raft for Later {
    async fn append_entries(&self, _: Call) -> Result<Vec<u8>, Refusal> {
        let answer = AppendEntriesResponse::HigherVote(self.0);
        Ok(evidence(2).seal(1, &answer).unwrap())
    }

    async fn vote(&self, _: Call) -> Result<Vec<u8>, Refusal> {
        Err(not_asked())
    }

    async fn stand(&self, _: Call) -> Result<Vec<u8>, Refusal> {
        Err(not_asked())
    }

    async fn install_snapshot(&self, _: Call) -> Result<Vec<u8>, Refusal> {
        Err(not_asked())
    }
}

fn not_asked() -> Refusal {
    Refusal::Invalid { message: "it is only told of signs of life".into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_vote_is_passed_on_after_all_earlier_messages() {
    let bench = Bench::new();
    let running = bench.begin().await;
    let group = running.node.group();
    let core = Core::default();
    core.begin(group.raft().clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let later = Vote::new(9, 2);
    tokio::spawn(serve_raft(listener, Arc::new(Later(later)), std::future::pending()));
    let mut network = Network::new(0xc1, Options::default(), core, evidence(1));
    let line = network.new_client(2, &BasicNode::new(&address)).await;
    let ask = || tokio::spawn(sign_of_life(line.clone()));
    assert_eq!(
        timeout(PATIENCE, ask()).await.unwrap().unwrap(),
        Some(later),
        "nothing is waited for"
    );

    let raft = group.raft();
    let go_on = hold(raft);
    let asked = ask();
    sleep(BUSY).await;
    // Held again when it has heard of the question, before it looks at what it was told.
    let go_on_again = hold(raft);
    drop(go_on);
    sleep(BUSY).await;
    assert!(!asked.is_finished(), "the core has looked at nothing");
    drop(go_on_again);
    assert_eq!(timeout(PATIENCE, asked).await.unwrap().unwrap(), Some(later));
    running.node.close().await;
}

/// Prevents a core from processing anything until the result is dropped.
fn hold(raft: &openraft::Raft<Kind>) -> mpsc::Sender<()> {
    let (go_on, held) = mpsc::channel::<()>();
    raft.external_request(move |_| {
        // Ends with its sender.
        let _gone = block_in_place(|| held.recv());
    });
    go_on
}

/// The later vote with which a heartbeat is answered, if any.
async fn sign_of_life(mut line: Line) -> Option<Vote> {
    let request = AppendEntriesRequest {
        vote: Vote::new_committed(1, 1),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    match line.append_entries(request, RPCOption::new(PATIENCE)).await {
        Ok(AppendEntriesResponse::HigherVote(vote)) => Some(vote),
        _ => None,
    }
}
