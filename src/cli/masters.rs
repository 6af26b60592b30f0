//! Lists masters, and says which one is to lead.

use super::cluster::Cluster;
use super::exit;
use super::refused::Refused;
use super::table::{Format, list};
use crate::launch::say;
use crate::rpc::masters::{MasterLine, Masters, Role};
use crate::spec::MasterId;

/// `gristmill masters`. Whichever master is asked answers, whether any leads or not.
pub(super) fn masters(cluster: &Cluster, format: Format) -> Result<u8, Refused> {
    let masters = cluster.ask(async |master| Ok(master.masters().await?.masters))?;
    let head = ["MASTER", "ROLE", "ADDRESS", "PID", "TERM", "APPLIED", "BEHIND", "WEB"];
    list(format, &masters, &head, |masters| {
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

/// `gristmill masters transfer M`.
pub(super) fn transfer(cluster: &Cluster, master: MasterId) -> Result<u8, Refused> {
    cluster.ask(async |masters| Ok(masters.transfer(master).await?))?;
    say(&format!("{master} leads\n"));
    Ok(exit::OK)
}
