//! A labelled bar that shows how much of a worker's slots, memory or disk is in use.

use super::words::{percent, used};
use crate::rpc::jobs::WorkerLine;

/// From this percentage on, a bar warns.
const FULL_PERCENT: u64 = 90;

/// A bar.
pub(super) struct Gauge {
    pub(super) name: &'static str,
    pub(super) percent: u64,
    /// Such as `3.0 of 24.0 GiB`.
    pub(super) text: String,
    pub(super) class: &'static str,
}

impl Gauge {
    /// Slots, memory and disk of a worker, as far as they are known; none for a worker that is gone.
    pub(super) fn of_worker(worker: &WorkerLine) -> Vec<Self> {
        if worker.state.is_gone() {
            return Vec::new();
        }
        let room = &worker.room;
        let slots = format!("{} of {}", worker.running, worker.facts.slots);
        let (running, all) = (worker.running.into(), worker.facts.slots.into());
        // It is good if all slots are in use, so this bar never warns.
        let slots = Self { class: "map", ..Self::of("Slots", running, all, slots) };
        let of = |name, free: u64, all: u64| {
            (all > 0).then(|| Self::of(name, all.saturating_sub(free), all, used(free, all)))
        };
        let memory = of("Memory", room.memory_free_bytes, room.memory_bytes);
        let disk = of("Disk", room.disk_free_bytes, room.disk_bytes);
        [Some(slots), memory, disk].into_iter().flatten().collect()
    }

    fn of(name: &'static str, used: u64, all: u64, text: String) -> Self {
        let percent = if all == 0 { 0 } else { percent(used as f64 / all as f64) };
        let class = if percent >= FULL_PERCENT { "full" } else { "part" };
        Self { name, percent, text, class }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Room, WorkerFacts, WorkerId, WorkerState};

    #[test]
    fn worker_has_bars_for_known_values_only() {
        let room = Room { disk_bytes: 100 << 30, disk_free_bytes: 5 << 30, ..Room::default() };
        let facts = WorkerFacts { slots: 4, ..WorkerFacts::default() };
        let worker = WorkerLine {
            id: WorkerId(1),
            state: WorkerState::Alive,
            exclusion: None,
            running: 4,
            last_seen_ms: 0,
            facts,
            room,
        };
        let bars = Gauge::of_worker(&worker);
        let shown: Vec<_> = bars.iter().map(|it| (it.name, it.percent, it.class)).collect();
        assert_eq!(shown, [("Slots", 100, "map"), ("Disk", 95, "full")]);
        for state in [WorkerState::Lost, WorkerState::Left] {
            let gone = WorkerLine { state, ..worker.clone() };
            assert!(Gauge::of_worker(&gone).is_empty(), "{state}");
        }
        assert_eq!((bars[0].text.as_str(), bars[1].text.as_str()), ("4 of 4", "95.0 of 100.0 GiB"));
    }
}
