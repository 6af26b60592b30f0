//! A job whose maps give different output when they run again, so readers must not mix the two outputs.

use gristmill::prelude::*;

/// The name of a job whose output depends on the attempt.
pub(crate) const NAME: &str = "moody";

/// Counts words, each with a suffix that depends on the attempt.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Moody {
    /// The suffix.
    #[arg(long)]
    pub(crate) mood: String,
}

impl Job for Moody {
    type Input = Lines;
    type Key<'a> = &'a str;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        for word in line.words() {
            let word = format!("{}{}", String::from_utf8_lossy(word.as_bytes()), self.mood);
            out.emit(&word, 1)?;
        }
        Ok(())
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, word: &str, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, counts.sum()?))
    }
}

/// Returns the mood of an attempt with this number. The first attempt's mood differs from that of all others.
pub(crate) fn mood(number: u32) -> Moody {
    Moody { mood: if number == 1 { "!" } else { "?" }.into() }
}

/// Returns a word without its mood.
pub(crate) fn without_mood(word: &str) -> &str {
    word.trim_end_matches(['!', '?'])
}
