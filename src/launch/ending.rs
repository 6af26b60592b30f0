//! Handles a job whose own code ends the process: reports that, and removes the run's folders.
//!
//! This module covers `exit`, `quick_exit`, `abort`, failed allocations, and faults such as a stack overflow, on any
//! thread of the process. It reports an exceeded limit of CPU time in the same way.
//!
//! It does not cover `_exit`, `exec` and SIGKILL, which a process cannot intercept. We do not control the exit
//! code in these cases, and the next run with the same output or scratch folder removes the leftovers. A supervising
//! process would notice these cases too, but every run would pay for a fork, and the supervisor would have to forward
//! every signal.

#![expect(
    unsafe_code,
    reason = "only the C library's `atexit` and signal handlers show that a process ends"
)]

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::{io, ptr};

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, c_int};

use super::message::Message;
use super::{exit, say};
use crate::embedded::{Phase, Progress};
use crate::model::size;
use crate::storage::Cleanup;
use crate::task;

/// Signals that end a process because of a fault in its code, or because it has used up its CPU time.
const FAULTS: [c_int; 8] = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU];

// SAFETY: this is how the C library declares it; the function is called without arguments.
unsafe extern "C" {
    /// Registers a function that `quick_exit` calls; part of C11, but not of the crate `libc`.
    fn at_quick_exit(function: extern "C" fn()) -> c_int;
}

/// Maximum seconds for removing the folders after a fault, which may have left locks held.
const FAULT_SECONDS_MAX: u32 = 10;
/// Maximum seconds for removing the folders after a call of `exit`. The job's other threads still run, and may cause a
/// fault.
const EXIT_SECONDS_MAX: u32 = 60;

/// Memory for a thread with its stack, for removing the folders and for the message. It is only reserved, so it takes
/// no physical memory.
const RESERVE_BYTES: usize = 8 << 20;

/// The stack of the thread that removes the folders: a part of the reserve.
const STACK_BYTES: usize = 1 << 20;

/// The run of this process, while the job's code may run.
static RUN: Mutex<Option<Running>> = Mutex::new(None);
/// The process of the run. The job's code may fork, and the end of such a child is not the end of the run.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// Whether the process is ending already.
static IS_ENDING: AtomicBool = AtomicBool::new(false);
/// The previous handler of each of [`FAULTS`].
static BEFORE: [AtomicPtr<libc::sigaction>; FAULTS.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; FAULTS.len()];

struct Running {
    cleanups: Vec<Cleanup>,
    memory_bytes: u64,
    progress: Arc<Progress>,
    to_stdout: bool,
    /// Address space released first, because cleaning up after running out of memory needs some.
    reserve: Vec<u8>,
}

/// Watches a run until it is dropped.
pub(super) struct Watch(());

impl Watch {
    /// Sets the folders to remove if the process ends.
    pub(super) fn covers(&self, cleanups: [Cleanup; 2]) {
        if let Some(running) = run().as_mut() {
            running.cleanups = cleanups.into();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        forget();
    }
}

/// Starts watching: from now on, the end of the process is reported as an end of the run.
pub(super) fn watch(memory_bytes: u64, to_stdout: bool, progress: Arc<Progress>) -> Watch {
    static HOOKED: Once = Once::new();
    PROCESS.store(std::process::id(), Ordering::SeqCst);
    let mut reserve = Vec::new();
    // If there is less address space, the end is reported with the memory that is available.
    let _reserved_or_not = reserve.try_reserve_exact(RESERVE_BYTES);
    let cleanups = Vec::new();
    *run() = Some(Running { cleanups, memory_bytes, progress, to_stdout, reserve });
    HOOKED.call_once(|| {
        // SAFETY: the functions live as long as the process, and do not unwind.
        unsafe {
            libc::atexit(at_exit);
            at_quick_exit(at_quick_exit_of_job);
        }
        for (signal, before) in FAULTS.into_iter().zip(&BEFORE) {
            hook(signal, before);
        }
    });
    Watch(())
}

/// Stops watching: from now on, this process may end without a report.
pub(super) fn forget() {
    run().take();
}

fn run() -> std::sync::MutexGuard<'static, Option<Running>> {
    RUN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hook(signal: c_int, before: &AtomicPtr<libc::sigaction>) {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros are a valid `sigaction`, whose mask is empty; both pointers point to live variables.
    unsafe {
        let mut new: libc::sigaction = MaybeUninit::zeroed().assume_init();
        new.sa_sigaction = at_fault as *const () as usize;
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        if libc::sigaction(signal, &raw const new, old.as_mut_ptr()) == 0 {
            let old = old.assume_init();
            // The signal was ignored when the run started, and stays so.
            if signal == SIGXCPU && old.sa_sigaction == libc::SIG_IGN {
                libc::sigaction(signal, &raw const old, ptr::null_mut());
            }
            before.store(Box::into_raw(Box::new(old)), Ordering::SeqCst);
        }
    }
}

/// Called by the C library when any code calls `exit`.
extern "C" fn at_exit() {
    exited("`exit`");
}

/// Called by the C library when any code calls `quick_exit`.
extern "C" fn at_quick_exit_of_job() {
    exited("`quick_exit`");
}

fn exited(function: &'static str) {
    if std::process::id() != PROCESS.load(Ordering::SeqCst) {
        return;
    }
    if let Some(running) = run().take() {
        IS_ENDING.store(true, Ordering::SeqCst);
        limit_ending(EXIT_SECONDS_MAX);
        end(running, How::Called(function));
    }
}

/// Called on the thread that caused a fault.
extern "C" fn at_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system passes a pointer to the signal's information. Codes above zero are faults; others were sent.
    let is_sent = unsafe { info.as_ref() }.is_none_or(|info| info.si_code <= 0);
    if !is_sent {
        // The standard library recognises a stack overflow and then aborts, which calls this handler again.
        go_on_as_before(signal, info, context);
    }
    let is_ours = std::process::id() == PROCESS.load(Ordering::SeqCst);
    if is_ours && IS_ENDING.swap(true, Ordering::SeqCst) {
        // Another thread or the alarm ends the process.
        loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        }
    }
    if is_ours {
        limit_ending(FAULT_SECONDS_MAX);
        if let Some(mut running) = RUN.try_lock().ok().and_then(|mut run| run.take()) {
            drop(std::mem::take(&mut running.reserve));
            let how = How::Signal(signal);
            let here = task::attempt_here();
            let mut running = Some(running);
            let mut end_it = || {
                if let Some(running) = running.take() {
                    task::in_attempt(here, || end(running, how));
                }
            };
            if !on_thread(&mut end_it) {
                end_it();
            }
        }
    }
    // SAFETY: the default action ends the process, as it would have without us.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Ends the process after this many seconds, if removing the folders takes longer.
fn limit_ending(seconds: u32) {
    // SAFETY: the calls only change how and when this process is ended.
    unsafe {
        // The system sends SIGXCPU again after each further second of CPU time, to any thread.
        libc::signal(SIGXCPU, libc::SIG_IGN);
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(seconds);
    }
}

/// Runs `work` on a new thread and waits for its end, since a signal handler may have very little stack. Returns false
/// if the system cannot start a thread.
///
/// The standard library cannot start the thread: while it reports a stack overflow, it holds a lock that every new
/// thread of its own needs.
fn on_thread(mut work: &mut dyn FnMut()) -> bool {
    extern "C" fn run(work: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: `work` points to the caller's variable, and the caller waits for this thread.
        (unsafe { &mut *work.cast::<&mut dyn FnMut()>() })();
        ptr::null_mut()
    }
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the pointers point to live variables, and the thread is joined only if it was created.
    unsafe {
        let work = (&raw mut work).cast();
        // A stack of the usual size would take all of the reserve.
        let has_size = libc::pthread_attr_init(attributes.as_mut_ptr()) == 0
            && libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_BYTES) == 0;
        let attributes = if has_size { attributes.as_ptr() } else { ptr::null() };
        let is_created = libc::pthread_create(thread.as_mut_ptr(), attributes, run, work) == 0;
        is_created && libc::pthread_join(thread.assume_init(), ptr::null_mut()) == 0
    }
}

fn go_on_as_before(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let place = FAULTS.iter().position(|&fault| fault == signal);
    let Some(before) = place.map(|place| BEFORE[place].load(Ordering::SeqCst)) else { return };
    // SAFETY: the pointer is null or was leaked by `hook`; a handler with SA_SIGINFO is a function of these three
    // arguments.
    unsafe {
        let Some(before) = before.as_ref() else { return };
        let is_none = [libc::SIG_DFL, libc::SIG_IGN].contains(&before.sa_sigaction);
        if !is_none && before.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(before.sa_sigaction);
            handler(signal, info, context);
        }
    }
}

fn name(signal: c_int) -> &'static str {
    match signal {
        SIGABRT => "SIGABRT (it aborted)",
        SIGBUS => "SIGBUS",
        SIGFPE => "SIGFPE",
        SIGILL => "SIGILL",
        SIGSEGV => "SIGSEGV",
        SIGTRAP => "SIGTRAP",
        _ => "SIGSYS",
    }
}

/// What ended the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A function of the C library.
    Called(&'static str),
    /// One of [`FAULTS`].
    Signal(c_int),
}

/// Returns the message: what happened, the state of the result, and what to do.
fn line(how: How, place: &str, when: When) -> String {
    let what = match how {
        How::Signal(SIGXCPU) => "the run has used up its CPU time".to_owned(),
        How::Signal(signal) => {
            format!("the job's own code ended the process: it died of {}{place}", name(signal))
        }
        How::Called(function) => {
            format!("the job's own code ended the process: it called {function}{place}")
        }
    };
    let (state, hint) = told(when);
    let hint =
        if how == How::Signal(SIGXCPU) { "raise the limit of CPU time (ulimit -t)" } else { hint };
    format!("{what}, {state}\nhint: {hint}")
}

/// Removes the run's folders, reports what happened, and ends the process. The exit code is that of a failed job,
/// unless the output is published.
fn end(running: Running, how: How) -> ! {
    // A thread that the job's code started belongs to no known attempt.
    let place = task::attempt_here().map_or_else(String::new, |attempt| format!(" in {attempt}"));
    let mut details: Vec<String> = running
        .cleanups
        .iter()
        .filter_map(|folder| folder.run().err())
        .map(|error| error.to_string())
        .collect();
    if how == How::Signal(SIGABRT) {
        let memory = size::format(running.memory_bytes);
        details.push(format!(
            "if an earlier message says that a memory allocation failed, set --memory below \
             {memory}, or raise the memory limit of the process"
        ));
    }
    let when = When::of(running.progress.phase(), running.to_stdout);
    let line = line(how, &place, when);
    // Exit code 0 guarantees that the output is complete.
    let code = if when == When::Published {
        say(&format!("note: {line}\n"));
        details.iter().for_each(|detail| say(&format!("note: {detail}\n")));
        exit::OK
    } else {
        Message { line, details }.say();
        exit::FAILED
    };
    let _flushed_or_not = io::Write::flush(&mut io::stderr());
    // SAFETY: ends the process without running its exit hooks again.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// When a run was interrupted, or when the job's code ended the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Before any part of its result was visible.
    Running,
    /// While its output was being published.
    Publishing,
    /// When its output was visible and whole.
    Published,
    /// While its result was being written to standard output.
    Writing,
}

impl When {
    /// Returns the state of the result in this phase, for a run to a folder or to standard output.
    pub(super) fn of(phase: Phase, to_stdout: bool) -> Self {
        match (phase, to_stdout) {
            (Phase::Planning | Phase::Mapping | Phase::Reducing, _) => Self::Running,
            (Phase::Committing | Phase::Done, true) => Self::Writing,
            (Phase::Committing, false) => Self::Publishing,
            (Phase::Done, false) => Self::Published,
        }
    }
}

/// Returns the state of the result at that moment, and what to do.
fn told(when: When) -> (&'static str, &'static str) {
    const WAIT: &str = "make the job wait for its threads before it ends";
    match when {
        When::Running => ("and nothing was published", "return an error instead"),
        When::Publishing => (
            "while its output was being published: the output is complete only if it holds \
             _SUCCESS",
            WAIT,
        ),
        When::Published => ("after its output was published: the output is complete", WAIT),
        When::Writing => {
            ("while its result was being written, so standard output is incomplete", WAIT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_process_says_what_became_of_the_output() {
        for (phase, to_stdout, said) in [
            (Phase::Planning, false, "nothing was published"),
            (Phase::Mapping, false, "nothing was published"),
            (Phase::Reducing, true, "nothing was published"),
            (Phase::Committing, false, "complete only if it holds _SUCCESS"),
            (Phase::Done, false, "the output is complete\nhint: make the job wait"),
            (Phase::Done, true, "standard output is incomplete"),
        ] {
            let line = line(How::Called("`exit`"), "", When::of(phase, to_stdout));
            assert!(line.contains(said), "{phase:?}, {to_stdout}: {line}");
        }
    }

    #[test]
    fn each_way_to_end_a_process_is_named() {
        for (how, said) in [
            (How::Called("`quick_exit`"), "it called `quick_exit` in j1/m0#1, and nothing"),
            (How::Signal(SIGTRAP), "it died of SIGTRAP in j1/m0#1, and nothing"),
            (How::Signal(SIGABRT), "it died of SIGABRT (it aborted) in j1/m0#1, and"),
            (
                How::Signal(SIGXCPU),
                "the run has used up its CPU time, and nothing was published\nhint: raise the limit of CPU time (ulimit -t)",
            ),
        ] {
            let line = line(how, " in j1/m0#1", When::Running);
            assert!(line.contains(said), "{line}");
        }
    }
}
