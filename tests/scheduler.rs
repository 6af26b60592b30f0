//! Golden scripts for the scheduler, one behaviour each, in `tests/scheduler/`.
//!
//! A script is blocks of commands and, after `---`, what follows from them; `#` begins a comment.
//! `UPDATE_SCRIPTS=1` writes what follows now into the scripts, to be read before it is kept.
//!
//! ```text
//! worker w1 slots=2                      lose w1
//! submit j1 [reducers=N] [attempts=N] [map-only]
//! planned j1/p0#1 splits=2 reducers=1    cancel j1
//! complete j1/m0#1 [digest=N] [count=N]  fail j1/m0#1 panic [deterministic]
//! show j1                                running
//! ```

#[path = "scheduler/properties.rs"]
mod properties;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::{env, fs};

use gristmill::scheduler::{
    Cancel, Command, Complete, Effect, Fail, LoseWorker, PlanDone, RegisterWorker, Scheduler,
    Submit,
};
use gristmill::spec::{Cause, Counters, Failure, JobId, Nonce};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[test]
fn every_script_gives_what_it_says() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scheduler");
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_none());
    paths.sort();
    assert!(paths.len() >= 12, "scripts are missing");

    let mut differences = String::new();
    for path in paths {
        let written = fs::read_to_string(&path)?;
        let found = run(&written).map_err(|error| format!("{}: {error}", path.display()))?;
        if found == written {
            continue;
        }
        if env::var_os("UPDATE_SCRIPTS").is_some() {
            fs::write(&path, found)?;
        } else {
            write!(differences, "{}\n{}", path.display(), diff(&written, &found))?;
        }
    }
    assert!(differences.is_empty(), "UPDATE_SCRIPTS=1 would accept this:\n{differences}");
    Ok(())
}

/// The script with what follows from its commands now.
fn run(script: &str) -> Result<String> {
    let mut scheduler = Scheduler::new();
    let mut blocks = Vec::new();
    for block in script.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut text = String::new();
        let mut output = String::new();
        for line in block.lines().take_while(|line| *line != "---") {
            writeln!(text, "{line}")?;
            if !line.starts_with('#') {
                let words: Vec<_> = line.split_whitespace().collect();
                let answer = step(&mut scheduler, &words)
                    .map_err(|error| format!("in `{line}`: {error}"))?;
                output.push_str(&answer);
            }
        }
        let output = if output.is_empty() { "nothing\n" } else { &output };
        blocks.push(format!("{text}---\n{output}"));
    }
    Ok(blocks.join("\n"))
}

/// Does what one line says and tells what follows.
fn step(scheduler: &mut Scheduler, words: &[&str]) -> Result<String> {
    match words {
        ["show", job] => show(scheduler, job.parse()?),
        ["running"] => {
            Ok(scheduler.running().map(|(attempt, on)| format!("{attempt} on {on}\n")).collect())
        }
        _ => Ok(match scheduler.apply(command(words)?) {
            Ok(effects) => effects.iter().map(line).collect(),
            Err(rejection) => format!("rejected: {rejection}\n"),
        }),
    }
}

fn command(words: &[&str]) -> Result<Command> {
    let (name, subject, rest) = match words {
        [name, subject, rest @ ..] => (*name, *subject, rest),
        _ => return Err("a command and what it is about".into()),
    };
    Ok(match name {
        "worker" => {
            let slots = option(rest, "slots")?.ok_or("slots=N")?;
            RegisterWorker { worker: subject.parse()?, slots }.into()
        }
        "lose" => LoseWorker { worker: subject.parse()? }.into(),
        "submit" => Submit {
            job: subject.parse()?,
            nonce: Nonce(7),
            reducers: option(rest, "reducers")?,
            max_attempts: option(rest, "attempts")?.unwrap_or(4),
            map_only: rest.contains(&"map-only"),
        }
        .into(),
        "planned" => PlanDone {
            attempt: subject.parse()?,
            splits: option(rest, "splits")?.ok_or("splits=N")?,
            reducers: option(rest, "reducers")?.unwrap_or(0),
            counters: Counters::new(),
        }
        .into(),
        "complete" => {
            let mut counters = Counters::new();
            if let Some(count) = option(rest, "count")? {
                counters.add("Script", "count", count);
            }
            Complete { attempt: subject.parse()?, digest: option(rest, "digest")?, counters }.into()
        }
        "fail" => {
            let cause = Cause::ALL.into_iter().find(|cause| rest.contains(&&*cause.to_string()));
            let failure = Failure::new(cause.ok_or("a cause")?, "as the script says");
            let deterministic = rest.contains(&"deterministic");
            Fail { attempt: subject.parse()?, failure, deterministic }.into()
        }
        "cancel" => Cancel { job: subject.parse()? }.into(),
        _ => return Err("no such command".into()),
    })
}

/// The value of `name=value`, if it is there.
fn option<T: FromStr<Err: Error + 'static>>(words: &[&str], name: &str) -> Result<Option<T>> {
    let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    Ok(value.map(str::parse).transpose()?)
}

fn line(effect: &Effect) -> String {
    match effect {
        Effect::Stop { attempt, worker, cause } => format!("stop {attempt} on {worker}: {cause}\n"),
        Effect::JobEnded { job, state } => format!("end {job} {state}\n"),
        Effect::Start { attempt, worker } => format!("start {attempt} on {worker}\n"),
    }
}

fn show(scheduler: &Scheduler, id: JobId) -> Result<String> {
    let job = scheduler.job(id).ok_or("no such job")?;
    let mut shown = format!("{id} {}", job.state());
    if let Some(reason) = scheduler.reason(id) {
        write!(shown, ": {reason}")?;
    }
    for (group, name, n) in job.counters().iter() {
        write!(shown, "\n  {group}.{name} {n}")?;
    }
    if let Some(blame) = job.blame() {
        let Failure { cause, message, .. } = &blame.failure;
        write!(shown, "\n  {} {cause}: {message}", blame.attempt)?;
    }
    Ok(shown + "\n")
}

/// Both texts line by line: `-` what is written, `+` what was found.
fn diff(written: &str, found: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (written.lines().collect(), found.lines().collect());
    // common[i][j]: length of the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = String::new();
    while i < old.len() || j < new.len() {
        let (sign, text) = if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            (' ', old[i - 1])
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', old[i - 1])
        } else {
            j += 1;
            ('+', new[j - 1])
        };
        lines.push_str(&format!("{sign} {text}\n"));
    }
    lines
}
