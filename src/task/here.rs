//! Knows which attempt the current thread runs, so that messages about the thread can name the
//! attempt.

use std::cell::Cell;

use crate::model::AttemptId;

thread_local! {
    /// It needs no destructor, so it can be read while the process ends.
    static HERE: Cell<Option<AttemptId>> = const { Cell::new(None) };
}

/// The attempt that this thread runs.
pub(crate) fn attempt_here() -> Option<AttemptId> {
    HERE.get()
}

/// Runs a closure on behalf of an attempt.
pub(crate) fn in_attempt<T>(attempt: Option<AttemptId>, code: impl FnOnce() -> T) -> T {
    let before = HERE.replace(attempt);
    let done = code();
    HERE.set(before);
    done
}
