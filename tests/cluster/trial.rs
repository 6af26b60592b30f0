//! A slow job that runs twice: embedded, and on a cluster with a fault.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::faults::now;
use crate::slow_words;
use crate::until::until_within;

/// How long a job may take, whatever happens to it.
const JOB_SECONDS_MAX: u32 = 120;
/// Threads of the run without a cluster: its tasks do little but wait.
const THREADS: &str = "32";

/// A job of some two hundred maps.
pub(crate) struct Trial {
    /// Its flags.
    pub(crate) flags: Vec<String>,
    /// Given to `gristmill submit`.
    pub(crate) options: Vec<&'static str>,
    /// Folder of its output.
    pub(crate) output: &'static str,
    /// What happens to it, where the name of the test does not say it.
    pub(crate) trouble: String,
}

impl Trial {
    /// Maps of some 10 × `line_ms` milliseconds, and reduces of 48 × `word_ms` together. Without backups: on a busy
    /// machine anything may be a straggler. Where bad records may be skipped, each map has an attempt and an output of its
    /// own.
    pub(crate) fn new(line_ms: u32, reducers: u32, word_ms: u32) -> Self {
        let flags = format!(
            "in.txt --split-size 1KiB -r {reducers} --line-ms {line_ms} --word-ms {word_ms} \
             --max-bad-records 1"
        );
        Self::of(&flags)
    }

    /// A short one: some fifty maps of 40 ms, and four reduces of as much.
    pub(crate) fn short() -> Self {
        Self::of("in.txt --split-size 4KiB -r 4 --line-ms 1 --word-ms 3 --max-bad-records 1")
    }

    fn of(flags: &str) -> Self {
        let flags = flags.split(' ').map(String::from).collect();
        Self { flags, options: vec!["--no-backups"], output: "out", trouble: String::new() }
    }

    /// The same, to which this happens.
    pub(crate) fn with_trouble(mut self, trouble: String) -> Self {
        self.trouble = trouble;
        self
    }

    /// The same, but maps join others, while some wait.
    pub(crate) fn with_joining(mut self) -> Self {
        self.flags.truncate(self.flags.len() - 2);
        self
    }

    /// The same, but stragglers get backups.
    pub(crate) fn with_backups(mut self) -> Self {
        self.options.retain(|&option| option != "--no-backups");
        self
    }

    /// Submits it; gives its id.
    pub(crate) fn submit(&self, commands: &Commands) -> Result<String> {
        write_input(commands)?;
        let began = now();
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let submitted = commands.run(&[&["submit", "--detach"], &arguments[..]].concat())?;
        assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
        let job = submitted.stdout.trim_end().to_owned();
        commands.faults().begun(commands, (&job, began), self.arguments(), &self.trouble)?;
        Ok(job)
    }

    /// Submits it, the first job of its cluster, with a client that follows it until it ends; gives that client.
    pub(crate) fn follow(&self, commands: &Commands) -> Result<Child> {
        write_input(commands)?;
        commands.faults().begun(commands, ("j1", now()), self.arguments(), "")?;
        let said = fs::File::create(commands.path("said.txt"))?;
        let mut command = commands.command(&["submit"]);
        command.args(self.arguments()).args(["--progress", "always"]);
        Ok(command.stdout(Stdio::null()).stderr(said).spawn()?)
    }

    /// What `gristmill submit` is given.
    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = self.options.iter().copied().map(String::from).collect();
        arguments.push(slow_words::executable());
        arguments.extend(self.flags.iter().cloned());
        arguments.extend(["-o".into(), self.output.into()]);
        arguments
    }

    /// Waits until the job has succeeded, and holds its output against that of the same executable
    /// with the same flags and no cluster. Gives what became of its attempts.
    pub(crate) fn check(&self, commands: &Commands, job: &str) -> Result<Attempts> {
        let attempts = self.check_succeeds(commands, job)?;
        attempts.check_ended_well();
        Ok(attempts)
    }

    /// The same, where attempts may have died by themselves.
    pub(crate) fn check_succeeds(&self, commands: &Commands, job: &str) -> Result<Attempts> {
        until_within(JOB_SECONDS_MAX, "the job ends", || {
            let state = status(commands, job)?["state"].clone();
            Ok(["succeeded", "failed", "cancelled"].iter().any(|&end| state == end))
        })
        .map_err(|error| format!("{error}: {:?}", status(commands, job)))?;
        let status = status(commands, job)?;
        assert_eq!(status["state"], "succeeded", "{status}");
        let attempts = Attempts::of(commands, job)?;
        commands.faults().ended(job, &attempts);
        self.check_output(commands)?;
        commands.faults().found(job, "equal");
        Ok(attempts)
    }

    /// Holds the output against that of a run without a cluster, part by part and byte for byte.
    pub(crate) fn check_output(&self, commands: &Commands) -> Result {
        let alone = format!("alone-{}", self.output);
        if !commands.path(&alone).exists() {
            let status = Command::new(slow_words::executable())
                .args(&self.flags)
                .args(["--threads", THREADS, "-q", "-o", &alone])
                .current_dir(commands.path(""))
                .status()?;
            assert!(status.success());
        }
        let (ours, theirs) = (parts(commands, self.output)?, parts(commands, &alone)?);
        assert!(!ours.is_empty());
        for (our, their) in ours.iter().zip(&theirs) {
            assert!(our == their, "{} differs from {}", our.0, their.0);
        }
        assert_eq!(ours.len(), theirs.len());
        assert_eq!(commands.run(&["verify", self.output])?.code, Some(0));
        Ok(())
    }
}

/// All trials have the same input, which is written once.
pub(crate) fn write_input(commands: &Commands) -> Result {
    let path = commands.path("in.txt");
    if path.exists() { Ok(()) } else { Ok(fs::write(path, slow_words::input())?) }
}

/// Names and bytes of an output's parts, in order.
pub(crate) fn parts(commands: &Commands, folder: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(commands.path(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("part-") {
            parts.push((name, fs::read(entry.path())?));
        }
    }
    parts.sort_unstable();
    Ok(parts)
}

pub(crate) fn status(commands: &Commands, job: &str) -> Result<Value> {
    commands.json(&["status", job])
}

/// What the scheduler has counted under this name.
pub(crate) fn counted(commands: &Commands, job: &str, name: &str) -> Result<u64> {
    let counters = commands.json(&["counters", job])?;
    let count = counters["Job Counters"][name].as_u64();
    Ok(count.ok_or_else(|| format!("{name} is not counted: {counters}"))?)
}

/// How a job stands that has not failed.
fn well(commands: &Commands, job: &str) -> Result<Value> {
    let status = status(commands, job)?;
    assert_ne!(status["state"], "failed", "{status}");
    Ok(status)
}

/// Waits until so many maps are done, and each worker has done some: one of them may be far behind on a busy machine.
pub(crate) fn maps_done(commands: &Commands, job: &str, least: u64) -> Result {
    until_within(JOB_SECONDS_MAX, "so many maps are done", || {
        let are_enough = well(commands, job)?["maps"]["done"].as_u64() >= Some(least);
        Ok(are_enough && all_have_mapped(commands, job)?)
    })
}

fn all_have_mapped(commands: &Commands, job: &str) -> Result<bool> {
    let attempts = Attempts::of(commands, job)?;
    let workers = commands.json(&["workers"])?;
    let mut alive = workers.as_array().ok_or("no list")?.iter().filter(|w| w["state"] == "alive");
    let has_mapped = |id: &str| !attempts.first_won_on(id, "map").is_empty();
    Ok(alive.all(|worker| worker["id"].as_str().is_some_and(has_mapped)))
}

/// Waits until all maps are done, while some reduces are not.
pub(crate) fn reduces(commands: &Commands, job: &str) -> Result {
    until_within(JOB_SECONDS_MAX, "all maps are done", || {
        let status = well(commands, job)?;
        let over = ["committing", "succeeded"];
        assert!(over.iter().all(|&over| status["state"] != over), "too late to strike: {status}");
        Ok(status["state"] == "reducing")
    })
}
