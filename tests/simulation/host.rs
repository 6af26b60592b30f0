//! A machine of the simulation: a single-threaded runtime with its own clock, which advances by one millisecond per
//! step.

use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// A machine on which one program runs. Dropping it is a power cut: everything that ran on it is gone at once.
pub(crate) struct Host {
    runtime: Runtime,
    program: JoinHandle<Result<(), String>>,
    /// Milliseconds for which the machine was frozen and that it has not noticed yet.
    behind_ms: u64,
}

impl Host {
    /// Starts a program on its own machine.
    pub(crate) fn start<P>(program: impl FnOnce(Handle) -> P) -> Self
    where
        P: Future<Output = Result<(), String>> + Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without threads or sockets");
        let handle = runtime.handle().clone();
        let program = {
            let _inside = runtime.enter();
            runtime.spawn(program(handle))
        };
        Self { runtime, program, behind_ms: 0 }
    }

    /// Lets a millisecond pass.
    pub(crate) fn step(&mut self) {
        let behind = Duration::from_millis(std::mem::take(&mut self.behind_ms));
        self.runtime.block_on(async {
            if !behind.is_zero() {
                tokio::time::advance(behind).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
    }

    /// Lets a millisecond pass that the machine does not notice before its next step, as with SIGSTOP.
    pub(crate) fn stand_still(&mut self) {
        self.behind_ms += 1;
    }

    /// Returns the result of a future that completes at once.
    pub(crate) fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.runtime.block_on(question)
    }

    /// Returns how the program has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Result<(), String>> {
        if !self.program.is_finished() {
            return None;
        }
        let ended = self.runtime.block_on(&mut self.program);
        Some(ended.unwrap_or_else(|error| Err(error.to_string())))
    }
}
