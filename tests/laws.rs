//! The checks of `gristmill::testing`: good jobs pass, and each planted mistake is reported with the law it breaks.

/// Defines a job over lines of text with word keys. The arguments give its other parts.
macro_rules! job {
    ($name:ident { $($fields:tt)* }, input $input:ty, value $value:ty, { $($parts:item)* }) => {
        #[derive(Args, Serialize, Deserialize, Default)]
        struct $name { $($fields)* }

        impl Job for $name {
            type Input = $input;
            type Key<'a> = &'a Text;
            type Value<'a> = $value;
            type Output = Tsv;
            $($parts)*
        }
    };
}

#[path = "laws/combiners.rs"]
mod combiners;
#[path = "laws/flags.rs"]
mod flags;
#[path = "laws/gathered.rs"]
mod gathered;
#[path = "laws/good.rs"]
mod good;
#[path = "laws/jobs.rs"]
pub mod jobs;
#[path = "laws/maps.rs"]
mod maps;
#[path = "laws/partitioners.rs"]
mod partitioners;
#[path = "laws/reduces.rs"]
mod reduces;
#[path = "laws/threads.rs"]
mod threads;
#[path = "laws/totals.rs"]
mod totals;
#[path = "laws/values.rs"]
mod values;

use gristmill::job::Job;
use gristmill::testing::{Breach, Law, Violation, check};

/// A text with repeated words.
const TEXT: &str = "the mill and the river\nthe stone\n\nand the wheel and the river\nstone the\n";

/// Returns how the job breaks a law, in one sentence. `cargo test --test laws -- --nocapture` shows all of them.
fn broken(job: impl Job) -> Violation {
    let violation = check(job).input(TEXT).verdict().expect_err("the mistake is found");
    let sentence = violation.to_string();
    println!("{sentence}");
    assert!(!sentence.contains(['\n', '\t']), "one line: {sentence:?}");
    violation
}
