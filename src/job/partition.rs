//! Partitioners: decide which part of the output a key goes to.

use super::{Job, Result};

/// Assigns keys to partitions.
///
/// It must be a function of the key alone: [`crate::testing`] checks that. For [`crate::record::Grouped`] keys it must
/// be a function of the group.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a partitioner of `{J}`",
    label = "`partitioner` must return `ByHash`, `TotalOrder` or a type with `impl Partition<{J}>`",
    note = "write `fn partitioner(&self) -> impl Partition<Self> {{ TotalOrder }}`, without a \
            semicolon after the partitioner"
)]
pub trait Partition<J: Job>: Send + Sync {
    /// How keys are partitioned. Only [`By::Function`] calls [`Partition::partition`].
    const BY: By = By::Function;

    /// Returns the partition of a key, a number below `parts`.
    fn partition(&self, key: J::Key<'_>, parts: u32) -> Result<u32>;
}

/// The method by which a partitioner assigns keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By a fixed hash of the key's bytes.
    Hash,
    /// By cut points sampled from the input, so that the parts are in key order.
    Range,
    /// By the author's function.
    Function,
}

/// Partitions by a fixed hash of the key's bytes (of the group's, for grouped keys): the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByHash;

impl<J: Job> Partition<J> for ByHash {
    const BY: By = By::Hash;

    fn partition(&self, _: J::Key<'_>, _: u32) -> Result<u32> {
        Ok(0)
    }
}

/// Partitions by ranges of keys, so that the parts, read in order, are sorted as a whole. The cut points are sampled
/// from the input.
#[derive(Clone, Copy, Debug, Default)]
pub struct TotalOrder;

impl<J: Job> Partition<J> for TotalOrder {
    const BY: By = By::Range;

    fn partition(&self, _: J::Key<'_>, _: u32) -> Result<u32> {
        Ok(0)
    }
}
