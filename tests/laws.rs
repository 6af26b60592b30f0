//! The laws harness: good jobs pass, and each planted mistake is found under the name of the law that it breaks.

#[path = "laws/good.rs"]
mod good;
#[path = "laws/planted.rs"]
mod planted;

use gristmill::job::Job;
use gristmill::testing::{Breach, Law, Violation, check};

/// Text in which words repeat.
const TEXT: &str = "the mill and the river\nthe stone\n\nand the wheel and the river\nstone the\n";

fn broken(job: impl Job) -> Violation {
    check(job).input(TEXT).verdict().expect_err("the mistake is found")
}
