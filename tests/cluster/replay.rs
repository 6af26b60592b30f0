//! `gristmill replay` repeats an attempt in this terminal, with the same input, and does not change the job.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::attempts::Attempts;
use crate::commands::{Commands, Ended, Result};
use crate::dev::{lives, send};
use crate::fleet::Fleet;
use crate::leftovers::{check_nothing_is_left, children};
use crate::odd::{OUTPUT, Odd};
use crate::trial::{parts, status};
use crate::until::until;

const FLAGS: &str = "in.txt --split-size 1KiB -r 2";

/// Writes an input of about ten maps, one with this line.
fn write_input(commands: &Commands, line: &str) -> Result {
    let lines: String = (0..250).map(|n| format!("the {} and the other\n", n % 100)).collect();
    Ok(fs::write(commands.path("in.txt"), format!("{lines}{line}\n{lines}"))?)
}

/// Replays a task with a temporary folder of this test's own, and checks that nothing is left in it.
fn replay(fleet: &Fleet, arguments: &[&str]) -> Result<Ended> {
    let temporary = fleet.path("data/temporary");
    fs::create_dir_all(&temporary)?;
    let mut command = fleet.command(&[&["replay"], arguments].concat());
    let ended = command.env("TMPDIR", &temporary).output()?.into();
    assert_eq!(fs::read_dir(&temporary)?.count(), 0, "{arguments:?}");
    Ok(ended)
}

/// Returns the arguments of the replay command that `why` suggests, without the program and the verb.
fn told(fleet: &Fleet, job: &str) -> Result<String> {
    let why = fleet.json(&["why", job])?;
    let line = why["replay"].as_str().ok_or("nothing to replay")?;
    Ok(line.strip_prefix("gristmill replay ").ok_or("another command")?.to_owned())
}

#[test]
fn replayed_map_fails_in_the_same_way() -> Result {
    let fleet = Fleet::start(2, 1)?;
    write_input(&fleet, "trouble")?;
    let temporary = fleet.path("data/temporary");
    let table = [
        ("say,panic", "panicked: no luck", "record: `trouble`"),
        ("say,refuse", "not to my taste", "(user_error)"),
        ("say,exit3", "error: the process exited with code 3 before the attempt ended", "j"),
        (
            "say,segfault",
            "error: the process died of SIGSEGV (signal 11)",
            "before the attempt ended",
        ),
    ];
    for (trouble, said, also) in table {
        let odd = Odd::new(FLAGS).with_options("--max-attempts 2");
        let odd = odd.with_trouble(&format!("--trouble {trouble}"));
        let report = odd.run(&fleet)?;
        let replayed = replay(&fleet, &[&told(&fleet, &report.job)?])?;
        assert_eq!(replayed.code, Some(1), "{trouble}: {}", replayed.stderr);
        assert_eq!(replayed.stdout, "", "what user code prints is not a result");
        assert!(replayed.stderr.contains("the last words\n"), "{trouble}: {}", replayed.stderr);
        assert!(replayed.stderr.contains(said), "{trouble}: {}", replayed.stderr);
        assert!(replayed.stderr.contains(also), "{trouble}: {}", replayed.stderr);
        let begin = format!("running {}/m", report.job);
        assert!(replayed.stderr.starts_with(&begin), "{}", replayed.stderr);
        assert!(replayed.stderr.contains(" of /"), "its input is named: {}", replayed.stderr);
        odd.check_failed(&fleet, &report)?;
    }

    // An interrupted replay and one that takes too long leave nothing behind either.
    let odd = Odd::new(FLAGS).with_options("--max-attempts 1 --task-timeout 1s");
    let odd = odd.with_trouble("--trouble daemon,hang");
    let report = odd.run(&fleet)?;
    let mut command = fleet.command(&["replay", &told(&fleet, &report.job)?]);
    command.env("TMPDIR", &temporary).stderr(Stdio::piped());
    let child = command.spawn()?;
    until("it hangs here too", || Ok(odd.children(&fleet)?.len() == 2))?;
    let executors = children(child.id())?;
    assert_eq!(executors.len(), 1);
    send("INT", child.id())?;
    let ended: Ended = child.wait_with_output()?.into();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    until("its process is gone", || Ok(!lives(executors[0])))?;
    assert_eq!(fs::read_dir(&temporary)?.count(), 0);
    let limited = replay(&fleet, &[&told(&fleet, &report.job)?, "--task-timeout", "1s"])?;
    assert_eq!(limited.code, Some(1), "{}", limited.stderr);
    assert!(limited.stderr.contains("error: no progress for 1000 ms: j"), "{}", limited.stderr);
    let daemons = odd.children(&fleet)?;
    assert_eq!(daemons.len(), 3);
    for daemon in daemons {
        until("no daemon is left", || Ok(!lives(daemon)))?;
    }
    odd.check_failed(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

/// Returns the name and the bytes of the part in the folder of a replay.
fn part_in(folder: &Path) -> Result<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let attempts = entry?.path().join("attempts");
        for attempt in fs::read_dir(attempts).into_iter().flatten() {
            for part in fs::read_dir(attempt?.path())? {
                let part = part?;
                let name = part.file_name().to_string_lossy().into_owned();
                if name.starts_with("part-") {
                    found.push((name, fs::read(part.path())?));
                }
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    Ok(found.swap_remove(0))
}

/// Returns the lines of the counters.
fn counted(ended: &Ended) -> Vec<&str> {
    ended.stderr.lines().filter(|line| line.starts_with("  ")).collect()
}

#[test]
fn replayed_reduce_fetches_outputs_or_makes_them() -> Result {
    let fleet = Fleet::start(2, 2)?;
    write_input(&fleet, "hold gate")?;
    let odd = Odd::new(FLAGS);
    let job = odd.submit(&fleet)?;
    odd.waits(&fleet, "gate", 1)?;
    until("the other part is finished", || Ok(status(&fleet, &job)?["reduces"]["done"] == 1))?;
    let attempts = Attempts::of(&fleet, &job)?;
    let won = attempts.all(|attempt| attempt.kind == "reduce" && attempt.state == "succeeded");
    let reduce = won[0].task.clone();

    let fetched = replay(&fleet, &[&reduce])?;
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    assert!(fetched.stderr.contains(" fetched ("), "{}", fetched.stderr);
    assert!(fetched.stderr.contains(&format!("{reduce}#1 succeeded here\n")), "{}", fetched.stderr);
    assert!(counted(&fetched).iter().any(|line| line.contains("reduce_input_groups")));

    let early = replay(&fleet, &[&format!("{job}/c0")])?;
    assert_eq!(early.code, Some(2), "{}", early.stderr);
    for none in [format!("{job}/m999"), format!("{job}/m0#9"), "j99/m0".into()] {
        let none = replay(&fleet, &[&none])?;
        assert_eq!(none.code, Some(3), "{}", none.stderr);
    }
    odd.open(&fleet, "gate")?;
    let report = odd.watch(&fleet, &job)?;
    assert_eq!(report.ended.code, Some(0), "{}", report.ended.stderr);

    let late = replay(&fleet, &[&reduce])?;
    assert_eq!(late.code, Some(3), "{}", late.stderr);
    assert!(
        late.stderr.contains("are gone") && late.stderr.contains("--make-maps"),
        "{}",
        late.stderr
    );
    let kept = fleet.path("data/kept");
    let made = replay(&fleet, &[&reduce, "--make-maps", "--data", "data/kept"])?;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(counted(&made), counted(&fetched));
    let part = part_in(&kept)?;
    assert!(parts(&fleet, OUTPUT)?.contains(&part), "{}", part.0);
    let again = replay(&fleet, &[&reduce, "--make-maps", "--data", "data/kept"])?;
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    let plan = replay(&fleet, &[&format!("{job}/p0")])?;
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    assert!(plan.stderr.contains(" maps, 2 reduces\n"), "{}", plan.stderr);

    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}
