//! The code that `proto/build.rs` generates from `proto/*.proto`; only `rpc` uses it.

#![expect(clippy::allow_attributes, reason = "tonic's generated code contains `allow` attributes")]

tonic::include_proto!("gristmill");
