//! The process between a worker and its executor. It ends every process that user code has started.
//!
//! ```text
//!   worker ── supervisor ──┬── executor ── processes that user code starts
//!                          └── orphans: such processes whose parent has ended
//! ```
//!
//! The supervisor is a subreaper: the kernel makes it the parent of every orphan below it, even after setsid(2) or a
//! double fork, and even if the orphan's environment is empty. Orphans are killed when the attempt that left them ends.
//! When the executor or the worker ends, even by SIGKILL, the supervisor kills everything that is left. It then ends in
//! the same way as the executor. If the supervisor itself is killed, the kernel kills the executor, and the worker
//! receives the orphans and kills them.
//!
//! We chose this over PID namespaces because process ids in a namespace are not valid outside of it. Executors in
//! different namespaces could have the same process id, so names that contain a process id would no longer be unique.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::ptr;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getppid,
    kill_process, pidfd_open, pidfd_send_signal, set_child_subreaper,
    set_parent_process_death_signal, setrlimit, wait,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::CLOSED;
use crate::procfs::{self, Stat};

/// Pause between two checks for orphans that have ended, while nothing else happens.
const REAP_EVERY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Rounds of killing, with a pause after each: about two seconds, less than the worker waits for this process to die.
/// Only a process that is stuck in the kernel survives them.
const ROUNDS_MAX: usize = 1_500;
const ROUND_PAUSE: Duration = Duration::from_millis(1);
/// Rounds of killing orphans after an attempt. What survives them is killed when the executor ends.
const ORPHAN_ROUNDS_MAX: usize = 200;
/// Added to a signal's number to make the exit code of a supervisor that cannot die of that signal.
const SIGNALED: i32 = 128;

/// Splits this process into a supervisor and the executor. In the supervisor this never returns; the executor receives
/// the supervisor's process id. Returns `None` if there can be no supervisor: this process already has other threads, or
/// the kernel is too old, does not list the children of a process, or has no free process ids. This process is then an
/// executor without a supervisor.
///
/// # Errors
/// The executor cannot be tied to the life of its parent.
pub(super) fn split() -> io::Result<Option<Pid>> {
    let supervisor = getpid();
    let forked = fork_supervised();
    // Without a supervisor, the parent of this process is the worker.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if forked && getppid() != Some(supervisor) {
        std::process::exit(CLOSED);
    }
    Ok(forked.then_some(supervisor))
}

/// Returns true in the new process, and false if there is none.
fn fork_supervised() -> bool {
    let can_split = procfs::thread_count() == Some(1) && procfs::lists_children();
    let Some(worker) = getppid().filter(|_| can_split) else { return false };
    let Ok(worker_ends) = pidfd_open(worker, PidfdFlags::empty()) else { return false };
    if getppid() != Some(worker) {
        // The parent has died since, and another process may have its number.
        std::process::exit(CLOSED);
    }
    if set_child_subreaper(Some(getpid())).is_err() {
        return false;
    }
    match fork() {
        Ok(None) => true,
        Ok(Some(executor)) => supervise(executor, &worker_ends),
        Err(_) => {
            // Nothing here reaps orphans, so this process must not receive them.
            let _back_or_dying = set_child_subreaper(None);
            false
        }
    }
}

/// The new process's id in the old process; `None` in the new process.
#[expect(unsafe_code, reason = "std can start programs, but cannot fork")]
fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: this process has one thread, so no other thread can hold a lock that would stay locked in the new
    // process.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Waits until the executor or the worker ends, kills what is left, and ends as the executor did.
fn supervise(executor: Pid, worker_ends: &OwnedFd) -> ! {
    release_files();
    change_mask(libc::SIG_BLOCK, None);
    let executor_ends = pidfd_open(executor, PidfdFlags::empty()).ok();
    let status = loop {
        let mut polled = vec![PollFd::new(worker_ends, PollFlags::IN)];
        polled.extend(executor_ends.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let _woken_or_time = poll(&mut polled, Some(&REAP_EVERY));
        let is_worker_gone = !polled[0].revents().is_empty();
        let status = reap(executor);
        if status.is_some() || is_worker_gone {
            break status;
        }
    };
    end_children();
    end_as(status)
}

/// Blocks or unblocks one signal, or all. A signal that user code sends to its process group is not meant for this
/// process, which must outlive the executor.
#[expect(unsafe_code, reason = "none of our crates can change the signal mask safely")]
fn change_mask(how: libc::c_int, signal: Option<Signal>) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is filled before it is used. Changing the signal mask of this process's only thread touches no
    // memory.
    unsafe {
        match signal {
            Some(signal) => {
                libc::sigemptyset(set.as_mut_ptr());
                libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
            }
            None => {
                libc::sigfillset(set.as_mut_ptr());
            }
        }
        libc::sigprocmask(how, set.as_ptr(), ptr::null_mut());
    }
}

/// Closes this process's copies of socket and pipe, so that they close when the executor closes them.
fn release_files() {
    if let Ok(empty) = File::options().read(true).write(true).open("/dev/null") {
        let _put = (dup2_stdin(&empty), dup2_stdout(&empty), dup2_stderr(&empty));
    }
    // A crash should leave one core dump, the executor's.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _set_or_two_cores = setrlimit(Resource::Core, none);
}

/// Reaps every child that has ended. Returns how the executor ended, if it is one of them.
fn reap(executor: Pid) -> Option<WaitStatus> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == executor {
            ended = Some(status);
        }
    }
    ended
}

/// Kills all children until there are none. Children of those that die become children of this process.
fn end_children() {
    for _ in 0..ROUNDS_MAX {
        for child in procfs::children(getpid()) {
            // It was not reaped yet, so the process id is still its own.
            let _killed_or_dead = kill_process(child, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        thread::park_timeout(ROUND_PAUSE);
    }
}

/// Ends this process in the way in which the executor ended.
fn end_as(status: Option<WaitStatus>) -> ! {
    let signal = status.and_then(WaitStatus::terminating_signal);
    if let Some(signal) = signal.and_then(Signal::from_named_raw) {
        change_mask(libc::SIG_UNBLOCK, Some(signal));
        // The first SIGSEGV or SIGBUS only removes the handler that Rust's runtime has installed.
        for _ in 0..2 {
            let _dead_or_ignored = kill_process(getpid(), signal);
        }
    }
    let code = status.and_then(WaitStatus::exit_status).unwrap_or(CLOSED);
    leave(signal.map_or(code, |signal| SIGNALED + signal))
}

/// Ends this process without the hooks of libraries, which have run or will run in the executor.
#[expect(unsafe_code, reason = "none of our crates offers a safe _exit")]
fn leave(code: i32) -> ! {
    // SAFETY: the call only ends this process.
    unsafe { libc::_exit(code) }
}

/// Kills orphans of user code. Call this when an attempt has ended.
pub(super) fn end_orphans(supervisor: Pid) {
    let mut is_last = false;
    for _ in 0..ORPHAN_ROUNDS_MAX {
        let (mut has_killed, mut has_dead) = (false, false);
        for pid in procfs::children(supervisor) {
            if pid == getpid() {
                continue;
            }
            // Opened before the second check, so that the process id cannot pass to another process in between.
            let orphan = pidfd_open(pid, PidfdFlags::empty());
            if let Ok(orphan) = orphan
                && is_alive_below(supervisor, pid)
            {
                has_killed = true;
                let _killed_or_gone = pidfd_send_signal(orphan, Signal::KILL);
            } else {
                has_dead = true;
            }
        }
        // Children of an orphan that has just died may have become the supervisor's after the list was read, and the
        // system's list can omit some while others exit. So it looks once more.
        if !has_killed && (is_last || !has_dead) {
            return;
        }
        is_last = !has_killed;
        thread::park_timeout(ROUND_PAUSE);
    }
}

fn is_alive_below(parent: Pid, pid: Pid) -> bool {
    let is_below = |stat: Stat| stat.is_alive && stat.parent == parent.as_raw_pid();
    Stat::read(pid).is_some_and(is_below)
}
