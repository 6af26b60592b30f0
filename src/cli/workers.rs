//! Lists workers, and sends them home.

use super::cluster::Cluster;
use super::exit;
use super::refused::Refused;
use super::table::Column::{State, Text, Whole};
use super::table::{Column, Format, list};
use crate::launch::say;
use crate::rpc::jobs::{Jobs, WorkerLine};
use crate::spec::WorkerId;

const HEAD: [Column; 8] = [
    Whole("WORKER"),
    State("STATE"),
    Whole("ADDRESS"),
    Whole("PID"),
    Whole("SLOTS"),
    Whole("RUNNING"),
    Whole("SEEN"),
    Text("MEMORY LIMIT"),
];

/// `gristmill workers`.
pub(super) fn workers(cluster: &Cluster, format: Format) -> Result<u8, Refused> {
    let workers = cluster.ask(async |master| Ok(master.workers().await?))?;
    list(format, &workers, &HEAD, |workers| {
        let row = |worker: &WorkerLine| {
            vec![
                worker.id.to_string(),
                worker.state.clone(),
                worker.address.clone(),
                worker.pid.to_string(),
                worker.slots.to_string(),
                worker.running.to_string(),
                format!("{} ms ago", worker.last_seen_ms),
                worker.limiter.clone(),
            ]
        };
        workers.iter().map(row).collect()
    })
}

/// `gristmill workers drain W`.
pub(super) fn drain(cluster: &Cluster, worker: WorkerId) -> Result<u8, Refused> {
    cluster.ask(async |master| Ok(master.drain(worker).await?))?;
    say(&format!("{worker} takes no new attempts, and leaves when nobody needs its map outputs\n"));
    Ok(exit::OK)
}
