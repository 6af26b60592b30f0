//! Tests one master with a clock that the tests control. Its workers and clients are simulated: they only send calls.
#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

#[path = "master/artifacts.rs"]
mod artifacts;
#[path = "master/bench.rs"]
mod bench;
#[path = "master/clients.rs"]
mod clients;
#[path = "master/commits.rs"]
mod commits;
#[path = "master/fake.rs"]
mod fake;
#[path = "master/fellows.rs"]
mod fellows;
#[path = "master/forgetful.rs"]
mod forgetful;
#[path = "master/large.rs"]
mod large;
#[path = "master/leases.rs"]
mod leases;
#[path = "master/outputs.rs"]
mod outputs;
#[path = "master/polls.rs"]
mod polls;
#[path = "master/restart.rs"]
mod restart;
#[path = "master/staged.rs"]
mod staged;
#[path = "master/sweeps.rs"]
mod sweeps;
