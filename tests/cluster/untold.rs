//! A worker is killed after the master has accepted its attempt's success, but before the worker learns of that.

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::proxy::Proxy;
use crate::trial::{Trial, counted, maps_done, reduces};
use crate::until::until;

/// Cuts off the last worker while attempts run there, waits until they have succeeded, and kills the worker before it
/// learns of that. Returns the worker and the tasks.
fn win_untold(fleet: &mut Fleet, proxy: &Proxy, job: &str) -> Result<(String, Vec<String>)> {
    let number = fleet.numbers().last().ok_or("no workers")?;
    let victim = fleet.id(number)?;
    let mut struck: Vec<String> = Vec::new();
    until("the fault strikes attempts", || {
        proxy.keep_answers_back();
        let now = Attempts::of(fleet, job)?;
        // An attempt that has an executor can end without another answer from the master.
        let running = now.running_on(&victim).into_iter().filter(|attempt| attempt.pid != 0);
        struck = running.map(|attempt| attempt.task.clone()).collect();
        if struck.is_empty() {
            proxy.let_answers_through();
        }
        Ok(!struck.is_empty())
    })?;
    until("its attempts have won", || {
        let now = Attempts::of(fleet, job)?;
        Ok(struck.iter().all(|task| now.at(task)[0].state == "succeeded"))
    })?;
    // The worker never learns of the attempts that the master has assigned since then.
    assert!(!Attempts::of(fleet, job)?.running_on(&victim).is_empty());
    fleet.kill(number)?;
    Ok((victim, struck))
}

#[test]
fn map_with_unacknowledged_win_runs_again_after_worker_death() -> Result {
    let mut fleet = Fleet::start(1, 2)?;
    let proxy = Proxy::start(&fleet.master().address)?;
    fleet.add_worker_at(proxy.address())?;
    let trial = Trial::new(15, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, 20)?;
    let (victim, won) = win_untold(&mut fleet, &proxy, &job)?;

    let after = trial.check(&fleet, &job)?;
    for map in &won {
        let attempts = after.at(map);
        assert_eq!((attempts[0].worker.as_str(), attempts[0].cause.as_str()), (&*victim, "none"));
        assert_eq!(attempts.len(), 2, "{attempts:?}");
        assert_eq!(attempts[1].state, "succeeded");
    }
    let lost = after.lost();
    assert!(!lost.is_empty());
    assert!(lost.iter().all(|lost| lost.worker == victim && lost.cause == "worker_lost"));
    assert!(counted(&fleet, &job, "attempts_rerun")? >= (won.len() + lost.len()) as u64);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn reduce_with_unacknowledged_win_counts_after_worker_death() -> Result {
    let mut fleet = Fleet::start(1, 2)?;
    let proxy = Proxy::start(&fleet.master().address)?;
    fleet.add_worker_at(proxy.address())?;
    // There are enough reduces that some are left to assign when these have succeeded, however uneven they are.
    let trial = Trial::new(4, 16, 250);
    let job = trial.submit(&fleet)?;
    reduces(&fleet, &job)?;
    let (victim, won) = win_untold(&mut fleet, &proxy, &job)?;

    let after = trial.check(&fleet, &job)?;
    for reduce in &won {
        let attempts = after.at(reduce);
        assert_eq!(attempts.len(), 1, "its part lies in staging: {attempts:?}");
        assert_eq!((attempts[0].kind.as_str(), &*attempts[0].worker), ("reduce", &*victim));
    }
    let lost = after.lost();
    assert!(!lost.is_empty());
    assert!(lost.iter().all(|lost| lost.worker == victim && lost.cause == "worker_lost"));
    assert!(counted(&fleet, &job, "attempts_rerun")? >= lost.len() as u64);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}
