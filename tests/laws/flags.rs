//! Jobs whose flags clash with those that every job has.

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::broken;

/// Defines a word count with a field of its own.
macro_rules! with_field {
    ($name:ident { $($field:tt)* }) => {
        job!($name { $($field)* }, input Lines, value u64, {
            fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
                line.words().try_for_each(|word| out.emit(word, 1))
            }
            fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
                out.write((word, values.sum()?))
            }
        });
    };
}

with_field!(OwnMemory {
    #[arg(long, default_value_t = 0)]
    memory: u64,
});
with_field!(ShortRegex {
    #[arg(short, long, default_value = "")]
    regex: String,
});
with_field!(Positional {
    #[arg(default_value = "")]
    word: String,
});

#[test]
fn a_field_whose_flag_every_job_has_fails_by_its_name() {
    for (violation, sentence) in [
        (
            broken(OwnMemory::default()),
            "the job's flags clash: --memory of the field `memory` is already used by every job; rename the field",
        ),
        (
            broken(ShortRegex::default()),
            "the job's flags clash: -r of the field `regex` is already used by every job; rename the field",
        ),
        (
            broken(Positional::default()),
            "the job's flags clash: the field `word` is a positional argument, but only inputs can be positional; add #[arg(long)]",
        ),
    ] {
        assert_eq!(violation.to_string(), format!("{sentence} (seed 0, input none)"));
    }
}
