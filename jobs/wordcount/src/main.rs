//! Counts how often each word occurs.
//!
//! ```text
//! $ wordcount moby-dick.txt
//! …
//! whale   466
//! whale,  116
//! …
//! ```
//!
//! A word is a run of bytes between whitespace.

use gristmill::prelude::*;

/// Counts how often each word occurs.
#[derive(Args, Serialize, Deserialize)]
pub struct WordCount {}

impl Job for WordCount {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, counts.sum()?))
    }
}

fn main() -> ExitCode {
    gristmill::launch::<WordCount>()
}
