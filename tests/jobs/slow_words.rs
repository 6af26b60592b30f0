//! Counts words as slowly as its flags say, so that a test can interfere while tasks run.

use std::sync::mpsc::channel;
use std::time::Duration;

use gristmill::prelude::*;

/// Counts how often each word occurs, slowly.
#[derive(Args, Serialize, Deserialize)]
pub struct SlowWords {
    /// Milliseconds per line
    #[arg(long, value_name = "N", default_value_t = 0)]
    line_ms: u64,
    /// Milliseconds per word in the reduce
    #[arg(long, value_name = "N", default_value_t = 0)]
    word_ms: u64,
}

impl Job for SlowWords {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        pass(self.line_ms);
        line.words().try_for_each(|word| out.emit(word, 1))
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        pass(self.word_ms);
        out.write((word, counts.sum()?))
    }
}

/// Sleeps for this many milliseconds.
fn pass(ms: u64) {
    let (_never_sends, wait) = channel::<()>();
    let _passed = wait.recv_timeout(Duration::from_millis(ms));
}

fn main() -> ExitCode {
    gristmill::launch::<SlowWords>()
}
