//! The laws that a job must obey, each with a one-line description.

use std::fmt;

/// A property of jobs that the framework relies on. If a job breaks a law, its results depend on the cluster, on memory
/// or on chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// The job's flags do not clash with the flags that every job has.
    FlagsDoNotClash,
    /// The job value is unchanged after it is sent to another process.
    JobSurvives,
    /// Mapping the same record twice gives the same output.
    MapIsDeterministic,
    /// The input format finds the same records wherever a file is cut.
    RecordsAreFound,
    /// A key that is written and read again is the same key.
    KeysRoundTrip,
    /// Key bytes sort as the key's `Ord` does. Checked only by [`key_order`](super::key_order), because few keys need
    /// an `Ord`.
    KeysSort,
    /// The partition is a function of the key (of the group, for grouped keys) and the number of parts.
    PartitionIsOfKey,
    /// The result does not depend on where the input is cut.
    CutsDoNotShow,
    /// Reducing the same values twice gives the same output.
    ReduceIsDeterministic,
    /// A combined value can be folded like the values it was combined from.
    CombinerRoundTrips,
    /// Values may be combined in any grouping.
    CombinerIsAssociative,
    /// Values may be combined in any order. Only checked if the combiner is declared exact.
    CombinerIsCommutative,
    /// The combiner may be applied to all of a key's values, to some, or to none.
    CombinerIsOptional,
    /// The reduce does not depend on the order of equal keys' values.
    ValueOrderDoesNotShow,
    /// The result does not depend on the number of reducers.
    ReducersDoNotShow,
    /// Counters and side outputs do not depend on how the work was done.
    TotalsDoNotShow,
    /// A run with threads, spills and files writes the results that these laws imply.
    RunAgrees,
}

impl Law {
    /// The laws of every job, in the order in which they are checked. A broken law can make later ones look broken too.
    pub const ALL: [Self; 16] = [
        Self::FlagsDoNotClash,
        Self::JobSurvives,
        Self::MapIsDeterministic,
        Self::RecordsAreFound,
        Self::KeysRoundTrip,
        Self::PartitionIsOfKey,
        Self::CutsDoNotShow,
        Self::ReduceIsDeterministic,
        Self::CombinerRoundTrips,
        Self::CombinerIsAssociative,
        Self::CombinerIsCommutative,
        Self::CombinerIsOptional,
        Self::ValueOrderDoesNotShow,
        Self::ReducersDoNotShow,
        Self::TotalsDoNotShow,
        Self::RunAgrees,
    ];
}

impl fmt::Display for Law {
    /// Writes a clause, such as `the map is deterministic`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FlagsDoNotClash => {
                "the job's flags do not clash with the flags that every job has"
            }
            Self::JobSurvives => {
                "the job value does not change when it is serialized and deserialized"
            }
            Self::MapIsDeterministic => "the map is deterministic",
            Self::RecordsAreFound => {
                "the input format finds the same records wherever a file is cut"
            }
            Self::KeysRoundTrip => "keys do not change when they are written and read back",
            Self::KeysSort => "the bytes of keys sort in the same order as the keys",
            Self::PartitionIsOfKey => "the partition is a function of the key",
            Self::CutsDoNotShow => "the result does not depend on where the input is cut",
            Self::ReduceIsDeterministic => "the reduce is deterministic",
            Self::CombinerRoundTrips => "the combiner accepts its own results as values",
            Self::CombinerIsAssociative => "the combiner is associative",
            Self::CombinerIsCommutative => "the combiner is commutative",
            Self::CombinerIsOptional => "the combiner may be applied zero, one or many times",
            Self::ValueOrderDoesNotShow => "the reduce does not depend on the order of values",
            Self::ReducersDoNotShow => "the result does not depend on the number of reducers",
            Self::TotalsDoNotShow => {
                "counters and side outputs do not depend on how the work is done"
            }
            Self::RunAgrees => "a real run writes the result that the laws predict",
        })
    }
}
