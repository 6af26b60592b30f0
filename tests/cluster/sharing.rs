//! Jobs that run at the same time get equal shares of the cluster, and cannot see each other's files.

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::trial::{Trial, counted, maps_done, status};
use crate::until::until;

/// Fewest samples that must be taken while both jobs map.
const LOOKS_MIN: usize = 5;

#[test]
fn two_jobs_at_once_share_the_slots_and_give_the_bytes_of_each_alone() -> Result {
    let fleet = Fleet::start(2, 2)?;
    let mut trials = [Trial::new(8, 3, 5), Trial::new(8, 5, 5)];
    for (trial, output) in trials.iter_mut().zip(["out-a", "out-b"]) {
        trial.output = output;
    }
    let jobs = [trials[0].submit(&fleet)?, trials[1].submit(&fleet)?];
    maps_done(&fleet, &jobs[1], 4)?;
    let mut held = [0; 2];
    let mut looks = 0;
    until("a job is through with its maps", || {
        let mut running = [0; 2];
        for (job, running) in jobs.iter().zip(&mut running) {
            // Reduces may begin once half of the maps are done, and then take slots too.
            let status = status(&fleet, job)?;
            if status["maps"]["done"].as_u64() > Some(150) {
                return Ok(true);
            }
            let attempts = Attempts::of(&fleet, job)?;
            *running = attempts.all(|attempt| attempt.state == "running").len();
        }
        assert!(running.iter().all(|&running| running > 0), "one starves: {running:?}");
        held = [held[0] + running[0], held[1] + running[1]];
        looks += 1;
        Ok(false)
    })?;
    assert!(looks >= LOOKS_MIN, "only {looks} looks");
    // The shares are equal, except for changes between two samples.
    let share = held[0] * 100 / (held[0] + held[1]);
    assert!((40..=60).contains(&share), "{held:?} in {looks} looks");

    for (trial, job) in trials.iter().zip(&jobs) {
        let after = trial.check(&fleet, job)?;
        assert!(after.iter().all(|attempt| attempt.state == "succeeded"), "{after:?}");
        assert_eq!(counted(&fleet, job, "attempts_rerun")?, 0);
    }
    check_nothing_is_left(fleet, &["alone-out-a", "alone-out-b", "out-a", "out-b"])
}
