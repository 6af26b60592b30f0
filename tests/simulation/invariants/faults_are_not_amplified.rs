//! Checks that a fault costs only what it touches: the number of attempts is bounded by the tasks and by what was lost.

/// Returns how many attempts a lost worker may cost: all its maps, and the attempts on it and on workers that fetched
/// from it.
fn lost_with_a_worker(tasks: u64) -> u64 {
    tasks
}

pub(crate) fn check(
    tasks: u64,
    attempts: u64,
    workers_lost: u64,
    mishaps: u64,
) -> Result<(), String> {
    // Backups and first attempts that fail by chance are at most as many as the tasks. A mishap of the network costs at
    // most the attempt that it struck.
    let most = 2 * tasks + workers_lost * lost_with_a_worker(tasks) + mishaps;
    if attempts <= most {
        return Ok(());
    }
    Err(format!(
        "faults_are_not_amplified: {attempts} attempts for {tasks} tasks, at most {most} are explained"
    ))
}
