//! What an attempt must do, and its result.

use serde::{Deserialize, Serialize};

use super::{Counters, Volume};

/// The work of an attempt. `P` names the plan, and `M` what a reduce reads.
///
/// For a worker, the plan is an artifact, and it must fetch the map outputs. For an executor, the plan and the map
/// outputs are in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work<P, M> {
    /// Lists the input, cuts splits, samples cut points, creates the output's staging folder, and makes the plan.
    Plan,
    /// Maps the split of the task's index, and those of the maps that have joined it, to one map output. The map of a
    /// map-only job writes a part instead.
    Map {
        /// The plan.
        plan: P,
        /// The maps that have joined it so far, in order. More may join while it runs.
        joined: Vec<u32>,
    },
    /// Merges the task's partition of all maps, and reduces it to a part.
    Reduce {
        /// The plan.
        plan: P,
        /// The maps.
        maps: M,
    },
    /// Publishes the winners' parts.
    Commit {
        /// For each map, the number of the winning attempt, whose side outputs belong to the output. If that attempt's map
        /// output was lost later, it still counts. 0 for a map that left nothing in staging.
        maps: Vec<u32>,
        /// For each reduce, the number of the winning attempt.
        reduces: Vec<u32>,
        /// The winners' counters, for the manifest.
        counters: Counters,
        /// Time for the manifest, as RFC 3339 in UTC.
        created: String,
    },
    /// Removes everything that a failed or cancelled job has left in staging.
    Sweep,
}

/// The result of a successful attempt. `P` names the plan, and `O` where a map's output is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done<P, O> {
    /// Of a plan.
    Plan {
        /// The plan. Its bytes depend only on the job and its input.
        plan: P,
        /// Number of maps.
        splits: u32,
        /// Number of reduces; 0 for a map-only job.
        reducers: u32,
        /// Bytes of all input, without streams of unknown length.
        input_bytes: u64,
        /// The plan's counters.
        counters: Counters,
    },
    /// Of a map, whose output is sealed, or whose part is in staging.
    Map {
        /// Where its output is.
        output: O,
        /// How many of the maps that joined the attempt are in the output.
        joined: u32,
        /// Digest of the digests of its partitions.
        digest: u64,
        /// Its size in bytes.
        bytes: u64,
        /// Whether it sealed something in staging: a part, side outputs or bad records.
        is_staged: bool,
        /// The attempt's counters.
        counters: Counters,
        /// What it has read, written and used, for all maps that are in it.
        volume: Volume,
    },
    /// Of a reduce, whose part is in staging.
    Reduce {
        /// The attempt's counters.
        counters: Counters,
        /// How much it has read, and its keys with the most records.
        volume: Volume,
    },
    /// Of a commit: the output is published.
    Commit {
        /// Records of the whole output.
        records: u64,
        /// Bytes of the whole output.
        bytes: u64,
    },
    /// Of a sweep.
    Sweep,
}

impl<P, O> Done<P, O> {
    /// What a map or a reduce has read, written and used.
    pub fn volume_mut(&mut self) -> Option<&mut Volume> {
        match self {
            Self::Map { volume, .. } | Self::Reduce { volume, .. } => Some(volume),
            Self::Plan { .. } | Self::Commit { .. } | Self::Sweep => None,
        }
    }
}
