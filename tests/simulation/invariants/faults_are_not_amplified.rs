//! Checks that a fault costs only what it touches: the number of attempts is bounded by the tasks and by what was lost.

/// Attempts that a lost worker may cost: all its maps, and what ran on it and on workers that fetched from it.
fn lost_with_a_worker(tasks: u64) -> u64 {
    tasks
}

pub(crate) fn check(
    tasks: u64,
    attempts: u64,
    workers_lost: u64,
    mishaps: u64,
) -> Result<(), String> {
    // Backups and first attempts that fail by chance are never more than the tasks; a mishap of the network costs at
    // most the attempt that it met.
    let most = 2 * tasks + workers_lost * lost_with_a_worker(tasks) + mishaps;
    if attempts <= most {
        return Ok(());
    }
    Err(format!(
        "faults_are_not_amplified: {attempts} attempts for {tasks} tasks, at most {most} are explained"
    ))
}
