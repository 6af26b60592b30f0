//! Checks a job against its laws.
//!
//! A job's result must be a function of its input. It must not depend on how the input was cut into map tasks, how
//! many reducers there were, how often values were combined on the way, in which order they arrived, or which task
//! ran twice. The framework can guarantee that only for jobs that obey some [laws](Law). A job that breaks a law
//! usually gives the right result for a small file on one machine, and a wrong one for large input. A test of three
//! lines checks a job:
//!
//! ```
//! use gristmill::prelude::*;
//!
//! #[derive(Args, Serialize, Deserialize)]
//! struct WordCount {
//!     #[arg(long)]
//!     lowercase: bool,
//! }
//!
//! impl Job for WordCount {
//!     type Input = Lines;
//!     type Key<'a> = String;
//!     type Value<'a> = u64;
//!     type Output = Tsv;
//!
//!     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
//!         for word in line.words() {
//!             let word = word.to_string();
//!             out.emit(if self.lowercase { word.to_lowercase() } else { word }, 1)?;
//!         }
//!         Ok(())
//!     }
//!
//!     fn combiner(&self) -> impl Combine<Self> {
//!         Sum
//!     }
//!
//!     fn reduce(&self, word: String, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
//!         out.write((word, counts.sum()?))
//!     }
//! }
//!
//! # #[cfg(test)]
//! #[test]
//! fn obeys_the_laws() {
//!     gristmill::testing::check(WordCount { lowercase: false }).input("a b a\nc a\n").run();
//! }
//! # gristmill::testing::check(WordCount { lowercase: true }).input("a b A\nc a\n").run();
//! ```
//!
//! The check also finds flags of the job that clash with a flag that every job has, such as `--memory`. A job with
//! such a flag refuses to run.
//!
//! # What a violation looks like
//!
//! Suppose the reduce calls `counts.count()`, the number of values, instead of `counts.sum()`. Without a combiner,
//! both give the same result, because every value is 1. With a combiner, they differ, and the check fails. Its message
//! is one sentence that names the law, the key, the two results and what to do:
//!
//! ```
//! # use gristmill::prelude::*;
//! # #[derive(Args, Serialize, Deserialize)]
//! # struct WordCount {}
//! # impl Job for WordCount {
//! #     type Input = Lines;
//! #     type Key<'a> = &'a Text;
//! #     type Value<'a> = u64;
//! #     type Output = Tsv;
//! #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
//! #         line.words().try_for_each(|word| out.emit(word, 1))
//! #     }
//! #     fn combiner(&self) -> impl Combine<Self> {
//! #         Sum
//! #     }
//! fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
//!     out.write((word, counts.count()?))
//! }
//! # }
//! let violation = gristmill::testing::check(WordCount {}).input("a b a\nc a\n").verdict().unwrap_err();
//! assert_eq!(
//!     violation.to_string(),
//!     "the combiner changes the result: for key \"a\" the reduce of [1, 1] writes \"a\\t2\", but \"a\\t1\" for the same \
//!      values combined to [2]; a reduce must give the same result for combined values as for the original ones \
//!      (seed 0, input \"a b a\\n\")"
//! );
//! ```
//!
//! The message ends with the smallest input found that still breaks the law. [`Violation::breach`] holds the same
//! facts as data.
//!
//! # Choosing the input
//!
//! Use realistic records, including odd ones, and let keys repeat: values that are never combined or reordered are
//! not checked. If a job has a combiner and no key of the input has three values, the check fails. A few kilobytes of
//! input are enough, because each law is tried in 64 cases ([`Check::cases`]) for each key. [`Check::verdict`] returns
//! a [`Report`], which lists what could not be checked.
//!
//! A map may combine pairs in its own table and emit them in `cleanup`, so that it emits each key only once per task.
//! The laws about combiners need several values of a key, so each record of such a job then gets its own map task. If
//! the job has an exact combiner, a repeated task may emit a key in a different number of pairs. Only each key's total
//! is then compared.
//!
//! For a job with several inputs, name each: `.named_input("users", …).named_input("orders", …)`. Wrap a job without
//! a reduce as its `main` does: `check(MapOnly::new(FindLines { … }))`. Random choices depend only on a seed, which is
//! 0 unless you [set another](Check::seed), so a check gives the same result every time.
//!
//! # Keys with their own order
//!
//! Keys are sorted by their bytes. If a key type derives both `Serialize` and `Ord`, its bytes sort as its values do.
//! If you implement either by hand, check the order in a second test with [`key_order`]. The key below is written as
//! text, so the bytes of 10 sort before those of 9:
//!
//! ```
//! use gristmill::prelude::*;
//!
//! #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
//! struct Chapter(u32);
//!
//! impl Serialize for Chapter {
//!     fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
//!         to.collect_str(&self.0)
//!     }
//! }
//!
//! let breach = gristmill::testing::key_order([Chapter(9), Chapter(10)]).verdict().unwrap_err();
//! assert!(breach.to_string().starts_with(
//!     "key bytes do not sort as the keys do: Chapter(9) is less than Chapter(10) by `Ord`, but greater than it by bytes"
//! ));
//! ```
//!
//! # When a law does not fit
//!
//! * The last digits of a sum of floats depend on the order of its terms. The laws are therefore weaker for a
//!   combiner that is not declared exact ([`EXACT`] is false). It need not be commutative, because values are folded
//!   in the order of the input. Its results may differ by one part in a billion. [`Check::tolerance`] sets another
//!   bound. Call it also for jobs that add floats only in the reduce.
//! * If a job has no exact combiner, its reduce may rely on receiving the values of a key in the order of the input.
//!   Call [`Check::ordered_values`] for such a job. If you need another order, use a [`Grouped`] key: its order is
//!   guaranteed, and the check keeps it.
//! * Counters are summed over all tasks, and side outputs are the records of all tasks. Both must be functions of the
//!   input, like the result. A counter of malformed lines depends only on the input. A counter of tasks does not. With
//!   a combiner, a counter of the values that a reduce receives does not either. If a counter or side output is meant
//!   to describe the work, declare it with [`Check::varying_counter`] or [`Check::varying_side`].
//!
//! # How the check works
//!
//! The check maps records and reduces keys one by one, in order, in this process. Like tasks, it uses copies of the
//! job value that were serialized, deserialized and set up. For each key, it compares the output of the reduce byte
//! by byte. It also compares the totals of counters, and the lines of side outputs regardless of their order. Finally, the whole job runs in this
//! process, once with one thread and once with two, and must give the same results. This finds code that depends on
//! its thread.
//!
//! [`EXACT`]: crate::job::Combine::EXACT
//! [`Grouped`]: crate::record::Grouped

#![expect(clippy::test_attr_in_doctest, reason = "the example shows a test as an author writes it")]

mod chance;
mod check;
mod compare;
mod inputs;
mod law;
mod laws;
mod order;
mod pairs;
mod settings;
mod show;
mod shrink;
mod side_results;
mod subject;
mod violation;
mod workbench;

pub use check::{Check, Report, check};
pub use law::Law;
pub use order::{KeyOrder, key_order};
pub use violation::{Breach, Violation};
