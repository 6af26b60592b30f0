//! Runs whose process the job's own code ends.

use std::fs;
use std::process::{Command, Stdio};

use crate::examples::example;
use crate::program::{Ended, Place, Result};

/// Runs the job `odd` on one line `trouble`, which does this.
fn odd(place: &Place, trouble: &str, output: &[&str]) -> Result<Ended> {
    fs::write(place.path("in.txt"), "trouble\n")?;
    let mut job = Command::new(example("odd"));
    // It leaves a mark that it was in trouble.
    fs::create_dir_all(place.path("marks"))?;
    job.args(["in.txt", "-q", "--marks", "marks", "--trouble", trouble]);
    job.args(output).stdin(Stdio::null());
    job.current_dir(place.path("")).env("TMPDIR", place.path(""));
    Ok(job.output()?.into())
}

#[test]
fn code_that_ends_the_process_fails_the_run() -> Result {
    for (trouble, done) in [
        ("exit0", "called `exit` in j1/m0#1"),
        ("exit3", "called `exit` in j1/m0#1"),
        ("abort", "was ended by SIGABRT (it aborted) in j1/m0#1"),
        ("segfault", "was ended by SIGSEGV"),
    ] {
        for output in [&["-o", "out"][..], &[]] {
            let place = Place::new()?;
            let ended = odd(&place, trouble, output)?;
            assert_eq!((ended.code, ended.stdout.as_slice()), (Some(1), &b""[..]), "{trouble}");
            let line = format!("error: the job's own code ended the process: it {done}");
            assert!(ended.stderr.contains(&line), "{trouble}: {}", ended.stderr);
            assert_eq!(place.names()?, ["in.txt", "marks"], "{trouble}");
        }
    }
    Ok(())
}

#[test]
fn what_a_job_prints_goes_to_standard_error() -> Result {
    let place = Place::new()?;
    let ended = odd(&place, "say", &[])?;
    assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b"trouble\t1\n"[..]));
    assert_eq!(ended.stderr, "the last words\n");
    Ok(())
}
