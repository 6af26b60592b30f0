//! The code that `proto/build.rs` generates from `proto/*.proto`; only `rpc` uses it.

#![expect(
    clippy::allow_attributes,
    reason = "tonic's generated code allows the lints that it \
                                              needs"
)]

tonic::include_proto!("gristmill");
