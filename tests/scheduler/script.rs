//! Runs a golden script and writes down the effects of each block.
//!
//! ```text
//! worker w1 slots=2 [memory=MIB] [j1/m0#1=DIGEST…] [incarnation=N]    lose w1 [incarnation=N] · leave w1
//! restore w1 j1/m0#1=DIGEST… [incarnation=N]                          readmit w1 number=N · drain w1
//! submit j1 [id=TEXT] [reducers=N] [map-only] [attempts=N] [priority=N] [timeout=MS] [memory=MIB] [early] [backups]
//! planned j1/p0#1 splits=2 reducers=1    cancel j1                    forget j1
//! join j1/m0#1 known=N wanted=N
//! complete j1/m0#1 [digest=N] [joined=N] [count=N]
//! fail j1/m0#1 panic [deterministic] [record=OFFSET]
//! lost-output j1/m0#1 [partition=N] [by=W]   time-out j1/m0#1 silent=MS   backup j1/m0 · retry j1/m0 failures=N [anywhere]
//!
//! at 5000                                the time of all that follows, in milliseconds
//! see j1/m0#1 [work=N] [permille=N]      what a worker reports to the leader
//! watch                                  what the leader proposes, and what follows from that
//!
//! show j1 · tasks j1 · counters j1 · running · workers · hold w1 [j1/m0#1…] · outputs w1 · locations j1
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::str::FromStr;

use gristmill::model::{
    Cause, Counters, Failure, JobId, JobOptions, Location, Nonce, RecordRef, Volume, WorkerId,
};
use gristmill::scheduler::{
    BackUp, Cancel, Command, Complete, Cursor, Drain, Effect, Fail, Forget, HeldOutput, Join,
    Leave, LoseOutput, LoseWorker, Observed, PlanDone, Readmit, RegisterWorker, RestoreOutputs,
    Retry, Scheduler, Sign, Straggler, Submit, TimeOut, Wait, watch,
};

use crate::Result;

/// Everything that a script works on.
#[derive(Default)]
struct Stage {
    scheduler: Scheduler,
    observed: Observed,
    now_ms: u64,
    cursor: Cursor,
}

/// Runs a script. Returns it with the effects that its commands have now.
pub(crate) fn run(script: &str) -> Result<String> {
    let mut stage = Stage::default();
    let mut blocks = Vec::new();
    for block in script.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut text = String::new();
        let mut output = String::new();
        for line in block.lines().take_while(|line| *line != "---") {
            writeln!(text, "{line}")?;
            if !line.starts_with('#') {
                let words: Vec<_> = line.split_whitespace().collect();
                let answer = stage.step(&words).map_err(|error| format!("in `{line}`: {error}"))?;
                output.push_str(&answer);
            }
        }
        let output = if output.is_empty() { "nothing\n" } else { &output };
        blocks.push(format!("{text}---\n{output}"));
    }
    Ok(blocks.join("\n"))
}

impl Stage {
    /// Executes one line of a script, and returns its effects.
    fn step(&mut self, words: &[&str]) -> Result<String> {
        let scheduler = &self.scheduler;
        Ok(match words {
            ["at", ms] => {
                self.now_ms = ms.parse()?;
                String::new()
            }
            ["see", attempt, rest @ ..] => {
                let work = option(rest, "work")?.unwrap_or(0);
                let permille = option(rest, "permille")?.unwrap_or(0);
                self.observed.follow(&self.scheduler, self.now_ms);
                self.observed.note(attempt.parse()?, Sign { work, permille }, self.now_ms);
                String::new()
            }
            ["watch"] => self.watch()?,
            ["show", job] => show(scheduler, job.parse()?)?,
            ["tasks", job] => tasks(scheduler, job.parse()?)?,
            ["counters", job] => {
                let counters = scheduler.job(job.parse()?).ok_or("no such job")?.all_counters();
                counters.iter().map(|(group, name, n)| format!("{group}.{name} {n}\n")).collect()
            }
            ["running"] => scheduler.running().map(|(id, on)| format!("{id} on {on}\n")).collect(),
            ["workers"] => workers(scheduler)?,
            ["hold", worker, held @ ..] => hold(scheduler, worker.parse()?, held)?,
            ["outputs", worker] => {
                scheduler.outputs_on(worker.parse()?).map(|id| format!("{id}\n")).collect()
            }
            ["locations", job] => self.locations(job.parse()?)?,
            _ => {
                let command = command(words)?;
                self.apply(command)
            }
        })
    }

    fn apply(&mut self, command: Command) -> String {
        match self.scheduler.apply(self.now_ms, command) {
            Ok(effects) => effects.iter().map(line).collect(),
            Err(rejection) => format!("rejected: {rejection}\n"),
        }
    }

    fn watch(&mut self) -> Result<String> {
        self.observed.follow(&self.scheduler, self.now_ms);
        let mut told = String::new();
        for command in watch(&self.scheduler, &self.observed, self.now_ms) {
            match &command {
                Command::TimeOut(TimeOut { attempt, silent_ms }) => {
                    writeln!(told, "propose to time out {attempt}, silent for {silent_ms} ms")?;
                }
                Command::Readmit(Readmit { worker, number }) => {
                    writeln!(told, "propose to readmit {worker} number={number}")?;
                }
                Command::Retry(Retry { task, wait: Wait { failures, rests } }) => {
                    let what = if *rests { "its rest" } else { "its wait for another worker" };
                    writeln!(told, "propose to end {what}: {task}, failed {failures} times")?;
                }
                Command::Forget(Forget { job }) => writeln!(told, "propose to forget {job}")?,
                Command::BackUp(BackUp { task, straggler }) => {
                    writeln!(told, "propose to back up {task}: {straggler}")?;
                }
                other => return Err(format!("nothing that time decides: {other:?}").into()),
            }
            told.push_str(&self.apply(command));
        }
        Ok(told)
    }

    /// Returns the changes of output locations since the last call.
    fn locations(&mut self, job: JobId) -> Result<String> {
        let Some(moved) = self.scheduler.locations(job, self.cursor, usize::MAX) else {
            return Ok("not needed\n".to_string());
        };
        self.cursor = moved.next;
        let mut told = String::new();
        for (map, output) in moved.outputs {
            match output {
                Some(output) => writeln!(told, "m{map}: {} on {}", output.attempt, output.worker)?,
                None => writeln!(told, "m{map}: nowhere")?,
            }
        }
        Ok(told)
    }
}

fn command(words: &[&str]) -> Result<Command> {
    let (name, subject, rest) = match words {
        [name, subject, rest @ ..] => (*name, *subject, rest),
        _ => return Err("a command and what it is about".into()),
    };
    let incarnation = option(rest, "incarnation")?.unwrap_or(1);
    Ok(match name {
        "worker" => {
            let slots = option(rest, "slots")?.ok_or("slots=N")?;
            let worker = subject.parse()?;
            let outputs = held_outputs(rest)?;
            let attempt_memory_bytes = mebibytes(rest)?;
            RegisterWorker { worker, incarnation, slots, attempt_memory_bytes, outputs }.into()
        }
        "lose" => LoseWorker { worker: subject.parse()?, incarnation }.into(),
        "leave" => Leave { worker: subject.parse()?, incarnation }.into(),
        "drain" => Drain { worker: subject.parse()? }.into(),
        "readmit" => {
            let number = option(rest, "number")?.ok_or("number=N")?;
            Readmit { worker: subject.parse()?, number }.into()
        }
        "restore" => {
            let outputs = held_outputs(rest)?;
            RestoreOutputs { worker: subject.parse()?, incarnation, outputs }.into()
        }
        "submit" => submit(subject, rest)?.into(),
        "retry" => {
            let failures = option(rest, "failures")?.ok_or("failures=N")?;
            let wait = Wait { failures, rests: !rest.contains(&"anywhere") };
            Retry { task: subject.parse()?, wait }.into()
        }
        "cancel" => Cancel { job: subject.parse()? }.into(),
        "forget" => Forget { job: subject.parse()? }.into(),
        "backup" => {
            let straggler =
                Straggler { running_ms: 20, permille: 100, remaining_ms: 180, usual_ms: 10 };
            BackUp { task: subject.parse()?, straggler }.into()
        }
        _ => of_attempt(name, subject, rest)?,
    })
}

/// Returns the map outputs that these words list.
fn held_outputs(words: &[&str]) -> Result<Vec<HeldOutput>> {
    let outputs = words.iter().filter(|word| word.starts_with('j')).map(|word| {
        let (attempt, digest) = word.split_once('=').ok_or("attempt=digest")?;
        Ok(HeldOutput { attempt: attempt.parse()?, digest: digest.parse()? })
    });
    outputs.collect()
}

/// Returns the command about one attempt.
fn of_attempt(name: &str, subject: &str, rest: &[&str]) -> Result<Command> {
    let attempt = subject.parse()?;
    Ok(match name {
        "planned" => PlanDone {
            attempt,
            splits: option(rest, "splits")?.ok_or("splits=N")?,
            reducers: option(rest, "reducers")?.unwrap_or(0),
            input_bytes: 0,
            counters: Counters::new(),
        }
        .into(),
        "complete" => {
            let mut counters = Counters::new();
            if let Some(count) = option(rest, "count")? {
                counters.add("Script", "count", count);
            }
            let digest = option(rest, "digest")?;
            let joined = option(rest, "joined")?.unwrap_or(0);
            let volume = Volume::default();
            Complete { attempt, digest, is_staged: false, joined, counters, volume }.into()
        }
        "fail" => {
            let cause = Cause::ALL.into_iter().find(|cause| rest.contains(&&*cause.to_string()));
            let mut failure = Failure::new(cause.ok_or("a cause")?, "as the script says");
            failure.record = option(rest, "record")?.map(|offset| {
                let location = Location::from("in.txt");
                RecordRef { location, offset, excerpt: Vec::new() }
            });
            let deterministic = rest.contains(&"deterministic");
            Fail { attempt, failure, deterministic }.into()
        }
        "join" => {
            let known = option(rest, "known")?.ok_or("known=N")?;
            let wanted = option(rest, "wanted")?.ok_or("wanted=N")?;
            Join { attempt, known, wanted }.into()
        }
        "lost-output" => {
            let (partition, reader) = (option(rest, "partition")?, option(rest, "by")?);
            LoseOutput { attempt, partition, reader }.into()
        }
        "time-out" => {
            let silent_ms = option(rest, "silent")?.ok_or("silent=MS")?;
            TimeOut { attempt, silent_ms }.into()
        }
        _ => return Err("no such command".into()),
    })
}

fn submit(subject: &str, rest: &[&str]) -> Result<Submit> {
    Ok(Submit {
        job: subject.parse()?,
        request: option(rest, "id")?.unwrap_or_else(|| subject.to_string()),
        name: "script".to_string(),
        nonce: Nonce(7),
        reducers: option(rest, "reducers")?,
        map_only: rest.contains(&"map-only"),
        options: JobOptions {
            max_attempts: option(rest, "attempts")?.unwrap_or(4),
            priority: option(rest, "priority")?.unwrap_or(5),
            task_timeout_ms: option(rest, "timeout")?,
            backups: rest.contains(&"backups"),
            early_reduces: rest.contains(&"early"),
            memory_bytes: mebibytes(rest)?,
        },
    })
}

/// Returns the value of `memory=MIB` in bytes, or 0 without it.
fn mebibytes(words: &[&str]) -> Result<u64> {
    Ok(option::<u64>(words, "memory")?.unwrap_or(0) << 20)
}

/// Returns the value of `name=value`, if present.
fn option<T: FromStr<Err: Error + 'static>>(words: &[&str], name: &str) -> Result<Option<T>> {
    let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    Ok(value.map(str::parse).transpose()?)
}

fn line(effect: &Effect) -> String {
    match effect {
        Effect::Stop { attempt, worker, cause } => format!("stop {attempt} on {worker}: {cause}\n"),
        Effect::JobEnded { job, state } => format!("end {job} {state}\n"),
        Effect::Start { attempt, worker } => format!("start {attempt} on {worker}\n"),
        Effect::WorkerDrained { worker } => format!("drained {worker}\n"),
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
        let Failure { cause, message, details, .. } = &blame.failure;
        write!(shown, "\n  {} {cause}: {message}", blame.attempt)?;
        for detail in details {
            write!(shown, "\n    {detail}")?;
        }
    }
    Ok(shown + "\n")
}

fn tasks(scheduler: &Scheduler, id: JobId) -> Result<String> {
    let mut shown = String::new();
    for (id, task) in scheduler.job(id).ok_or("no such job")?.all_tasks() {
        let Some(task) = task else {
            writeln!(shown, "{id} idle")?;
            continue;
        };
        writeln!(shown, "{id} {}", task.state())?;
        for attempt in task.attempts() {
            let number = attempt.number;
            let (worker, state, started_ms) = (attempt.worker, attempt.state, attempt.started_ms);
            write!(shown, "  #{number} on {worker} {state}")?;
            if attempt.cause != Cause::None {
                write!(shown, " {}", attempt.cause)?;
            }
            write!(shown, ", {started_ms} to ")?;
            match attempt.ended_ms {
                Some(ended_ms) => write!(shown, "{ended_ms}")?,
                None => write!(shown, "now")?,
            }
            if let Some(backup) = &attempt.backup {
                write!(shown, ", backup: {}", backup.straggler)?;
                if let Some(worth) = backup.worth {
                    write!(shown, ": {worth:?}")?;
                }
            }
            writeln!(shown)?;
        }
    }
    Ok(shown)
}

fn workers(scheduler: &Scheduler) -> Result<String> {
    let mut shown = String::new();
    for worker in scheduler.workers() {
        write!(shown, "{} {}", worker.id, worker.state)?;
        if let Some(exclusion) = worker.exclusion {
            write!(shown, " {}", exclusion.fault)?;
        }
        writeln!(shown, ", {} of {} slots", worker.running, worker.slots)?;
    }
    Ok(shown)
}

fn hold(scheduler: &Scheduler, worker: WorkerId, held: &[&str]) -> Result<String> {
    let incarnation = option(held, "incarnation")?.unwrap_or(1);
    let held = held.iter().filter(|word| word.starts_with('j')).map(|word| word.parse());
    let held: BTreeSet<_> = held.collect::<std::result::Result<_, _>>()?;
    let Some(should) = scheduler.should_hold(worker, incarnation) else {
        return Ok("register first\n".to_string());
    };
    let stop = held.difference(should).map(|attempt| format!("drop {attempt}\n"));
    let start = should.difference(&held).map(|attempt| format!("begin {attempt}\n"));
    Ok(stop.chain(start).collect())
}
