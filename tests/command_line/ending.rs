//! How runs end when they go well, when their output is closed, when they are interrupted, and when they are killed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::program::{Ended, Place, Result};

#[test]
fn results_go_to_standard_output_and_all_else_to_standard_error() -> Result {
    let place = Place::new()?;
    let ended = Ended::from(place.program("wordcount").arg("in.txt").output()?);
    assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b"a\t2\nb\t1\n"[..]));
    assert!(ended.stderr.starts_with("wordcount succeeded in "), "{}", ended.stderr);
    let ended = Ended::from(place.program("wordcount").args(["in.txt", "-q"]).output()?);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(place.names()?, ["in.txt"]);
    Ok(())
}

#[test]
fn help_and_version_go_to_standard_output() -> Result {
    let place = Place::new()?;
    for (flag, said) in
        [("--help", "--memory <SIZE>"), ("-h", "Usage: wordcount"), ("--version", "gristmill")]
    {
        let ended = Ended::from(place.program("wordcount").arg(flag).output()?);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(String::from_utf8_lossy(&ended.stdout).contains(said), "{flag}");
    }
    Ok(())
}

#[test]
fn the_summary_is_json_when_asked_for() -> Result {
    let place = Place::new()?;
    let ended = Ended::from(
        place.program("wordcount").args(["in.txt", "-o", "out", "--summary", "json"]).output()?,
    );
    let summary: serde_json::Value = serde_json::from_str(&ended.stderr)?;
    assert_eq!(summary["state"], "succeeded");
    assert_eq!(summary["input"]["records"], 1);
    assert_eq!(summary["output"]["records"], 2);
    assert_eq!(gristmill::storage::verify(&place.path("out"))?.findings, []);
    Ok(())
}

#[test]
fn an_output_is_replaced_only_when_asked_for() -> Result {
    let place = Place::new()?;
    assert_eq!(place.shell("$JOBS/wordcount in.txt -o out && echo c >in.txt")?.code, Some(0));
    assert_eq!(place.shell("$JOBS/wordcount in.txt -o out")?.code, Some(2));
    assert_eq!(fs::read(place.path("out/part-00000.tsv"))?, b"a\t2\nb\t1\n");
    assert_eq!(place.shell("$JOBS/wordcount in.txt -o out --overwrite")?.code, Some(0));
    assert_eq!(fs::read(place.path("out/part-00000.tsv"))?, b"c\t1\n");
    assert_eq!(place.names()?, ["in.txt", "out"]);
    Ok(())
}

#[test]
fn names_of_any_bytes_globs_and_standard_input_are_read() -> Result {
    let place = Place::new()?;
    let line = "mkdir d && cp in.txt d/$'\\xff.txt' && cp in.txt d/.hidden && $JOBS/wordcount d 'd/*.txt' && $JOBS/wordcount - <in.txt";
    let ended = place.shell(line)?;
    assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b"a\t4\nb\t2\na\t2\nb\t1\n"[..]));
    assert!(ended.stderr.contains("skipped 1 name beginning with . or _"), "{}", ended.stderr);
    Ok(())
}

#[test]
fn a_reader_that_leaves_ends_a_run_quietly() -> Result {
    let place = Place::new()?;
    let line = "seq 1 400000 >in.txt; $JOBS/wordcount in.txt -q | head -n 1; echo ${PIPESTATUS[0]}";
    let ended = place.shell(line)?;
    assert_eq!((String::from_utf8(ended.stdout)?, ended.stderr.as_str()), ("1\t1\n0\n".into(), ""));
    let ended = place.shell("$JOBS/wordcount in.txt -q >/dev/full")?;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error: cannot write the result"), "{}", ended.stderr);
    Ok(())
}

#[test]
fn no_space_left_is_said_and_nothing_stays() -> Result {
    let place = Place::new()?;
    // A limit on the size of files stands in for a disk that fills up.
    let ended = place.shell(
        "seq 1 400000 >in.txt; trap '' XFSZ; ulimit -f 100; exec $JOBS/wordcount in.txt -o out",
    )?;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with("error: ") && ended.stderr.contains("part-0"),
        "{}",
        ended.stderr
    );
    assert_eq!(place.names()?, ["in.txt"]);
    Ok(())
}

/// Starts a run that waits for more input, and waits until its folders are there.
fn waiting(place: &Place) -> Result<Child> {
    let mut command: Command = place.program("wordcount");
    command
        .args(["-", "-o", "out", "--progress", "hadoop"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.as_mut().ok_or("no pipe")?.write_all(b"a b\n")?;
    // The first line of progress comes once the run has begun.
    let mut first = String::new();
    BufReader::new(child.stderr.as_mut().ok_or("no pipe")?).read_line(&mut first)?;
    assert!(first.starts_with(" map "), "{first}");
    assert_eq!(place.names()?.len(), 2, "a hidden folder beside the input");
    Ok(child)
}

/// The exit code, which comes within half a minute or never.
fn wait(child: &mut Child) -> Result<Option<i32>> {
    let (_never, timer) = std::sync::mpsc::channel::<()>();
    for _ in 0..3_000 {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        let _time_out = timer.recv_timeout(std::time::Duration::from_millis(10));
    }
    child.kill()?;
    Err("the program does not end".into())
}

fn signal(child: &Child, name: &str) -> Result {
    let status =
        Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status()?;
    assert!(status.success());
    Ok(())
}

#[test]
fn an_interrupted_run_leaves_nothing() -> Result {
    // What this test was started to ignore, as `nohup` has it, so do the programs that it starts.
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored =
        status.lines().find_map(|line| line.strip_prefix("SigIgn:")).ok_or("no SigIgn")?;
    let ignored = u64::from_str_radix(ignored.trim(), 16)?;
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        if ignored >> (number - 1) & 1 == 1 {
            continue;
        }
        let place = Place::new()?;
        let mut child = waiting(&place)?;
        // Its input stays open, so that it waits for more until the signal.
        let input = child.stdin.take();
        signal(&child, name)?;
        assert_eq!(wait(&mut child)?, Some(130), "{name}");
        drop(input);
        assert_eq!(place.names()?, ["in.txt"]);
    }
    Ok(())
}

#[test]
fn what_a_killed_run_leaves_is_swept_by_the_next_and_a_live_one_is_not() -> Result {
    let place = Place::new()?;
    let (mut killed, mut live) = (waiting(&place)?, None);
    signal(&killed, "KILL")?;
    wait(&mut killed)?;
    let hidden: Vec<_> =
        place.names()?.into_iter().filter(|name| name.starts_with(".out.")).collect();
    assert_eq!(hidden.len(), 1, "a killed run cannot tidy up");
    let other = live.insert(waiting(&place)?);
    assert!(!place.names()?.contains(&hidden[0]), "the next run sweeps");
    let ended =
        Ended::from(place.program("wordcount").args(["in.txt", "-o", "out", "-q"]).output()?);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // Both wanted the same output: the second to come finds it taken.
    drop(other.stdin.take());
    assert_eq!(wait(other)?, Some(1));
    assert_eq!(place.names()?, ["in.txt", "out"]);
    assert_eq!(fs::read(place.path("out/part-00000.tsv"))?, b"a\t2\nb\t1\n");
    Ok(())
}
