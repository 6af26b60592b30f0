//! Sorts and folds map output into partitioned, checksummed spill files, and merges them.
//!
//! The records of a map attempt are divided into partitions, and each partition is sorted by key.
//! What does not fit into memory is *spilled*: written to a [`SpillFile`], one partition after
//! another. A *segment* is one partition of one spill file, and contains a run of sorted records. A
//! *merge* turns several runs into one:
//!
//! ```text
//!  spill files        segments of partition p      one sorted run
//!  ┌────────┐
//!  │0│1│2│3 │──Segment──┐
//!  └────────┘           │
//!  ┌────────┐           ├── LoserTree ── Folded ──► records of p, equal keys together
//!  │0│1│2│3 │──Segment──┤               (equal keys' values as one, if there is a combiner)
//!  └────────┘           │
//!   memory ────Cursor───┘
//! ```
//!
//! Every sorted source is a [`Cursor`]. Merges are stable: records with equal keys stay in the
//! order of their runs, and within a run in the order of its records. [`Merger`] keeps this order
//! over all its passes. It merges until all remaining files can be open at once.

pub mod batch;
pub mod blocks;
pub mod buffer;
mod chunk;
pub mod collect;
pub mod cursor;
pub mod error;
pub mod fold;
pub mod gather;
pub mod group;
pub mod loser_tree;
pub mod merge;
pub mod merge_plan;
pub mod progress;
pub mod run;
pub mod segment;
mod slots;
pub mod sort;
pub mod sorted;
pub mod source;
pub mod spill;
pub mod spill_file;
pub mod spill_index;
pub mod spill_writer;
mod stored;
pub mod table;
#[cfg(test)]
mod tests;

pub use batch::{BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, Mark};
pub use blocks::{BlockCollector, block_bytes};
pub use buffer::{Buffer, Filling};
pub use collect::{Collect, Collected, Partitioner, SortCollector, TableCollector};
pub use cursor::Cursor;
pub use error::{Error, FoldError};
pub use fold::{Fold, Folded, KeepApart, NoFold};
pub use gather::Gatherer;
pub use group::{Group, GroupLen, Groups};
pub use loser_tree::LoserTree;
pub use merge::{MergeLimits, Merged, Merger, merged_segments};
pub use progress::{Counter, ReadProgress};
pub use run::{Run, RunCursor};
pub use segment::Segment;
pub use sorted::SortedRun;
pub use source::Source;
pub use spill::{CollectStats, SpillPlace, Spilled};
pub use spill_file::{SpillFile, SpillHeader};
pub use spill_index::SpillIndex;
pub use spill_writer::SpillWriter;
pub use table::Table;
