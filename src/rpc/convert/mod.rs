//! Converts protobuf messages to and from plain data, and refuses messages that do not parse.

mod field;
mod jobs;
mod masters;
mod packed;
mod raft;
mod shuffle;

pub(super) use field::{decode, digest, encode, ids, parsed, wide};

use super::check::invalid;
use super::refusal::Refusal;
use crate::model::add_place;

/// What to do if the peer's messages have a different format.
const SAME_VERSION: &str = "run the same version of gristmill at that address";

/// An answer that cannot be read is the server's fault, while a request would be the caller's.
pub(super) fn answer<T>(read: Result<T, Refusal>, peer: &str) -> Result<T, Refusal> {
    read.map_err(|refusal| Refusal::Internal {
        message: add_place(
            &format!("the answer cannot be decoded: {refusal}\nhint: {SAME_VERSION}"),
            peer,
        ),
    })
}

/// A field that every message of its kind has.
fn required<T>(field: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| invalid(format!("{field} is missing")))
}

/// Reads each of a list.
fn each<W, P: TryFrom<W, Error = Refusal>>(list: Vec<W>) -> Result<Vec<P>, Refusal> {
    list.into_iter().map(P::try_from).collect()
}

/// Writes each of a list.
fn all<P, W: From<P>>(list: Vec<P>) -> Vec<W> {
    list.into_iter().map(W::from).collect()
}
