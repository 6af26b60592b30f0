//! Describes how a job breaks a law: the facts, and one sentence that also says what to do.

use super::Law;

/// That a job breaks a law, or could not be checked. Its `Display` is one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{breach} (seed {seed}, input {input})")]
pub struct Violation {
    /// How the law is broken, with the facts.
    pub breach: Breach,
    /// The seed for [`super::Check::seed`] that reproduces this.
    pub seed: u64,
    /// The smallest input found on which it shows, escaped and cut.
    pub input: String,
}

/// How a job breaks a law. Keys, values, records and results in it are escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// The check itself could not run, for example because the job has no input of the given name.
    #[error("the check could not be run: {cause}")]
    NotRun {
        /// Why.
        cause: String,
    },
    /// There is nothing to check with.
    #[error("the input has no records, so nothing can be checked; give some with `.input(…)`")]
    NoRecords,
    /// There is a combiner, and nothing to combine.
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
        /// Which part of the job.
        step: &'static str,
        /// What it said.
        message: String,
        /// `file:line`, where known.
        at: Option<String>,
        /// The record that it was called with, where there was one.
        record: Option<String>,
    },
    /// See [`Law::FlagsDoNotClash`].
    #[error("the job's flags clash: {clashes}")]
    FlagsClash {
        /// The type, its fields, and what to do.
        clashes: String,
    },
    /// See [`Law::JobSurvives`]: the serialized job value cannot be read, or is different when it is written again.
    #[error(
        "the job value does not survive serialization: {problem}; use field types whose \
         `Serialize` and `Deserialize` are inverses of each other"
    )]
    JobNotReadable {
        /// What went wrong.
        problem: String,
    },
    /// See [`Law::JobSurvives`]: the copy that tasks work with behaves differently.
    #[error(
        "the job value does not survive serialization: {place} the original value gives \
         {original}, but its copy in a task gives {copy}; serialize every field that map or \
         reduce uses, or fill that field in `setup`"
    )]
    JobLosesField {
        /// For which record or key.
        place: String,
        /// What the value itself gives.
        original: String,
        /// What its serialized copy gives.
        copy: String,
    },
    /// See [`Law::MapIsDeterministic`].
    #[error(
        "the map is not deterministic: {place} it gives {first} first, but {second} when run \
         again; use only the record and the job's own fields, and do not use a clock, random \
         numbers, statics or the order of a hash map"
    )]
    MapDiffers {
        /// For which record.
        place: String,
        /// What came out first.
        first: String,
        /// What came out next.
        second: String,
    },
    /// See [`Law::RecordsAreFound`].
    #[error(
        "the input format depends on where a file is cut: record {number} of the input is \
         {whole} without cuts, but with the cuts {cuts} it is {cut}; return a record only for \
         the range that holds its first byte, or set `SPLITTABLE = false`"
    )]
    RecordsDiffer {
        /// Which record, from 1.
        number: usize,
        /// What it is in the whole.
        whole: String,
        /// What it is with the cuts.
        cut: String,
        /// The ranges, `|` between map tasks.
        cuts: String,
    },
    /// See [`Law::KeysRoundTrip`].
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
    /// See [`Law::KeysSort`].
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
    /// See [`Law::KeysSort`]: the key cannot be written.
    #[error("the key {key} cannot be encoded: {cause}; fix its `Serialize`")]
    KeyNotWritten {
        /// The key.
        key: String,
        /// Why not.
        cause: String,
    },
    /// See [`Law::PartitionIsOfKey`]: out of range.
    #[error(
        "the partitioner is out of range: it returns {partition} for key {key}, but the number of \
         parts is {parts}; return a number below that"
    )]
    PartitionOutOfRange {
        /// The key.
        key: String,
        /// What it chose.
        partition: u32,
        /// How many there are.
        parts: u32,
    },
    /// See [`Law::PartitionIsOfKey`]: the same key, different answers.
    #[error(
        "the partitioner is not a function of the key: it puts key {key} into partition \
         {first} and, {when}, into partition {second} of {parts}; use only the key, the number \
         of parts and the job's own flags"
    )]
    PartitionDiffers {
        /// The key.
        key: String,
        /// What it chose first.
        first: u32,
        /// What it chose later.
        second: u32,
        /// When that was.
        when: &'static str,
        /// How many there are.
        parts: u32,
    },
    /// See [`Law::PartitionIsOfKey`]: one group, several partitions.
    #[error(
        "the partitioner is not a function of the group: it puts one key of group {group} into \
          partition {first} and another into partition {second} of {parts}; use only the key's \
          group"
    )]
    PartitionSplitsGroup {
        /// The group.
        group: String,
        /// Where one of its keys goes.
        first: u32,
        /// Where another goes.
        second: u32,
        /// How many there are.
        parts: u32,
    },
    /// See [`Law::CutsDoNotShow`].
    #[error(
        "the result depends on where the input is cut: {place} one map task gives {whole}, but \
         map tasks over {cuts} give {cut}; do not use the task's number, and keep no state \
         from one record to the next, except values that are all emitted in `cleanup`"
    )]
    CutsShow {
        /// For which key.
        place: String,
        /// The result of one task.
        whole: String,
        /// The result of several.
        cut: String,
        /// The ranges, `|` between map tasks.
        cuts: String,
    },
    /// See [`Law::ReduceIsDeterministic`].
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
        /// What it wrote first.
        first: String,
        /// What it wrote next.
        second: String,
    },
    /// See [`Law::CombinerRoundTrips`].
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
        /// The result of folding them after a round trip each.
        again: String,
    },
    /// See [`Law::CombinerIsAssociative`].
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
        /// In which groups they were folded.
        grouping: String,
        /// The result of folding them one by one.
        plain: String,
        /// The result of folding the groups.
        grouped: String,
    },
    /// See [`Law::CombinerIsCommutative`].
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
    /// See [`Law::CombinerIsOptional`].
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
        /// What the combiner makes of them.
        folded: String,
        /// The result without it.
        plain: String,
        /// The result with it.
        combined: String,
    },
    /// See [`Law::ValueOrderDoesNotShow`].
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
        /// The same in another order.
        order: String,
        /// The result in the first order.
        plain: String,
        /// The result in the other.
        shuffled: String,
    },
    /// See [`Law::ReducersDoNotShow`].
    #[error(
        "the result depends on the number of reducers: {place} one reducer gives {one}, but \
         {reducers} reducers give {many}; do not use the number of reducers, and keep no state \
         from one key to the next"
    )]
    ReducersShow {
        /// For which key.
        place: String,
        /// How many.
        reducers: u32,
        /// The result of one.
        one: String,
        /// The result with this many.
        many: String,
    },
    /// See [`Law::TotalsDoNotShow`].
    #[error(
        "{what} depends on how the work is done: with one map task and one reducer it is \
         {plain}, but {how} it is {other}; counters and side outputs must depend only on the \
         input, not on the number of tasks, calls or combined values; if this one is meant to \
         describe the work, allow that with `.varying_counter(…)` or `.varying_side(…)`"
    )]
    TotalsShow {
        /// Which counter or side output.
        what: String,
        /// What one map task and one reducer give.
        plain: String,
        /// How the work was done otherwise: `with 3 reducers`.
        how: String,
        /// What it is then.
        other: String,
    },
    /// See [`Law::RunAgrees`]: a counter, or a side output of a map.
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
        /// Which counter or side output.
        what: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// See [`Law::RunAgrees`]: a part of the output.
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
        /// Which part of its output, from 0.
        part: usize,
        /// What was expected.
        expected: String,
        /// What was written.
        found: String,
    },
}

impl Breach {
    /// The law that is broken, or `None` if the check could not be made.
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

    /// An error that prevents the check itself.
    pub(super) fn not_run(cause: impl ToString) -> Self {
        Self::NotRun { cause: cause.to_string() }
    }
}

fn near(record: &Option<String>, at: &Option<String>) -> String {
    let record = record.as_ref().map(|record| format!(" on record {record}"));
    let at = at.as_ref().map(|at| format!(" at {at}"));
    record.into_iter().chain(at).collect()
}
