//! Ends processes that have lost their supervisor, if this worker is the process that adopts orphans.
//!
//! A supervisor (`executor/supervisor.rs`) ends all processes below it. If the supervisor itself is killed, the kernel
//! makes the worker the parent of these processes, because the worker is a subreaper, like the supervisor. A child of
//! the worker counts as such an orphan if it started after the killed supervisor, unless the worker started it itself.
//! Older children do not count, because a shell may have started them before it became this worker by exec(3).

use std::collections::BTreeSet;
use std::io;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};

use crate::procfs::{began, children};

/// Rounds of killing, and the pause after each: one second in all. What survives them is stuck in the kernel.
const ROUNDS_MAX: usize = 200;
const ROUND_PAUSE: Duration = Duration::from_millis(5);

/// The roots of all executors of this process that were not reaped yet.
static ROOTS: Mutex<Roots> = Mutex::new(Roots { adopts: false, alive: BTreeSet::new() });

#[derive(Debug)]
struct Roots {
    /// Whether this process receives orphans.
    adopts: bool,
    alive: BTreeSet<i32>,
}

fn roots() -> MutexGuard<'static, Roots> {
    ROOTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, this process receives the orphans of its executors and ends them.
///
/// Call this only in a process that starts nothing but executors, since other children count as orphans.
///
/// # Errors
/// The error of the system.
pub fn adopt() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    roots().adopts = true;
    Ok(())
}

/// Kills and reaps what executors of a process that called [`adopt`] have left, and executors that no launcher has
/// started.
pub fn end_orphans() {
    let adopts = roots().adopts;
    if let Some(since) = began(getpid()).filter(|_| adopts) {
        end(since);
    }
}

/// Starts the root of an executor.
pub(super) fn start(spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
    // Locked while the child starts, so that it is not mistaken for an orphan.
    let mut roots = roots();
    let child = spawn()?;
    roots.alive.insert(Pid::from_child(&child).as_raw_pid());
    Ok(child)
}

/// Reaps the root of an executor, which has ended. If it was killed, ends the orphans that it has left; otherwise reaps
/// those that have ended.
pub(super) fn reap<T>(root: Pid, was_killed: bool, wait: impl FnOnce() -> T) -> T {
    let mut roots = roots();
    let since = began(root).filter(|_| roots.adopts);
    // Removed before the process id can pass to another root, which needs the lock.
    let reaped = wait();
    roots.alive.remove(&root.as_raw_pid());
    drop(roots);
    match since {
        Some(since) if was_killed => end(since),
        Some(since) => drop(look(since, false)),
        None => {}
    }
    reaped
}

/// Kills and reaps all children of this process that are not roots and that began after this time, in clock ticks
/// since boot. Their children then become children of this process.
fn end(since: u64) {
    let mut is_last = false;
    for _ in 0..ROUNDS_MAX {
        let is_done = look(since, true);
        if is_done && is_last {
            return;
        }
        // The system's list can omit some children while others exit, so one empty look is not enough.
        is_last = is_done;
        thread::park_timeout(ROUND_PAUSE);
    }
}

/// Reaps the orphans that have ended, and kills the others if `kills`. Returns whether there were none.
fn look(since: u64, kills: bool) -> bool {
    // Locked, so that no executor starts here and is mistaken for an orphan.
    let roots = roots();
    let is_orphan = |child: &Pid| {
        !roots.alive.contains(&child.as_raw_pid())
            && began(*child).is_some_and(|began| began >= since)
    };
    let mut is_done = true;
    for child in children(getpid()).into_iter().filter(is_orphan) {
        is_done = false;
        // It was not reaped yet, so the process id is still its own.
        let _killed_or_dead = if kills { kill_process(child, Signal::KILL) } else { Ok(()) };
        let _reaped_or_running = waitpid(Some(child), WaitOptions::NOHANG);
    }
    is_done
}
