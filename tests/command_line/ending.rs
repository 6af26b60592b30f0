//! How runs end: success, closed output, interruption, and being killed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
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
fn results_are_raw_in_pipes_and_escaped_on_terminals() -> Result {
    let place = Place::new()?;
    fs::write(place.path("in.txt"), b"\x1b[2J \xff \xc3\xb6\n")?;
    let piped = place.shell("$JOBS/wordcount in.txt -q | cat")?;
    assert_eq!(piped.stdout, b"\x1b[2J\t1\n\xc3\xb6\t1\n\xff\t1\n");
    let shown =
        place.shell("SHELL=/bin/sh script -q -e -c '$JOBS/wordcount in.txt -q' /dev/null")?;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert_eq!(shown.stdout, b"\\x1b[2J\t1\r\n\xc3\xb6\t1\r\n\\xff\t1\r\n");
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
        let shown = String::from_utf8(ended.stdout)?;
        assert!(shown.contains(said), "{flag}");
        assert!(shown.lines().all(|line| line.len() < 80), "too wide for a terminal: {shown}");
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

/// Shell commands that write the inputs of a join: one user, one bad line and two orders.
const JOIN: &str = r#"printf 'u1\tAnn\nbad\n' >u; printf '{"user":"u1","item":"i","cents":1}\n{"user":"u7","item":"i","cents":1}\n' >o; "#;

#[test]
fn the_summary_counts_what_is_in_the_parts_and_names_the_rest() -> Result {
    let place = Place::new()?;
    let run = |flags: &str| {
        place.shell(&format!(
            "{JOIN} exec $JOBS/join-orders users=u orders=o --max-bad-records 1 {flags}"
        ))
    };
    let ended = run("-o out")?;
    let parts = fs::read(place.path("out/part-00000.tsv"))?;
    for said in [
        &format!("wrote   1 record, {}B, 1 part, to out\n", parts.len()),
        "side    1 record, 7B, 1 side output file\n",
        "note    1 bad record set aside, in out/_bad\n",
    ] {
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    let ended = run("")?;
    assert_eq!(ended.stdout, parts);
    for said in [
        &format!("wrote   1 record, {}B, 1 part, to standard output\n", parts.len()),
        "note    1 record of side outputs not kept; to keep such records, name a folder with --output DIR\n",
        "note    1 bad record skipped, not kept; to keep such records, name a folder with --output DIR\n",
    ] {
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    assert_eq!(run("-q")?.stderr, "", "notes are part of the summary");
    let ended = run("-o out --overwrite --summary json")?;
    let summary: serde_json::Value = serde_json::from_str(&ended.stderr)?;
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("out/_MANIFEST.json"))?)?;
    assert_eq!(summary["output"]["parts"], 1);
    assert_eq!(summary["output"]["records"], 1);
    assert_eq!(summary["output"]["bytes"], parts.len());
    assert_eq!(summary["side_outputs"]["files"], 1);
    assert_eq!(summary["side_outputs"]["bytes"], 7);
    assert_eq!(summary["bad_records"], 1);
    assert_eq!(manifest["records"], 2, "the bad record is not a record of the output");
    let verified = gristmill::storage::verify(&place.path("out"))?;
    assert_eq!((verified.records, verified.bad_records, verified.findings), (2, 1, vec![]));
    assert_eq!(summary["counters"], manifest["counters"]);
    Ok(())
}

#[test]
fn what_is_skipped_is_counted_by_kind() -> Result {
    let place = Place::new()?;
    let ended = place.shell("mkdir d && mkfifo d/p && cp in.txt d && $JOBS/wordcount d")?;
    let said = "note    skipped 1 special file (pipe, socket or device)\n";
    assert!(ended.stderr.ends_with(said), "{}", ended.stderr);
    Ok(())
}

#[test]
fn a_file_that_is_reached_again_is_read_once_and_noted() -> Result {
    let place = Place::new()?;
    let line = "mkdir d && cp in.txt d/a && ln -s a d/b && $JOBS/wordcount d d/a in.txt";
    let ended = place.shell(line)?;
    assert_eq!(ended.stdout, b"a\t4\nb\t2\n");
    let said = "note    each file is read once; skipped 2 repeated paths to files: d/b is the same as d/a; d/a is given as an input more than once\n";
    assert!(ended.stderr.ends_with(said), "{}", ended.stderr);
    let ended = place.shell("touch d/_c && $JOBS/wordcount d in.txt in.txt --summary json")?;
    let summary: serde_json::Value = serde_json::from_str(&ended.stderr)?;
    assert_eq!(summary["skipped"], serde_json::json!({ "hidden": 1, "special": 0 }));
    assert_eq!(summary["reached_again"]["paths"], 2);
    assert_eq!(summary["reached_again"]["examples"][0]["path"], "d/b");
    assert_eq!(place.shell("$JOBS/wordcount -q d in.txt in.txt")?.stderr, "");
    Ok(())
}

#[test]
fn range_part_with_nearly_all_output_is_noted() -> Result {
    let place = Place::new()?;
    let records = "seq -f %010.0f 0 3999 | awk '{ printf \"%s%090d\", $1, 0 }'";
    let ended = place.shell(&format!("{records} | $JOBS/terasort - -r 4 -o out"))?;
    let said = "note    part-00000.bin holds 100 % of the output: ";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    let line = format!("{records} >in.bin && $JOBS/terasort in.bin -r 4 -o sampled");
    let ended = place.shell(&line)?;
    assert!(ended.code == Some(0) && !ended.stderr.contains("note "), "{}", ended.stderr);
    Ok(())
}

#[test]
fn the_summary_says_how_input_was_compressed() -> Result {
    let place = Place::new()?;
    for program in ["gzip", "zstd", "bzip2", "xz", "lz4"] {
        let ended = place.shell(&format!("{program} -c in.txt >in && $JOBS/wordcount in"))?;
        assert_eq!(ended.stdout, b"a\t2\nb\t1\n", "{program}");
        assert!(ended.stderr.contains(&format!("1 file ({program})")), "{}", ended.stderr);
    }
    Ok(())
}

#[test]
fn json_summary_suppresses_other_output() -> Result {
    let place = Place::new()?;
    let ended = place
        .shell("(cat in.txt; sleep 1; cat in.txt) | $JOBS/wordcount - -o out --summary json")?;
    serde_json::from_str::<serde_json::Value>(&ended.stderr)?;
    let ended = place.shell("(cat in.txt; sleep 1; cat in.txt) | $JOBS/wordcount - -o other")?;
    assert!(ended.stderr.starts_with("map "), "{}", ended.stderr);
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
    let line = "mkdir d && cp in.txt d/$'\\xff.txt' && cp in.txt d/.hidden && $JOBS/wordcount d 'd/*.txt' && $JOBS/wordcount - <in.txt && cd d && $JOBS/wordcount '**'";
    let ended = place.shell(line)?;
    assert_eq!(
        (ended.code, ended.stdout.as_slice()),
        (Some(0), &b"a\t2\nb\t1\na\t2\nb\t1\na\t2\nb\t1\n"[..])
    );
    assert!(
        ended.stderr.contains("skipped 1 file whose name or folder name begins with . or _"),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn closed_pipe_ends_a_run_quietly() -> Result {
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
fn unusable_standard_streams_are_refused_before_any_work() -> Result {
    let place = Place::new()?;
    for (line, said) in [
        ("wordcount in.txt >&-", "standard output: it is closed"),
        ("wordcount in.txt -o - >&-", "standard output: it is closed"),
        ("wordcount in.txt >&- 2>err; code=$?; cat err >&2; exit $code", "it is closed"),
        ("wordcount in.txt 1</dev/null", "it is open for reading only"),
        ("wordcount in.txt 1<in.txt", "it is open for reading only"),
        ("wordcount - <&-", "standard input (`-`): it is closed"),
        ("wordcount - -o out <&-", "standard input (`-`): it is closed"),
        ("wordcount - 0>empty; code=$?; rm empty; exit $code", "it is open for writing only"),
    ] {
        let ended = place.shell(&format!("$JOBS/{line}"))?;
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{line}: {}", ended.stderr);
        place.shell("rm -f err")?;
        assert_eq!(place.names()?, ["in.txt"], "{line}");
    }
    Ok(())
}

#[test]
fn help_that_cannot_be_printed_is_an_error() -> Result {
    let place = Place::new()?;
    for line in ["--help >&-", "--version >&-", "--version >/dev/full", "--help 1</dev/null"] {
        let ended = place.shell(&format!("$JOBS/wordcount {line}"))?;
        assert_eq!(ended.code, Some(1), "{line}: {}", ended.stderr);
    }
    Ok(())
}

#[test]
fn streams_that_a_run_does_not_need_may_be_closed() -> Result {
    let place = Place::new()?;
    for line in [
        "wordcount in.txt -o 1 >&- 2>&- <&-",
        "wordcount in.txt >/dev/null",
        "wordcount in.txt 1<>/dev/null",
        "wordcount in.txt <&- | cat >2",
        "wordcount - </dev/null",
        "wordcount - 0<>/dev/null -o 3",
        "wordcount in.txt 2>&- >4",
    ] {
        let ended = place.shell(&format!("set -o pipefail; $JOBS/{line}"))?;
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.stderr);
    }
    assert_eq!(fs::read(place.path("2"))?, b"a\t2\nb\t1\n");
    assert_eq!(fs::read(place.path("4"))?, b"a\t2\nb\t1\n");
    Ok(())
}

#[test]
fn full_disk_is_reported_and_leaves_nothing() -> Result {
    let place = Place::new()?;
    // A limit on the size of files stands in for a disk that fills up.
    let ended = place.shell(
        "seq 1 400000 >in.txt; ulimit -f 100; exec $JOBS/wordcount in.txt -o out --progress never",
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

/// Runs word count with its output on a file system that is mounted with these options.
fn on(mount: &str) -> Result<Ended> {
    let place = Place::new()?;
    let script = format!(
        "mkdir m; seq 1 4000 >in.txt; mount -t tmpfs -o {mount} none m; exec $JOBS/wordcount in.txt -r 4 -o m/out --scratch . -q"
    );
    place.shell(&format!("exec unshare -Urm bash -ec '{script}'"))
}

#[test]
fn each_lack_of_a_file_system_has_its_own_cause_and_hint() -> Result {
    for (mount, cause, hint) in [
        ("size=16k", "no space left for", "free some"),
        ("ro", "Read-only file system", "choose an --output elsewhere\n"),
    ] {
        let ended = on(mount)?;
        assert_ne!(ended.code, Some(0), "{mount}");
        assert!(ended.stderr.contains(cause), "{mount}: {}", ended.stderr);
        assert!(ended.stderr.contains(hint), "{mount}: {}", ended.stderr);
    }
    // The first file or folder without an inode differs from case to case.
    let mut failed = 0;
    for inodes in 2..40 {
        let ended = on(&format!("size=16m,nr_inodes={inodes}"))?;
        if ended.code == Some(0) {
            break;
        }
        failed += 1;
        assert!(ended.stderr.contains("no inodes left"), "{inodes}: {}", ended.stderr);
        assert!(ended.stderr.contains("df -i"), "{inodes}: {}", ended.stderr);
    }
    assert!((4..30).contains(&failed), "{failed}");
    Ok(())
}

#[test]
fn spill_without_inodes_is_not_called_a_full_disk() -> Result {
    for inodes in [3, 5, 8] {
        let place = Place::new()?;
        let script = format!(
            "mkdir m; seq 1 300000 >in.txt; mount -t tmpfs -o size=256m,nr_inodes={inodes} none m; exec $JOBS/wordcount in.txt -o out --scratch m --memory 16MiB -q"
        );
        let ended = place.shell(&format!("exec unshare -Urm bash -ec '{script}'"))?;
        assert_ne!(ended.code, Some(0), "{inodes}");
        let said = ["spill: no inodes left\nhint: ", "df -i", "--scratch"];
        assert!(said.iter().all(|said| ended.stderr.contains(said)), "{inodes}: {}", ended.stderr);
    }
    Ok(())
}

/// Starts a run that waits for more input, and waits until its folders exist.
fn waiting(place: &Place) -> Result<Child> {
    let mut command: Command = place.program("wordcount");
    command
        .args(["-", "-o", "out", "--progress", "hadoop"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.as_mut().ok_or("no pipe")?.write_all(b"a b\n")?;
    // The first line of progress appears once the run has begun.
    let mut first = String::new();
    BufReader::new(child.stderr.as_mut().ok_or("no pipe")?).read_line(&mut first)?;
    assert!(first.starts_with(" map "), "{first}");
    assert_eq!(place.names()?.len(), 2, "a hidden folder beside the input");
    Ok(child)
}

/// Returns the exit code. Fails if the program has not ended after half a minute.
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

#[test]
fn message_does_not_follow_the_progress_line() -> Result {
    let place = Place::new()?;
    let mut command = place.program("wordcount");
    command
        .args(["-", "-o", "out", "--progress", "always"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().ok_or("no pipe")?;
    input.write_all(b"a b\n")?;
    let mut said = Vec::new();
    let mut stderr = BufReader::new(child.stderr.take().ok_or("no pipe")?);
    while !said.ends_with(b"\rmap ") {
        let mut byte = [0];
        stderr.read_exact(&mut byte)?;
        said.extend(byte);
    }
    // The run waits for more input, and is stopped while the progress line is on the screen.
    signal(&child, "TERM")?;
    assert_eq!(wait(&mut child)?, Some(130));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest)?;
    drop(input);
    let (line, message) = rest.rsplit_once('\r').ok_or("no line is cleared")?;
    assert!(line.ends_with("      "), "the line is not covered: {rest:?}");
    assert!(message.starts_with("error: interrupted: "), "{rest:?}");
    Ok(())
}

#[test]
fn interrupted_result_is_reported_as_incomplete() -> Result {
    let place = Place::new()?;
    place.shell("seq 1 400000 >in.txt")?;
    let mut command = place.program("wordcount");
    command.args(["in.txt", "-q"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // The result does not fit into the pipe, so part of it is still unwritten.
    let mut stdout = child.stdout.take().ok_or("no pipe")?;
    stdout.read_exact(&mut [0])?;
    signal(&child, "TERM")?;
    assert_eq!(wait(&mut child)?, Some(130));
    let mut said = String::new();
    child.stderr.take().ok_or("no pipe")?.read_to_string(&mut said)?;
    assert!(said.contains("standard output is incomplete"), "{said}");
    assert_eq!(place.names()?, ["in.txt"]);
    Ok(())
}

fn signal(child: &Child, name: &str) -> Result {
    let status =
        Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status()?;
    assert!(status.success());
    Ok(())
}

#[test]
fn an_interrupted_run_leaves_nothing() -> Result {
    // The programs that this test starts inherit the signals that it ignores, for example under `nohup`.
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
        // The input stays open, so the run waits for more until the signal.
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
    // Both runs have the same output. The second one finds it taken.
    drop(other.stdin.take());
    assert_eq!(wait(other)?, Some(1));
    assert_eq!(place.names()?, ["in.txt", "out"]);
    assert_eq!(fs::read(place.path("out/part-00000.tsv"))?, b"a\t2\nb\t1\n");
    Ok(())
}
