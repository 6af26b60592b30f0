//! Tests a worker between a simulated master and executors. Each executor is this test program, started again.

#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what is played here is part of the tests")]

#[path = "worker/attempts.rs"]
mod attempts;
#[path = "worker/cluster.rs"]
mod cluster;
#[path = "worker/executor.rs"]
mod executor;
#[path = "worker/master.rs"]
mod master;
#[path = "worker/outputs.rs"]
mod outputs;
#[path = "worker/polling.rs"]
mod polling;
