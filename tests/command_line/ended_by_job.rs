//! Runs in which the job's own code ends the process.

use std::fs;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_setfl};

use crate::examples::example;
use crate::program::{Ended, Place, Result};
use crate::until::until;

/// Returns a command that runs the job `odd` on one line `trouble`, which makes this trouble.
fn odd(place: &Place, trouble: &str, output: &[&str]) -> Result<Ended> {
    fs::write(place.path("in.txt"), "trouble\n")?;
    let mut job = Command::new(example("odd"));
    // The job leaves a mark that it made trouble.
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
        ("abort", "died of SIGABRT (it aborted) in j1/m0#1"),
        ("segfault", "died of SIGSEGV"),
        ("exit-thread", "called `exit`"),
        ("quick-exit", "called `quick_exit` in j1/m0#1"),
        ("trap", "died of SIGTRAP"),
        ("overflow", "died of SIGABRT (it aborted)"),
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
fn code_that_ends_the_process_before_the_first_task_fails_the_run() -> Result {
    // The value of the job is dropped for the first time before any task runs.
    for (last, said) in [
        ("exit0", "called `exit`, and nothing was published"),
        ("exit3", "called `exit`, and nothing was published"),
        ("quick-exit", "called `quick_exit`, and nothing was published"),
        ("abort", "died of SIGABRT"),
    ] {
        for output in [&["-o", "out", "--last", last][..], &["--last", last]] {
            let place = Place::new()?;
            let ended = odd(&place, "say", output)?;
            assert_eq!((ended.code, ended.stdout.as_slice()), (Some(1), &b""[..]), "{last}");
            assert!(ended.stderr.contains(said), "{last}: {}", ended.stderr);
            assert_eq!(place.names()?, ["in.txt", "marks"], "{last}");
        }
    }
    Ok(())
}

#[test]
fn limit_of_cpu_time_is_named_and_leaves_nothing() -> Result {
    for output in [&["-o", "out"][..], &[]] {
        let place = Place::new()?;
        let ended = odd(&place, "burn", output)?;
        assert_eq!((ended.code, ended.stdout.as_slice()), (Some(1), &b""[..]), "{}", ended.stderr);
        let said = "error: the run has used up its CPU time, and nothing was published\nhint: raise the limit of CPU time (ulimit -t)\n";
        assert_eq!(ended.stderr, said);
        assert_eq!(place.names()?, ["in.txt", "marks"]);
    }
    Ok(())
}

/// `_exit`, `exec` and SIGKILL end a process without running any code of it, so the exit code may report success.
#[test]
fn run_that_vanishes_publishes_nothing_and_the_next_one_removes_its_leftovers() -> Result {
    for (trouble, code) in [("vanish", Some(0)), ("become", Some(0)), ("kill", None)] {
        for (output, made) in [(&["-o", "out"][..], &["out"][..]), (&[], &[])] {
            let place = Place::new()?;
            let ended = odd(&place, trouble, output)?;
            assert_eq!((ended.code, ended.stdout.as_slice()), (code, &b""[..]), "{trouble}");
            let left = place.names()?;
            assert!(left.len() > 2 && !left.contains(&"out".to_owned()), "{trouble}: {left:?}");
            let next = odd(&place, "say", output)?;
            assert_eq!(next.code, Some(0), "{trouble}: {}", next.stderr);
            assert_eq!(place.names()?, [&["in.txt", "marks"], made].concat(), "{trouble}");
        }
    }
    Ok(())
}

#[test]
fn user_code_may_change_the_working_folder() -> Result {
    let place = Place::new()?;
    let marks = place.path("marks");
    fs::create_dir_all(&marks)?;
    fs::create_dir_all(place.path("d"))?;
    fs::write(place.path("a.txt"), "a\ntrouble\n")?;
    fs::write(place.path("d/b.txt"), "b\n".repeat(2_000))?;
    fs::write(place.path("stop.txt"), "b\n")?;
    let rows: [&[&str]; 4] = [
        &["a.txt", "d", "-o", "out"],
        &["a.txt", "d", "-o", "out", "--overwrite", "--scratch", "d/.."],
        &["a.txt", "*/b.txt", "--split-size", "1KiB", "--threads", "1"],
        &["./d/../a.txt", "d/b.txt", "-o", "d/../new", "--leave-out", "stop.txt", "--threads", "1"],
    ];
    for (number, flags) in rows.into_iter().enumerate() {
        let mut job = Command::new(example("odd"));
        job.args(flags).arg("--marks").arg(&marks).args(["-q", "--trouble", "wander"]);
        job.stdin(Stdio::null()).current_dir(place.path("")).env("TMPDIR", place.path(""));
        let ended = Ended::from(job.output()?);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{number}");
        let struck = format!("struck-{}", number + 1);
        assert!(marks.join(struck).exists(), "{number}");
        let names = ["a.txt", "d", "in.txt", "marks", "new", "out", "stop.txt"];
        let expected: Vec<&str> =
            names.into_iter().filter(|name| *name != "new" || number == 3).collect();
        assert_eq!(place.names()?, expected, "{number}");
        match number {
            2 => assert_eq!(ended.stdout, b"a\t1\nb\t2000\ntrouble\t1\n"),
            _ => assert_eq!(ended.stdout, b"", "{number}"),
        }
    }
    assert_eq!(fs::read(place.path("out/part-00000.tsv"))?, b"a\t1\nb\t2000\ntrouble\t1\n");
    assert_eq!(fs::read(place.path("new/part-00000.tsv"))?, b"a\t1\ntrouble\t1\n");
    Ok(())
}

#[test]
fn flags_may_hold_sets_maps_and_numbers_that_equal_nothing() -> Result {
    let words = ["a few words for the bag of this job, in any order", "one", ""];
    for number in 0..12 {
        let place = Place::new()?;
        let ended = odd(&place, "say", &["--bag", words[number % words.len()]])?;
        assert_eq!(ended.code, Some(0), "{number}: {}", ended.stderr);
        assert_eq!(ended.stdout, b"trouble\t1\n");
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

/// Returns a full pipe, at which a program that writes to it blocks, and the number of bytes in it.
fn full_pipe() -> Result<(PipeReader, PipeWriter, usize)> {
    let (reader, mut writer) = pipe()?;
    fcntl_setfl(&writer, OFlags::NONBLOCK)?;
    let mut filled = 0;
    loop {
        match writer.write(&[b'x'; 4096]) {
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    fcntl_setfl(&writer, OFlags::empty())?;
    Ok((reader, writer, filled))
}

/// Returns a command that runs the job with a thread that exits once `marks/leave` exists.
fn with_thread(place: &Place, lines: u32) -> Result<Command> {
    let lines: String = (0..lines).map(|line| format!("line {line}\n")).collect();
    fs::write(place.path("in.txt"), format!("trouble\n{lines}"))?;
    fs::create_dir_all(place.path("marks"))?;
    let mut job = Command::new(example("odd"));
    job.args(["in.txt", "--progress", "never", "--marks", "marks", "--trouble", "exit-late"]);
    job.stdin(Stdio::null()).current_dir(place.path("")).env("TMPDIR", place.path(""));
    Ok(job)
}

#[test]
fn thread_that_exits_after_the_output_is_published_changes_nothing() -> Result {
    let place = Place::new()?;
    // The run blocks when it writes its summary until this test reads it.
    let (mut reader, writer, filled) = full_pipe()?;
    let mut job = with_thread(&place, 1)?;
    let mut child = job.args(["-o", "out"]).stdout(Stdio::null()).stderr(writer).spawn()?;
    drop(job);
    until("the output is published", || Ok(place.path("out/_SUCCESS").exists()))?;
    fs::write(place.path("marks/leave"), "")?;
    until("the staging folder is removed", || Ok(place.names()?.len() == 3))?;
    let mut said = String::new();
    reader.read_to_string(&mut said)?;
    let said = &said[filled..];
    assert_eq!(child.wait()?.code(), Some(0), "{said}");
    assert!(!said.contains("nothing was published"), "{said}");
    assert_eq!(place.names()?, ["in.txt", "marks", "out"]);
    Ok(())
}

#[test]
fn thread_that_exits_while_the_result_is_written_fails_the_run() -> Result {
    let place = Place::new()?;
    let mut job = with_thread(&place, 40_000)?;
    // The output is larger than a pipe holds, so the run waits until this test reads it.
    let mut child = job.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut first = [0; 1];
    child.stdout.as_mut().ok_or("no pipe")?.read_exact(&mut first)?;
    fs::write(place.path("marks/leave"), "")?;
    let mut said = String::new();
    child.stderr.as_mut().ok_or("no pipe")?.read_to_string(&mut said)?;
    assert_eq!(child.wait()?.code(), Some(1), "{said}");
    assert!(said.contains("it called `exit`, while its result was being written"), "{said}");
    assert!(said.contains("standard output is incomplete"), "{said}");
    assert_eq!(place.names()?, ["in.txt", "marks"]);
    Ok(())
}
