//! `gristmill logs -f` prints a running job's output, across changes of leader and deaths of workers.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::dev::send;
use crate::fleet::Fleet;
use crate::masters::leader;
use crate::odd::Odd;
use crate::until::{until, until_within};

/// How long a client may follow a log, in seconds.
const SECONDS_MAX: u32 = 90;

/// Follows the logs of something into a file.
fn follow(commands: &Commands, what: &str, to: &Path) -> Result<Child> {
    let mut command = commands.command(&["logs", "-f", what]);
    command.stdout(File::create(to)?).stderr(Stdio::piped());
    Ok(command.spawn()?)
}

/// Waits until the file has `count` of the job's lines, and checks that it does not have more.
fn lines(file: &Path, count: usize) -> Result {
    let said = || fs::read_to_string(file);
    until_within(SECONDS_MAX, "lines come", || {
        Ok(said()?.matches("the last words\n").count() >= count)
    })
    .map_err(|error| format!("{error}: {:?}", said()))?;
    let said = said()?;
    assert_eq!(said.matches("the last words\n").count(), count, "each once: {said}");
    Ok(())
}

/// Waits until a client ends, and returns its exit code and its standard error.
fn ended(client: Child) -> Result<(Option<i32>, String)> {
    let mut client = client;
    until_within(SECONDS_MAX, "the client ends", || Ok(client.try_wait()?.is_some()))?;
    let output = client.wait_with_output()?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn logs_are_followed_across_leaders_and_deaths() -> Result {
    let mut fleet = Fleet::start_masters(3, 2, 1)?;
    fs::write(fleet.path("in.txt"), "trouble\nwait one\ntrouble\nwait two\ntrouble\n")?;
    let odd = Odd::new("in.txt -r 1").with_trouble("--trouble say");
    let job = odd.submit(&fleet)?;
    let (all, one) = (fleet.path("all.txt"), fleet.path("one.txt"));
    let followed = follow(&fleet, &job, &all)?;
    odd.waits(&fleet, "one", 1)?;
    lines(&all, 1)?;
    let attempt = follow(&fleet, &format!("{job}/m0#1"), &one)?;
    lines(&one, 1)?;
    assert_eq!(
        fs::read_to_string(&one)?,
        "the last words\n",
        "of one attempt nothing else is said"
    );
    let interrupted = follow(&fleet, &format!("{job}/m0"), &fleet.path("interrupted.txt"))?;
    lines(&fleet.path("interrupted.txt"), 1)?;
    send("INT", interrupted.id())?;
    assert_eq!(ended(interrupted)?, (Some(130), String::new()));

    let first = leader(&fleet)?;
    fleet.kill_master_of(first)?;
    odd.open(&fleet, "one")?;
    odd.waits(&fleet, "two", 1)?;
    lines(&all, 2)?;
    let attempts = Attempts::of(&fleet, &job)?;
    let running = attempts.all(|attempt| attempt.kind == "map" && attempt.state == "running");
    let worker = running.first().ok_or("nobody maps")?.worker.clone();
    let number = fleet.numbers().find(|&number| fleet.id(number).is_ok_and(|id| id == worker));
    fleet.kill(number.ok_or("no such worker")?)?;
    // Another attempt begins with the first line.
    lines(&all, 4)?;
    let (code, said) = ended(attempt)?;
    assert_eq!(code, Some(0), "nothing more can come of it: {said}");
    assert!(said.starts_with(&format!("error: {worker} is gone, and so are its logs")), "{said}");
    odd.open(&fleet, "two")?;
    let (code, _) = ended(followed)?;
    assert_eq!(code, Some(0));
    lines(&all, 5)?;
    let said = fs::read_to_string(&all)?;
    let wanted = format!(
        "==> {job}/m0#1 <==\n{line}{line}==> {job}/m0#2 <==\n{line}{line}{line}",
        line = "the last words\n"
    );
    assert_eq!(said, wanted);
    assert_eq!(fleet.run(&["watch", &job])?.code, Some(0));
    until("its masters are there", || Ok(fleet.run(&["masters"])?.code == Some(0)))?;
    Ok(())
}

#[test]
fn logs_of_what_is_not_there_yet_are_waited_for() -> Result {
    let mut fleet = Fleet::start(0, 1)?;
    fs::write(fleet.path("in.txt"), "trouble\n")?;
    let odd = Odd::new("in.txt -r 1").with_trouble("--trouble say");
    let job = odd.submit(&fleet)?;
    let (all, task) = (fleet.path("all.txt"), fleet.path("task.txt"));
    let followed = [follow(&fleet, &job, &all)?, follow(&fleet, &format!("{job}/m0"), &task)?];
    let none = follow(&fleet, &format!("{job}/m7"), &fleet.path("none.txt"))?;
    assert_eq!(fleet.run(&["logs", &job])?.code, Some(3), "nothing was begun");
    fleet.add_worker()?;
    for client in followed {
        assert_eq!(ended(client)?, (Some(0), String::new()));
    }
    for file in [all, task] {
        assert_eq!(fs::read_to_string(file)?, format!("==> {job}/m0#1 <==\nthe last words\n"));
    }
    let (code, said) = ended(none)?;
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(said, format!("error: no such task: {job}/m7\nhint: run `gristmill tasks {job}`\n"));
    let missing = follow(&fleet, "j99", &fleet.path("none.txt"))?;
    assert_eq!(ended(missing)?.0, Some(3));
    Ok(())
}
