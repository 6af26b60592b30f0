//! The job as a value: parsed from flags, and sent to its tasks as bytes.

use clap::{ArgMatches, Args, Command};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::probe::{self, Misfit};
use crate::record::value;

/// The abilities that `#[derive(Args, Serialize, Deserialize)]` gives to a job's type: its fields are flags, and its
/// value can be sent to every task as bytes.
///
/// Do not implement it by hand. It has methods rather than supertraits, so that the compiler names all three derives at
/// once if one is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a job: its fields must be flags, and its value must be \
               serializable for the tasks",
    label = "needs all three of `#[derive(Args, Serialize, Deserialize)]`",
    note = "the derive macros need `clap` and `serde` as dependencies of your crate: `cargo add clap --features derive` and \
            `cargo add serde --features derive`"
)]
pub trait JobValue: Sized {
    /// Adds the job's own flags to a command.
    #[doc(hidden)]
    fn with_flags(command: Command) -> Command;

    /// Builds the value from a parsed command line.
    #[doc(hidden)]
    fn from_flags(matches: &ArgMatches) -> Result<Self, clap::Error>;

    /// Serializes the value.
    #[doc(hidden)]
    fn to_bytes(&self) -> Result<Vec<u8>, value::Error>;

    /// Deserializes a value.
    #[doc(hidden)]
    fn from_bytes(bytes: &[u8]) -> Result<Self, value::Error>;

    /// Checks whether values of this type can be read back.
    #[doc(hidden)]
    fn probe() -> Result<(), Misfit>;
}

/// Returns whether two encodings hold the same job value. A `HashSet` or `HashMap` is written in a different order each
/// time, so equal values may have the same bytes in a different order.
pub fn says_the_same(left: &[u8], right: &[u8]) -> bool {
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    left == right || left.len() == right.len() && sorted(left) == sorted(right)
}

#[diagnostic::do_not_recommend]
impl<T: Args + Serialize + DeserializeOwned> JobValue for T {
    fn with_flags(command: Command) -> Command {
        T::augment_args(command)
    }

    fn from_flags(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, value::Error> {
        let mut bytes = Vec::new();
        value::encode_into(self, &mut bytes).map(|()| bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, value::Error> {
        value::decode(bytes)
    }

    fn probe() -> Result<(), Misfit> {
        probe::probe::<T>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap, HashSet};

    use super::*;

    fn bytes(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        value::encode_into(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn order_of_sets_and_maps_does_not_count() {
        let words = || (0..40).map(|n| format!("word {n}"));
        let set = || bytes(&(7, words().collect::<HashSet<_>>()));
        let map = || bytes(&words().map(|word| (word, 1.5)).collect::<HashMap<_, _>>());
        let sorted = || bytes(&words().collect::<BTreeSet<_>>());
        for (one, other) in [(set(), set()), (map(), map()), (sorted(), sorted())] {
            assert!(says_the_same(&one, &other));
            let mut changed = other.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert!(!says_the_same(&one, &changed));
            assert!(!says_the_same(&one, &other[1..]));
        }
        assert!(says_the_same(&bytes(&f64::NAN), &bytes(&f64::NAN)));
    }
}
