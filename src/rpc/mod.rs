//! Defines the services of masters and workers as traits over plain data. No other module uses
//! protobuf or gRPC.
//!
//! | service | caller | module |
//! |---|---|---|
//! | jobs | a client calls a master | [`jobs`] |
//! | workers | a worker calls a master | [`workers`] |
//! | artifacts | clients and workers call a master | [`artifacts`] |
//! | shuffle | a worker calls a worker | [`shuffle`] |
//! | raft | a master calls a master | [`raft`] |
//! | masters | a client calls a master, or a master another | [`masters`] |
//!
//! Each service is a trait here, implemented by its server and by the client that calls it over the wire.
//!
//! [`server`] and [`client`] are the two ends of a connection. `convert` turns protobuf messages
//! into plain data, and [`check`] checks requests against their limits before any other code sees
//! them.

pub mod address;
pub mod artifacts;
pub mod check;
pub mod client;
mod convert;
mod digest;
pub mod jobs;
pub mod masters;
#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::default_trait_access,
    reason = "generated code makes everything public and uses full paths"
)]
mod pb;
mod pieces;
pub mod raft;
pub mod recipe;
pub mod refusal;
pub mod server;
pub mod shuffle;
mod status;
#[cfg(test)]
mod tests;
pub mod why;
pub mod workers;

use std::time::Duration;

pub use digest::{Digester, digest_of_file};

/// Largest message of the control connections (everything except artifacts and map output), in bytes.
///
/// The longest ones are the answer to a poll with a commit, and the locations of all maps of the largest job.
pub const CONTROL_BYTES_MAX: usize = 64 << 20;
/// Largest message of the data connections, in bytes: a chunk and its frame, with room to spare.
const DATA_BYTES_MAX: usize = 1 << 20;
/// Largest message between masters, in bytes: one entry with its frame. An entry is as large as the control message
/// that caused it.
const RAFT_BYTES_MAX: usize = 2 * CONTROL_BYTES_MAX;
/// How often either end of a connection pings the other.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
/// How long it waits for the answer before it closes the connection.
const KEEPALIVE_WAIT: Duration = Duration::from_secs(3);
/// Flow control windows of one stream, and of one connection.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Longest list of headers, in bytes. Refusals are sent in headers.
const HEADERS_BYTES_MAX: u32 = 64 << 10;
