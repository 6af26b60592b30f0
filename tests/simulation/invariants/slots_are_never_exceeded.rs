//! Checks that no worker is given more attempts than it has slots, and that every running attempt belongs to a live
//! worker.

use super::Step;

pub(crate) fn check(step: &Step) -> Result<(), String> {
    for worker in step.scheduler.workers() {
        if worker.running > worker.slots {
            let (id, running, slots) = (worker.id, worker.running, worker.slots);
            return Err(format!("slots_are_never_exceeded: {id} has {slots} and runs {running}"));
        }
    }
    let mut running = step.scheduler.running();
    match running.find(|&(_, worker)| step.scheduler.worker(worker).is_none()) {
        Some((attempt, worker)) => {
            Err(format!("slots_are_never_exceeded: {attempt} runs on {worker}, which is not there"))
        }
        None => Ok(()),
    }
}
