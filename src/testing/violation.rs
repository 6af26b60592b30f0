//! Describes how a job breaks a law: the facts, and one sentence that also says what to do.

use super::Law;

/// Error of a job that breaks a law or cannot be checked. Its `Display` is one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{breach} (seed {seed}, input {input})")]
pub struct Violation {
    /// How the law is broken, with the facts.
    pub breach: Breach,
    /// The seed for [`super::Check::seed`] that reproduces this.
    pub seed: u64,
    /// The smallest input found that shows the breach, escaped and shortened.
    pub input: String,
}

/// How a job breaks a law. Keys, values, records and results in it are escaped and shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// The check itself could not run, for example because the job has no input of the given name.
    #[error("the check could not be run: {cause}")]
    NotRun {
        /// The cause.
        cause: String,
    },
    /// The input has no records.
    #[error("the input has no records, so nothing can be checked; give some with `.input(…)`")]
    NoRecords,
    /// There is a combiner, but no key has enough values to combine.
    #[error(
        "no key of the input has three values, even with each record in its own map task, so \
         the combiner cannot be checked; give input in which some key has at least three values"
    )]
    NoKeyRepeats,
    /// The job's code returned an error.
    #[error(
        "{step} failed{}: {message}; fix the error, or check with input that the job accepts",
        near(record, at)
    )]
    Failed {
        /// The part of the job that failed.
        step: &'static str,
        /// Its error message.
        message: String,
        /// Where it failed, as `file:line`, if known.
        at: Option<String>,
        /// The record that it was called with, if any.
        record: Option<String>,
    },
    /// Breaks [`Law::FlagsDoNotClash`].
    #[error("the job's flags clash: {clashes}")]
    FlagsClash {
        /// The type, its fields, and what to do.
        clashes: String,
    },
    /// Breaks [`Law::JobSurvives`]: the serialized job value cannot be read, or changes when it is written again.
    #[error(
        "the job value does not survive serialization: {problem}; use field types whose \
         `Serialize` and `Deserialize` are inverses of each other"
    )]
    JobNotReadable {
        /// What went wrong.
        problem: String,
    },
    /// Breaks [`Law::JobSurvives`]: the copy that tasks work with behaves differently.
    #[error(
        "the job value does not survive serialization: {place} the original value gives \
         {original}, but its copy in a task gives {copy}; serialize every field that map or \
         reduce uses, or fill that field in `setup`"
    )]
    JobLosesField {
        /// The record or key for which the outputs differ.
        place: String,
        /// The output of the original value.
        original: String,
        /// The output of its serialized copy.
        copy: String,
    },
    /// Breaks [`Law::MapIsDeterministic`].
    #[error(
        "the map is not deterministic: {place} it gives {first} first, but {second} when run \
         again; use only the record and the job's own fields, and do not use a clock, random \
         numbers, statics or the order of a hash map"
    )]
    MapDiffers {
        /// The record for which the outputs differ.
        place: String,
        /// The first output.
        first: String,
        /// The second output.
        second: String,
    },
    /// Breaks [`Law::RecordsAreFound`].
    #[error(
        "the input format depends on where a file is cut: record {number} of the input is \
         {whole} without cuts, but with map tasks over {cuts} it is {cut}; return a record only \
         for the range that holds its first byte, or set `SPLITTABLE = false`"
    )]
    RecordsDiffer {
        /// The number of the record, from 1.
        number: usize,
        /// The record in the uncut file.
        whole: String,
        /// The record with the cuts.
        cut: String,
        /// The ranges, with `|` between map tasks.
        cuts: String,
    },
    /// Breaks [`Law::KeysRoundTrip`].
    #[error(
        "the key {key} becomes {again} when it is written and read; use a key type whose \
         `Serialize` and `Deserialize` are inverses of each other"
    )]
    KeyChanges {
        /// The key's bytes.
        key: String,
        /// Its bytes afterwards, or the error.
        again: String,
    },
    /// Breaks [`Law::KeysSort`].
    #[error(
        "key bytes do not sort as the keys do: {left} is {ord} {right} by `Ord`, but {bytes} \
         it by bytes; derive both `Serialize` and `Ord`, with the same order of fields, or \
          implement both so that they agree"
    )]
    KeysDisagree {
        /// A key.
        left: String,
        /// The key after it.
        right: String,
        /// How they compare: `less than`, `equal to`.
        ord: &'static str,
        /// How their bytes compare: `less than`, `equal to`, `greater than`.
        bytes: &'static str,
    },
    /// Breaks [`Law::KeysSort`]: the key cannot be written.
    #[error("the key {key} cannot be encoded: {cause}; fix its `Serialize`")]
    KeyNotWritten {
        /// The key.
        key: String,
        /// The cause.
        cause: String,
    },
    /// Breaks [`Law::PartitionIsOfKey`]: a partition is out of range.
    #[error(
        "the partitioner returns a number out of range: {partition} for key {key}, but the number \
         of parts is {parts}; return a number below that"
    )]
    PartitionOutOfRange {
        /// The key.
        key: String,
        /// The partition that it returned.
        partition: u32,
        /// The number of parts.
        parts: u32,
    },
    /// Breaks [`Law::PartitionIsOfKey`]: the same key goes to different partitions.
    #[error(
        "the partitioner is not a function of the key: it puts key {key} into partition \
         {first} and, {when}, into partition {second} of {parts}; use only the key, the number \
         of parts and the job's own flags"
    )]
    PartitionDiffers {
        /// The key.
        key: String,
        /// The partition that it returned first.
        first: u32,
        /// The partition that it returned later.
        second: u32,
        /// When it returned the later one.
        when: &'static str,
        /// The number of parts.
        parts: u32,
    },
    /// Breaks [`Law::PartitionIsOfKey`]: one group goes to several partitions.
    #[error(
        "the partitioner is not a function of the group: it puts one key of group {group} into \
          partition {first} and another into partition {second} of {parts}; use only the key's \
          group"
    )]
    PartitionSplitsGroup {
        /// The group.
        group: String,
        /// The partition of one of its keys.
        first: u32,
        /// The partition of another of its keys.
        second: u32,
        /// The number of parts.
        parts: u32,
    },
    /// Breaks [`Law::CutsDoNotShow`].
    #[error(
        "the result depends on where the input is cut: {place} one map task gives {whole}, but \
         map tasks over {cuts} give {cut}; do not use the task's number, and keep no state \
         from one record to the next, except values that are all emitted in `cleanup`"
    )]
    CutsShow {
        /// The key for which the results differ.
        place: String,
        /// The result of one map task.
        whole: String,
        /// The result of several map tasks.
        cut: String,
        /// The ranges, with `|` between map tasks.
        cuts: String,
    },
    /// Breaks [`Law::ReduceIsDeterministic`].
    #[error(
        "the reduce is not deterministic: for key {key} with values {values} it writes \
         {first} first, but {second} when called again; keep no state from one key to the next, \
         and do not use a clock, random numbers, statics or the order of a hash map"
    )]
    ReduceDiffers {
        /// The key.
        key: String,
        /// Its values.
        values: String,
        /// The first output.
        first: String,
        /// The second output.
        second: String,
    },
    /// Breaks [`Law::CombinerRoundTrips`].
    #[error(
        "the combiner does not accept its own results: for key {key} with values {values} the \
         result is {plain}, but {again} if each value goes through `start` and `value` once \
         more; `value` must return everything that `start` needs"
    )]
    CombinerForgets {
        /// The key.
        key: String,
        /// Its values.
        values: String,
        /// The result of folding them.
        plain: String,
        /// The result of folding them after each has gone through `start` and `value`.
        again: String,
    },
    /// Breaks [`Law::CombinerIsAssociative`].
    #[error(
        "the combiner is not associative: for key {key} the values {values} folded one by one \
         give {plain}, but folded as {grouping} they give {grouped}; a combined value must hold \
         all that further folding needs, such as sum and count for an average"
    )]
    CombinerGroups {
        /// The key.
        key: String,
        /// Its values.
        values: String,
        /// The groups in which they were folded.
        grouping: String,
        /// The result of folding them one by one.
        plain: String,
        /// The result of folding the groups.
        grouped: String,
    },
    /// Breaks [`Law::CombinerIsCommutative`].
    #[error(
        "the combiner is not commutative: for key {key} the values {values} folded in this \
         order give {plain}, but in the order {order} they give {shuffled}; make the combiner \
         independent of the order, or leave `EXACT` at false: values are then folded in the \
         order of the input"
    )]
    CombinerOrders {
        /// The key.
        key: String,
        /// Its values.
        values: String,
        /// The other order.
        order: String,
        /// The result in the first order.
        plain: String,
        /// The result in the other.
        shuffled: String,
    },
    /// Breaks [`Law::CombinerIsOptional`].
    #[error(
        "the combiner changes the result: for key {key} the reduce of {values} writes {plain}, \
          but {combined} for the same values combined to {folded}; a reduce must give the same \
          result for combined values as for the original ones"
    )]
    CombinerShows {
        /// The key.
        key: String,
        /// Its values.
        values: String,
        /// The values after combining.
        folded: String,
        /// The result without it.
        plain: String,
        /// The result with it.
        combined: String,
    },
    /// Breaks [`Law::ValueOrderDoesNotShow`].
    #[error(
        "the reduce depends on the order of values: for key {key} it writes {plain} for \
         {values} but {shuffled} for {order}; make the reduce independent of the order, or \
         sort the values with a `Grouped` key; if the order of the input is meant to matter, \
         check with `.ordered_values()`"
    )]
    ValueOrderShows {
        /// The key.
        key: String,
        /// Its values.
        values: String,
        /// The same values in another order.
        order: String,
        /// The result in the first order.
        plain: String,
        /// The result in the other.
        shuffled: String,
    },
    /// Breaks [`Law::ReducersDoNotShow`].
    #[error(
        "the result depends on the number of reducers: {place} one reducer gives {one}, but \
         {reducers} reducers give {many}; do not use the number of reducers, and keep no state \
         from one key to the next"
    )]
    ReducersShow {
        /// The key for which the results differ.
        place: String,
        /// The number of reducers.
        reducers: u32,
        /// The result with one reducer.
        one: String,
        /// The result with this number of reducers.
        many: String,
    },
    /// Breaks [`Law::TotalsDoNotShow`].
    #[error(
        "{what} depends on how the work is done: with one map task and one reducer it is \
         {plain}, but {how} it is {other}; counters and side outputs must depend only on the \
         input, not on the number of tasks, calls or combined values; if this one is meant to \
         describe the work, allow that with `.varying_counter(…)` or `.varying_side(…)`"
    )]
    TotalsShow {
        /// The counter or side output.
        what: String,
        /// Its value with one map task and one reducer.
        plain: String,
        /// How the work was done the second time, such as `with 3 reducers`.
        how: String,
        /// Its value the second time.
        other: String,
    },
    /// Breaks [`Law::RunAgrees`]: a counter, or a side output of a map.
    #[error(
        "a real run gives another result: with --threads {threads} and --reducers {reducers}, \
         {what} is {found}, not {expected}; look for state that threads share or that differs \
         between them, such as a static, a file or a `thread_local!`"
    )]
    RunTotalsDiffer {
        /// Threads of that run.
        threads: usize,
        /// Its reducers.
        reducers: u32,
        /// The counter or side output.
        what: String,
        /// Its expected value.
        expected: String,
        /// The value that was found.
        found: String,
    },
    /// Breaks [`Law::RunAgrees`]: a part of the output.
    #[error(
        "a real run gives another result: with --threads {threads} and --reducers {reducers}, \
         part {part} has {found}, not {expected}; look for state that threads share or that \
         differs between them, such as a static, a file or a `thread_local!`"
    )]
    RunDiffers {
        /// Threads of that run.
        threads: usize,
        /// Its reducers.
        reducers: u32,
        /// The number of the part, from 0.
        part: usize,
        /// The expected contents.
        expected: String,
        /// The contents that were written.
        found: String,
    },
}

impl Breach {
    /// Returns the broken law, or `None` if the check could not run.
    pub fn law(&self) -> Option<Law> {
        Some(match self {
            Self::NotRun { .. } | Self::NoRecords | Self::NoKeyRepeats | Self::Failed { .. } => {
                return None;
            }
            Self::FlagsClash { .. } => Law::FlagsDoNotClash,
            Self::JobNotReadable { .. } | Self::JobLosesField { .. } => Law::JobSurvives,
            Self::MapDiffers { .. } => Law::MapIsDeterministic,
            Self::RecordsDiffer { .. } => Law::RecordsAreFound,
            Self::KeyChanges { .. } => Law::KeysRoundTrip,
            Self::KeysDisagree { .. } | Self::KeyNotWritten { .. } => Law::KeysSort,
            Self::PartitionOutOfRange { .. }
            | Self::PartitionDiffers { .. }
            | Self::PartitionSplitsGroup { .. } => Law::PartitionIsOfKey,
            Self::CutsShow { .. } => Law::CutsDoNotShow,
            Self::ReduceDiffers { .. } => Law::ReduceIsDeterministic,
            Self::CombinerForgets { .. } => Law::CombinerRoundTrips,
            Self::CombinerGroups { .. } => Law::CombinerIsAssociative,
            Self::CombinerOrders { .. } => Law::CombinerIsCommutative,
            Self::CombinerShows { .. } => Law::CombinerIsOptional,
            Self::ValueOrderShows { .. } => Law::ValueOrderDoesNotShow,
            Self::ReducersShow { .. } => Law::ReducersDoNotShow,
            Self::TotalsShow { .. } => Law::TotalsDoNotShow,
            Self::RunTotalsDiffer { .. } | Self::RunDiffers { .. } => Law::RunAgrees,
        })
    }

    /// Creates the breach for an error that prevents the check itself.
    pub(super) fn not_run(cause: impl ToString) -> Self {
        Self::NotRun { cause: cause.to_string() }
    }
}

fn near(record: &Option<String>, at: &Option<String>) -> String {
    let record = record.as_ref().map(|record| format!(" on record {record}"));
    let at = at.as_ref().map(|at| format!(" at {at}"));
    record.into_iter().chain(at).collect()
}
