//! The code that `proto/build.rs` generates from `proto/*.proto`; only `rpc` uses it.

#![expect(clippy::allow_attributes, reason = "what tonic generates allows what it needs")]

tonic::include_proto!("gristmill");
