//! Jobs whose map or input format has a planted mistake.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use gristmill::format::{self, Last, Source};
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Law, broken};

job!(Numbered {
    #[arg(skip)]
    #[serde(skip)]
    lines: Cell<u64>,
}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        self.lines.set(self.lines.get() + 1);
        line.words().try_for_each(|word| out.emit(word, self.lines.get()))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn hidden_state_between_records_shows_in_the_cuts() {
    let violation = broken(Numbered::default());
    assert_eq!(
        violation.to_string(),
        "the result depends on where the input is cut: for key \"and\" one map task gives \"and\\t4\", but map tasks \
         over input-1.txt 0-1 | input-1.txt 1-29 give \"and\\t2\"; do not use the task's number, and keep no state \
         from one record to the next, except values that are all emitted in `cleanup` \
         (seed 0, input \"\\nand the wheel and the river\\n\")"
    );
}

static LINES: AtomicU64 = AtomicU64::new(0);

job!(NumberedForEver {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        line.words().try_for_each(|word| out.emit(word, number))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn hidden_state_in_a_static_shows_when_a_record_is_mapped_again() {
    let violation = broken(NumberedForEver::default());
    assert_eq!(violation.breach.law(), Some(Law::MapIsDeterministic), "{violation}");
    assert!(violation.to_string().contains("static"), "{violation}");
}

job!(Shuffled {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let chance = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        line.words().try_for_each(|word| out.emit(word, chance))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.count()?))
    }
});

#[test]
fn random_map_is_not_deterministic() {
    let violation = broken(Shuffled::default());
    assert_eq!(violation.breach.law(), Some(Law::MapIsDeterministic), "{violation}");
}

job!(Header {
    #[arg(skip)]
    #[serde(skip)]
    seen: Cell<bool>,
}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        if !self.seen.replace(true) {
            return Ok(());
        }
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

job!(TaskNumber {
    #[arg(skip)]
    #[serde(skip)]
    task: u64,
}, input Lines, value u64, {
    fn setup(&mut self, task: &Task) -> Result {
        self.task = u64::from(task.id.index);
        Ok(())
    }
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, self.task))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn maps_that_depend_on_the_split_are_found() {
    for violation in [broken(Header::default()), broken(TaskNumber::default())] {
        assert_eq!(violation.breach.law(), Some(Law::CutsDoNotShow), "{violation}");
    }
}

/// An input of lines that does not skip to the first whole line of a range.
struct Torn(Source);

impl Input for Torn {
    type Record<'a> = &'a Text;

    fn open(source: Source) -> Result<Self, format::Error> {
        Ok(Torn(source))
    }

    fn next(&mut self) -> Result<Option<&Text>, format::Error> {
        if self.0.offset() >= self.0.range().end {
            return Ok(None);
        }
        let found = self.0.find(b"\n")?;
        let (line, bytes) = match found {
            Some(end) => (end, end + 1),
            None => (self.0.window().len(), self.0.window().len()),
        };
        Ok(Some(Text::new(self.0.lend(0..line, bytes))))
    }

    fn last(&self) -> Last<'_> {
        self.0.last()
    }
}

job!(TornLines {}, input Torn, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn an_input_format_that_tears_records_is_found() {
    let violation = broken(TornLines::default());
    assert_eq!(violation.breach.law(), Some(Law::RecordsAreFound), "{violation}");
}
