//! Jobs that give the right result on the test's thread, and a wrong one on the threads of a run.

use std::cell::RefCell;

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, broken};

thread_local! {
    /// The prefix, set only on the thread that starts the job. Other threads do not see it.
    static PREFIX: RefCell<String> = const { RefCell::new(String::new()) };
}

job!(Prefixed {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let prefix = PREFIX.with_borrow(String::clone);
        out.write((format!("{prefix}{word}"), values.sum()?))
    }
});

#[test]
fn a_thread_local_that_only_the_starting_thread_has_set_is_found() {
    PREFIX.set("word: ".into());
    let violation = broken(Prefixed::default());
    let Breach::RunDiffers { threads: 1, reducers: 1, part: 0, expected, found } =
        &violation.breach
    else {
        panic!("{violation}")
    };
    assert_eq!(expected.replace("word: ", ""), *found, "{violation}");
    assert!(expected.starts_with("\"word: "), "{violation}");
    assert!(violation.to_string().contains("`thread_local!`"), "{violation}");
}

job!(Signed {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let id = format!("{:?}", std::thread::current().id());
        out.write((word, values.count()?, id))
    }
});

#[test]
fn a_reduce_that_writes_its_thread_is_found() {
    let violation = broken(Signed::default());
    assert!(matches!(violation.breach, Breach::RunDiffers { .. }), "{violation}");
}
