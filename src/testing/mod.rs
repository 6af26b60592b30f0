//! Checks a job against its laws.
//!
//! A job's result must be a function of its input: not of how the input was cut into map tasks, how many reducers
//! there were, how often values were combined on the way, in which order they arrived, or which task ran twice. The
//! framework can promise that only for jobs that obey some [laws](Law). What breaks one usually works on a small file
//! on one machine, and gives other numbers on a large one. So check it in a test, which takes three lines:
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
//! That also checks that no flag of the job's is one of ours, such as `--memory`: such a job would refuse to run.
//!
//! # What it says
//!
//! Say the job counts with `counts.count()`, the number of values, instead of `counts.sum()`. Without a combiner
//! that is the same. The check fails with one sentence, which names the law, the key, the two results and what to do:
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
//!     "the combiner changes the result: for key \"a\" the reduce of [1, 1] writes \"a\\t2\", but \"a\\t1\" of the same \
//!      values combined to [2]; a reduce must do the same with combined values as with those they were combined from \
//!      (seed 0, input \"a b a\\n\")"
//! );
//! ```
//!
//! The input is the smallest found that still breaks the law; [`Violation::breach`] has the same as facts.
//!
//! # Input that shows something
//!
//! Give records as the job will meet them, among them the odd ones, and have keys repeat: what is never combined or
//! put into another order is not checked, and a job with a combiner is refused if no key has three values. Kilobytes
//! are enough: each law is tried in 64 cases ([`Check::cases`]), on each key. [`Check::verdict`] says in its
//! [`Report`] what it could not check.
//!
//! A map that combines by itself, in a table that it emits in `cleanup`, emits each key once per task. For the laws
//! about combiners every record is then given a task of its own; and if its table lets keys go in no certain order,
//! each key's total counts, folded by the combiner, and not in how many pairs it was emitted.
//!
//! A job that reads several inputs gets each by name, `.named_input("users", …).named_input("orders", …)`. A job
//! without a reduce is wrapped as for launching, `check(MapOnly::new(FindLines { … }))`. Random draws come from a seed, 0
//! unless you [say otherwise](Check::seed): a check that passes today passes tomorrow.
//!
//! # Keys with an order of their own
//!
//! Parts are sorted by the bytes of keys. For types that derive `Serialize` and `Ord` those sort as the keys do; if you
//! write either by hand, say so in a second test with [`key_order`]. Here ten comes before nine, as it does in text:
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
//! # Where a law does not fit
//!
//! * Sums of floats depend on the order in their last digits. A combiner that says so ([`EXACT`] is false) is folded in
//!   the order of the input, need not be commutative, and may be off by a billionth; [`Check::tolerance`] sets another
//!   bound, also for jobs that add floats up in the reduce only.
//! * A reduce may rely on equal keys' values coming in the order of the input, if there is no exact combiner. Say
//!   [`Check::ordered_values`] then. To have them in an order of your own, use a [`Grouped`] key instead: its order is
//!   promised, and the check keeps it.
//! * Counters are summed over all tasks, side outputs are the records of all tasks: both are to be functions of the
//!   input, like the result. A counter of malformed lines is one. A counter of tasks is not, nor is one of the values
//!   that a reduce is called with, if there is a combiner. Where it is meant to tell of the work, say so with
//!   [`Check::varying_counter`] or [`Check::varying_side`].
//!
//! # How it is done
//!
//! Records are read, mapped and reduced one by one, here and in order, by job values that were written, read and set
//! up as those of tasks are. What reduces write is compared key by key, byte by byte; counters by their totals; side
//! outputs by their lines, in any order. At last the job is run for real, in this process, with one thread and with
//! two, and must write and count the same. That is where code is found that minds the thread it runs on.
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
