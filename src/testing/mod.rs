//! Checks a job against its laws.
//!
//! A job's result must be a function of its input. It must not depend on how the input was cut into map tasks, how
//! many reducers there were, how often values were combined on the way, in which order they arrived, or which task
//! ran twice. The framework can guarantee that only for jobs that obey some [laws](Law). A job that breaks one
//! usually works on a small file on one machine, and gives other numbers on a large one. So check it in a test, which
//! takes three lines:
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
//! The check also finds flags of the job that clash with ours, such as `--memory`: such a job would refuse to run.
//!
//! # What a violation looks like
//!
//! Suppose the job counts with `counts.count()`, the number of values, instead of `counts.sum()`. Without a combiner
//! both give the same result. The check fails with one sentence, which names the law, the key, the two results and
//! what to do:
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
//! The input is the smallest one found that still breaks the law; [`Violation::breach`] holds the same facts as data.
//!
//! # Choosing the input
//!
//! Use realistic records, including odd ones, and let keys repeat: values that are never combined or reordered are
//! not checked, and a job with a combiner is refused if no key has three values. Kilobytes are enough, because
//! each law is tried in 64 cases ([`Check::cases`]) for each key. The [`Report`] of [`Check::verdict`] lists what could not be
//! checked.
//!
//! If a map combines in a table of its own and emits the table in `cleanup`, it emits each key once per task. For the
//! laws about combiners, every record then gets a task of its own. If the table emits keys in no fixed order, the
//! number of pairs is not compared, but only each key's total, folded by the combiner.
//!
//! A job that reads several inputs gets each by name, `.named_input("users", …).named_input("orders", …)`. A job
//! without a reduce is wrapped as for launching, `check(MapOnly::new(FindLines { … }))`. Random draws come from a
//! seed, 0 unless you [set another](Check::seed): a check that passes today passes tomorrow.
//!
//! # Keys with their own order
//!
//! Parts are sorted by the bytes of keys. For types that derive `Serialize` and `Ord`, these sort as the keys do. If
//! you implement either by hand, check that in a second test with [`key_order`]. Here ten comes before nine, as it
//! does in text:
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
//!     "key bytes do not sort as the keys do: Chapter(9) is less than Chapter(10) by `Ord`, and greater than it by its bytes"
//! ));
//! ```
//!
//! # When a law does not fit
//!
//! * The last digits of a sum of floats depend on the order of its terms. A combiner that is not declared exact ([`EXACT`] is
//!   false) is folded in the order of the input, need not be commutative, and may be off by a billionth;
//!   [`Check::tolerance`] sets another bound, also for jobs that add floats in the reduce only.
//! * A reduce may rely on the values of equal keys coming in the order of the input, if there is no exact combiner.
//!   Call [`Check::ordered_values`] then. To get them in an order of your own, use a [`Grouped`] key instead: its order
//!   is guaranteed, and the check keeps it.
//! * Counters are summed over all tasks, and side outputs are the records of all tasks: both must be functions of the
//!   input, like the result. For example, a counter of malformed lines is a function of the input. A counter of
//!   tasks is not, nor is a counter of the values that a reduce receives if there is a combiner. If a counter or side output describes the work instead,
//!   declare it with [`Check::varying_counter`] or [`Check::varying_side`].
//!
//! # How the check works
//!
//! Records are read, mapped and reduced one by one, in order, in this process, by job values that were written, read
//! and set up like those of tasks. The output of reduces is compared key by key, byte by byte; counters by their
//! totals; side outputs by their lines, in any order. Finally the job runs for real, in this process, with one thread
//! and with two, and must write and count the same. That finds code that depends on its thread.
//!
//! [`EXACT`]: crate::job::Combine::EXACT
//! [`Grouped`]: crate::record::Grouped

#![expect(clippy::test_attr_in_doctest, reason = "the example shows a test as an author writes it")]

mod beside;
mod chance;
mod check;
mod compare;
mod inputs;
mod law;
mod laws;
mod order;
mod pairs;
mod show;
mod shrink;
mod subject;
mod violation;
mod workbench;

pub use check::{Check, Report, check};
pub use law::Law;
pub use order::{KeyOrder, key_order};
pub use violation::{Breach, Violation};
