//! Connects each master to the others, with a separate link to each.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use gristmill::master::Master;
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::client;
use gristmill::rpc::client::{RaftCall, Soon};
use gristmill::rpc::masters::{MasterLine, Masters, RemovedList};
use gristmill::rpc::raft::{Call, Raft};

use crate::chance::Chance;
use crate::link::{ANSWER_MAX, Link};
use crate::network::Network;

/// Time limit of a call. Consensus has its own deadlines, and a master that is cut off for longer asks again.
const SAID_MAX: Duration = Duration::from_secs(30);

/// The connections of one master to the others, from one of its starts on.
pub(crate) struct Fellows {
    pub(crate) network: Network,
    pub(crate) here: String,
    pub(crate) seed: u64,
    /// Names the machine and the number of its start.
    pub(crate) place: String,
    pub(crate) links: Mutex<BTreeMap<String, Link>>,
}

impl Fellows {
    fn link(&self, to: &str) -> Link {
        let mut links = self.links.lock().unwrap();
        let link = links.entry(to.to_owned()).or_insert_with(|| {
            let chance = Chance::of(self.seed, &format!("{} to {to}", self.place));
            Link::of_masters(&self.network, &self.here, chance)
        });
        link.clone()
    }
}

impl client::Fellows for Fellows {
    fn deliver(&self, to: &str, what: RaftCall, call: Call) -> Soon<Vec<u8>> {
        let (link, to) = (self.link(to), to.to_owned());
        let (network, callee) = (self.network.clone(), to.clone());
        let caller = self.here.clone();
        let said = move |master: Master| {
            let call = call.clone();
            let (network, callee, caller) = (network.clone(), callee.clone(), caller.clone());
            async move {
                match what {
                    RaftCall::AppendEntries => master.append_entries(call).await,
                    RaftCall::Vote => {
                        let voted = master.vote(call).await;
                        network.note_vote(&callee, &caller);
                        voted
                    }
                    RaftCall::Stand => master.stand(call).await,
                    RaftCall::InstallSnapshot => master.install_snapshot(call).await,
                }
            }
        };
        Box::pin(async move { link.ask_at(&to, SAID_MAX, said).await })
    }

    fn is_refused(&self, to: &str) -> Soon<bool> {
        let (link, to) = (self.link(to), to.to_owned());
        Box::pin(async move { link.is_refused(&to).await })
    }

    fn has(&self, to: &str, digest: Digest) -> Soon<bool> {
        let (link, to) = (self.link(to), to.to_owned());
        let has = move |master: Master| async move { master.has(digest).await };
        Box::pin(async move { link.ask_at(&to, ANSWER_MAX, has).await })
    }

    fn put(&self, to: &str, digest: Digest, file: &Path) -> Soon<()> {
        let (link, to, file) = (self.link(to), to.to_owned(), file.to_path_buf());
        Box::pin(async move { link.put_at(&to, digest, &file).await })
    }

    fn get(&self, to: &str, digest: Digest, file: &Path) -> Soon<()> {
        let (link, to, file) = (self.link(to), to.to_owned(), file.to_path_buf());
        Box::pin(async move { link.get_at(&to, digest, &file).await })
    }

    fn standing(&self, to: &str) -> Soon<MasterLine> {
        let (link, to) = (self.link(to), to.to_owned());
        let standing = move |master: Master| async move { master.standing().await };
        Box::pin(async move { link.ask_at(&to, ANSWER_MAX, standing).await })
    }

    fn removed(&self, to: &str) -> Soon<RemovedList> {
        let (link, to) = (self.link(to), to.to_owned());
        let removed = move |master: Master| async move { master.removed().await };
        Box::pin(async move { link.ask_at(&to, ANSWER_MAX, removed).await })
    }
}
