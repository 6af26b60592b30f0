//! The key encoding's promises: exact bytes, order, round trips, and errors instead of panics.

mod golden;
mod malformed;
mod order;
mod shapes;

use serde::Serialize;

use super::encode;

/// Returns a copy of a key's bytes.
fn encoded<K: Serialize + ?Sized>(key: &K) -> Vec<u8> {
    encode(key, &mut Vec::new(), <[u8]>::to_vec).expect("encodes")
}
