//! A machine of the simulation: a single-threaded runtime with its own clock, which advances by one millisecond per
//! step.

use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// A machine on which one program runs. Dropping it is a power cut: all that ran on it is gone at once.
pub(crate) struct Host {
    runtime: Runtime,
    program: JoinHandle<Result<(), String>>,
    /// Milliseconds that it stood still and does not know of.
    behind_ms: u64,
}

impl Host {
    /// Starts a program on a machine of its own, once there is one.
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

    /// A millisecond passes.
    pub(crate) fn step(&mut self) {
        let behind = Duration::from_millis(std::mem::take(&mut self.behind_ms));
        self.runtime.block_on(async {
            if !behind.is_zero() {
                tokio::time::advance(behind).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
    }

    /// A millisecond passes that it does not notice before its next step, as with SIGSTOP.
    pub(crate) fn stand_still(&mut self) {
        self.behind_ms += 1;
    }

    /// Asks what is there at once.
    pub(crate) fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.runtime.block_on(question)
    }

    /// How the program has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Result<(), String>> {
        if !self.program.is_finished() {
            return None;
        }
        let ended = self.runtime.block_on(&mut self.program);
        Some(ended.unwrap_or_else(|error| Err(error.to_string())))
    }
}
