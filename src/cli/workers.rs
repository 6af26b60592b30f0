//! `gristmill workers`: lists workers, and drains one.

use super::cluster::Cluster;
use super::exit;
use super::refused::Refused;
use super::table::Column::{State, Text, Whole};
use super::table::{Column, Format, list};
use crate::launch::say;
use crate::model::WorkerId;
use crate::rpc::jobs::{Jobs, WorkerLine};

/// Milliseconds that a lost worker, or one that left, stays in the default list.
const GONE_MS_MAX: u64 = 600_000;

const HEAD: [Column; 9] = [
    Whole("WORKER"),
    State("STATE"),
    Whole("ADDRESS"),
    Whole("PID"),
    Whole("SLOTS"),
    Whole("RUNNING"),
    Whole("SEEN"),
    Text("MEMORY LIMIT"),
    Text("EXCLUDED"),
];

/// Runs `gristmill workers`. Without `all`, workers that were lost or left long ago are left out.
pub(super) fn workers(cluster: &Cluster, format: Format, all: bool) -> Result<u8, Refused> {
    let mut workers = cluster.ask(async |master| Ok(master.workers().await?))?;
    workers.retain(|worker| all || is_current(worker));
    list(format, &workers, &HEAD, |workers| {
        let row = |worker: &WorkerLine| {
            vec![
                worker.id.to_string(),
                worker.state.to_string(),
                worker.facts.address.clone(),
                worker.facts.pid.to_string(),
                worker.facts.slots.to_string(),
                worker.running.to_string(),
                format!("{} ms ago", worker.last_seen_ms),
                worker.facts.limiter.clone(),
                excluded(worker),
            ]
        };
        workers.iter().map(row).collect()
    })
}

fn is_current(worker: &WorkerLine) -> bool {
    !worker.state.is_gone() || worker.last_seen_ms <= GONE_MS_MAX
}

/// Describes why and until when a worker is excluded; empty if it is not.
fn excluded(worker: &WorkerLine) -> String {
    let exclusion = worker.exclusion.as_ref();
    exclusion.map(|it| format!("until {}: {}", it.until, it.reason)).unwrap_or_default()
}

/// Runs `gristmill workers drain W`.
pub(super) fn drain(cluster: &Cluster, worker: WorkerId) -> Result<u8, Refused> {
    cluster.ask(async |master| Ok(master.drain(worker).await?))?;
    say(&format!("{worker} takes no new attempts, and leaves when no job needs its map outputs\n"));
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkerState;
    use crate::rpc::jobs::ExclusionLine;

    fn worker(state: WorkerState, last_seen_ms: u64) -> WorkerLine {
        WorkerLine {
            id: WorkerId(1),
            state,
            exclusion: None,
            running: 0,
            last_seen_ms,
            facts: Default::default(),
            room: Default::default(),
        }
    }

    #[test]
    fn workers_gone_for_long_are_not_listed() {
        for (state, last_seen_ms, is_listed) in [
            (WorkerState::Alive, 0, true),
            (WorkerState::Alive, u64::MAX, true),
            (WorkerState::Lost, GONE_MS_MAX, true),
            (WorkerState::Lost, GONE_MS_MAX + 1, false),
            (WorkerState::Left, GONE_MS_MAX, true),
            (WorkerState::Left, GONE_MS_MAX + 1, false),
        ] {
            assert_eq!(is_current(&worker(state, last_seen_ms)), is_listed, "{state}");
        }
    }

    #[test]
    fn exclusion_is_shown_with_reason_and_end() {
        let (trouble, reason) = ("scratch".into(), "its disk was full".into());
        let until = "2026-11-30T10:00:00Z".into();
        let exclusion = Some(ExclusionLine { trouble, reason, until });
        let shown = excluded(&WorkerLine { exclusion, ..worker(WorkerState::Excluded, 0) });
        assert_eq!(shown, "until 2026-11-30T10:00:00Z: its disk was full");
        assert_eq!(excluded(&worker(WorkerState::Alive, 0)), "");
    }
}
