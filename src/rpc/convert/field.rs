//! Converts single fields: ids to and from text, 128-bit numbers to and from bytes, and values to
//! and from bincode.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::value;
use crate::rpc::artifacts::Digest;
use crate::rpc::check::invalid;
use crate::rpc::refusal::Refusal;

/// An id or a state, strictly in its written form.
pub(in crate::rpc) fn parsed<I: FromStr<Err = crate::model::Error>>(
    text: &str,
) -> Result<I, Refusal> {
    text.parse().map_err(|error: crate::model::Error| invalid(error.to_string()))
}

/// A list of ids.
pub(in crate::rpc) fn ids<I: FromStr<Err = crate::model::Error>>(
    texts: &[String],
) -> Result<Vec<I>, Refusal> {
    texts.iter().map(|text| parsed(text)).collect()
}

/// The written forms of a list of ids.
pub(super) fn texts<I: Display>(ids: &[I]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// A number of 128 bits.
pub(in crate::rpc) fn wide(field: &str, bytes: &[u8]) -> Result<u128, Refusal> {
    let sixteen = bytes
        .try_into()
        .map_err(|_| invalid(format!("{field} must have 16 bytes, got {}", bytes.len())))?;
    Ok(u128::from_be_bytes(sixteen))
}

/// A digest.
pub(in crate::rpc) fn digest(field: &str, bytes: &[u8]) -> Result<Digest, Refusal> {
    wide(field, bytes).map(Digest)
}

/// The bytes of a number of 128 bits.
pub(super) fn bytes(number: u128) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// A value in bincode, which only gristmill reads.
pub(in crate::rpc) fn decode<T: DeserializeOwned>(field: &str, bytes: &[u8]) -> Result<T, Refusal> {
    value::decode(bytes).map_err(|error| {
        invalid(format!(
            "{field} cannot be decoded: {error}\nhint: use the same version of gristmill at both ends of the connection"
        ))
    })
}

/// The bytes of a value in bincode, which only gristmill reads.
pub(in crate::rpc) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value::encode_into(value, &mut bytes)
        .expect("specs, failures and counters have a bounded size, so encoding cannot fail");
    bytes
}
