//! Joins a cluster: a new master learns the cluster's identity, starts to listen, and then asks for admission.

use std::net::SocketAddr;
use std::path::Path;

use super::cluster::parse;
use super::refused::Refused;
use crate::consensus::IDENTITY_FILE;
use crate::master::Begin;
use crate::model::{Location, MasterId};
use crate::rpc::client::{Master, Options};
use crate::rpc::masters::{Join, Masters};
use crate::rpc::refusal::Refusal;

/// The cluster that a master joins.
pub(super) struct Joining {
    masters: Master,
    id: MasterId,
    /// What the master creates in an empty folder: a new member, or nothing if it has joined, or begun to join, before.
    pub(super) begin: Begin,
}

impl Joining {
    /// Finds out which cluster to join, if any. A master that has begun to join before has an identity file in its
    /// folder, and asks no other master.
    pub(super) async fn of(
        masters: Option<&str>,
        id: u64,
        folder: &Path,
    ) -> Result<Option<Self>, Refused> {
        let Some(masters) = masters else { return Ok(None) };
        let id = MasterId(id);
        let masters = Master::connect(&parse(masters, "--join")?, Options::default())?;
        if folder.join(IDENTITY_FILE).exists() {
            return Ok(Some(Self { masters, id, begin: Begin::Nothing }));
        }
        let list = masters.masters().await?;
        if list.masters.iter().any(|line| line.id == id) {
            return Err(Refused::usage(format!(
                "master {id} has joined this cluster before, but this folder has no identity \
                 file: {}\nhint: restore the folder, or give another --id: a master that has \
                 forgotten its votes must not return under its old number",
                Location::from(folder)
            )));
        }
        if masters.removed().await?.masters.contains(&id) {
            return Err(Refused::usage(format!(
                "master {id} was removed, and its number cannot be used again: {}\nhint: give \
                 another --id; `gristmill masters add` prints one",
                Location::from(folder)
            )));
        }
        Ok(Some(Self { masters, id, begin: Begin::Member { cluster: list.cluster } }))
    }

    /// Asks the cluster to admit this master, unless it is already a member. Must be called once the master listens.
    ///
    /// A master that began to join earlier may already be a voter without knowing it. It therefore listens first, and
    /// asks until a leader answers.
    pub(super) async fn join(self, own: &impl Masters, address: SocketAddr) -> Result<(), Refused> {
        let Self { masters, id, begin } = self;
        let list = own.masters().await?;
        if list.masters.iter().any(|line| line.id == id && line.votes) {
            return Ok(());
        }
        let join = Join { cluster: list.cluster, id, address: address.to_string() };
        loop {
            match masters.join(join.clone()).await {
                Err(Refusal::Unavailable { .. }) if begin == Begin::Nothing => {}
                joined => return Ok(joined?),
            }
        }
    }
}
