//! Checks that the encoded bytes of keys sort in the same order as the keys.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::marker::PhantomData;

use super::{Breach, show};
use crate::record::Key;

/// Checks that the bytes of these keys sort as the keys themselves do.
///
/// Parts are sorted by key bytes, and a reduce receives its keys in that order. If `Serialize` and `Ord` are both
/// derived, this is also the order of the keys. If either is written by hand, the two orders can easily differ. So
/// test some keys, including neighbours and extremes, in any order:
///
/// ```
/// use gristmill::prelude::*;
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
/// struct Version {
///     major: u32,
///     minor: u32,
/// }
///
/// let version = |major, minor| Version { major, minor };
/// gristmill::testing::key_order([version(1, 10), version(1, 9), version(0, 300), version(2, 0)]).run();
/// ```
pub fn key_order<'k, K: Key<'k> + Ord + Debug>(
    keys: impl IntoIterator<Item = K>,
) -> KeyOrder<'k, K> {
    KeyOrder { keys: keys.into_iter().collect(), lifetime: PhantomData }
}

/// Keys whose order will be checked; nothing runs before [`run`](Self::run) or [`verdict`](Self::verdict).
#[derive(Debug)]
#[must_use = "a check does nothing until `run` or `verdict` is called"]
pub struct KeyOrder<'k, K> {
    keys: Vec<K>,
    lifetime: PhantomData<&'k ()>,
}

impl<'k, K: Key<'k> + Ord + Debug> KeyOrder<'k, K> {
    /// Sorts the keys and checks all adjacent ones. This implies the order of all pairs.
    ///
    /// # Panics
    ///
    /// If bytes and keys disagree, with a message that names the two keys.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn run(self) {
        if let Err(breach) = self.verdict() {
            panic!("{breach}");
        }
    }

    /// Checks the keys as [`run`](Self::run) does, but returns the breach.
    ///
    /// # Errors
    ///
    /// The first two adjacent keys whose bytes sort differently.
    pub fn verdict(mut self) -> Result<(), Breach> {
        self.keys.sort();
        let mut scratch = Vec::new();
        let mut last: Option<(&K, Vec<u8>)> = None;
        for key in &self.keys {
            let bytes =
                key.encode_key(&mut scratch, |bytes, _| bytes.to_vec()).map_err(|error| {
                    Breach::KeyNotWritten { key: show::debug(key), cause: error.to_string() }
                })?;
            if let Some((before, bytes_before)) = &last {
                let (ord, by_bytes) = ((*before).cmp(key), bytes_before.cmp(&bytes));
                if ord != by_bytes {
                    return Err(Breach::KeysDisagree {
                        left: show::debug(before),
                        right: show::debug(key),
                        ord: name(ord),
                        bytes: name(by_bytes),
                    });
                }
            }
            last = Some((key, bytes));
        }
        Ok(())
    }
}

fn name(ordering: Ordering) -> &'static str {
    match ordering {
        Ordering::Less => "less than",
        Ordering::Equal => "equal to",
        Ordering::Greater => "greater than",
    }
}
