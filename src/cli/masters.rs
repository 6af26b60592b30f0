//! `gristmill masters`: lists masters, removes one, makes one the leader, or prints the command that adds one.

use std::net::{SocketAddr, TcpListener};

use serde::Serialize;

use super::cluster::Cluster;
use super::exit;
use super::refused::Refused;
use super::table::Column::{State, Whole};
use super::table::{Column, Format, json, list};
use crate::launch::{print, say};
use crate::model::{MasterId, escape_what};
use crate::rpc::address::parse;
use crate::rpc::masters::{MasterLine, Masters, Role};

const HEAD: [Column; 8] = [
    Whole("MASTER"),
    State("ROLE"),
    Whole("ADDRESS"),
    Whole("PID"),
    Whole("TERM"),
    Whole("APPLIED"),
    Whole("BEHIND"),
    Whole("WEB"),
];

/// Runs `gristmill masters`. Any master can answer, even without a leader.
pub(super) fn masters(cluster: &Cluster, format: Format) -> Result<u8, Refused> {
    let masters = cluster.ask(async |master| Ok(master.masters().await?.masters))?;
    list(format, &masters, &HEAD, |masters| {
        let row = |master: &MasterLine| {
            let known = |number: &dyn ToString| match master.role {
                Role::Unreachable => "-".to_owned(),
                _ => number.to_string(),
            };
            vec![
                master.id.to_string(),
                master.role.to_string(),
                master.address.clone(),
                known(&master.pid),
                known(&master.term),
                known(&master.applied),
                known(&master.behind),
                master.web.clone().unwrap_or_default(),
            ]
        };
        masters.iter().map(row).collect()
    })
}

/// Settings of one more master, and the command that starts it.
#[derive(Debug, Serialize)]
struct Addition {
    id: MasterId,
    listen: String,
    data: String,
    join: String,
    command: String,
}

/// Runs `gristmill masters add`.
pub(super) fn add(cluster: &Cluster, format: Format) -> Result<u8, Refused> {
    let asked = async |master: crate::rpc::client::Master| {
        Ok((master.masters().await?.masters, master.removed().await?.masters))
    };
    let (masters, removed) = cluster.ask(asked)?;
    let added = addition(&masters, &removed)?;
    // Four masters tolerate no more failures than three.
    if masters.len() % 2 == 1 {
        say(&format!(
            "{} masters tolerate no more failures than {}: after this master, add one more\n",
            masters.len() + 1,
            masters.len()
        ));
    }
    Ok(match format {
        Format::Table => print(&format!("{}\n", escape_what(&added.command))),
        Format::Json => print(&json(&added)?),
    })
}

/// Picks the next number that no master ever had, and an address for it.
fn addition(masters: &[MasterLine], removed: &[MasterId]) -> Result<Addition, Refused> {
    let known = masters.iter().map(|master| master.id).chain(removed.iter().copied());
    let id = MasterId(known.max().map_or(1, |last| last.0 + 1));
    let taken: Vec<SocketAddr> =
        masters.iter().filter_map(|master| parse(&master.address).ok()).collect();
    // This assumes that all masters run on this machine.
    let is_free = |at: &SocketAddr| !taken.contains(at) && TcpListener::bind(at).is_ok();
    let last = taken.iter().max_by_key(|at| at.port());
    let mut behind = last
        .into_iter()
        .flat_map(|last| (last.port()..u16::MAX).map(|port| SocketAddr::new(last.ip(), port + 1)));
    let Some(listen) = behind.find(is_free) else {
        return Err(Refused::failed(
            "no port above the masters' ports is free\nhint: start a master with a --listen \
             address of your choice",
        ));
    };
    let (listen, data) = (listen.to_string(), id.to_string());
    let addresses: Vec<&str> = masters.iter().map(|master| master.address.as_str()).collect();
    let join = addresses.join(",");
    let command =
        format!("gristmill master --id {} --listen {listen} --data {data} --join {join}", id.0);
    Ok(Addition { id, listen, data, join, command })
}

/// Runs `gristmill masters remove M`.
pub(super) fn remove(cluster: &Cluster, master: MasterId) -> Result<u8, Refused> {
    let was_member = cluster.ask(async |masters| Ok(masters.remove(master).await?))?;
    say(&match was_member {
        true => {
            format!("{master} is removed: its process ends, and its number is not used again\n")
        }
        false => format!("{master} is not a member of this cluster\n"),
    });
    Ok(exit::OK)
}

/// Runs `gristmill masters transfer M`.
pub(super) fn transfer(cluster: &Cluster, master: MasterId) -> Result<u8, Refused> {
    cluster.ask(async |masters| Ok(masters.transfer(master).await?))?;
    say(&format!("{master} leads\n"));
    Ok(exit::OK)
}
