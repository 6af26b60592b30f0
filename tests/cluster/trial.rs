//! A slow job that runs twice: embedded, and on a cluster with a fault.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::faults::now;
use crate::slow_words;
use crate::until::until_within;

/// Time limit of a job, whatever happens to it.
const JOB_SECONDS_MAX: u32 = 120;
/// Threads of the run without a cluster. There are many, since its tasks mostly wait.
const THREADS: &str = "32";

/// A job of about two hundred maps.
pub(crate) struct Trial {
    /// Flags of the job.
    pub(crate) flags: Vec<String>,
    /// Options of `gristmill submit`.
    pub(crate) options: Vec<&'static str>,
    /// Folder of the output.
    pub(crate) output: &'static str,
    /// The fault that strikes the job, if the name of the test does not say it.
    pub(crate) trouble: String,
}

impl Trial {
    /// Returns a job whose maps take about 10 × `line_ms` milliseconds each, and whose reduces take 48 × `word_ms`
    /// together. It has no backups, because on a busy machine any attempt may be a straggler. It allows bad records, so
    /// that each map has its own attempt and output.
    pub(crate) fn new(line_ms: u32, reducers: u32, word_ms: u32) -> Self {
        let flags = format!(
            "in.txt --split-size 1KiB -r {reducers} --line-ms {line_ms} --word-ms {word_ms} \
             --max-bad-records 1"
        );
        Self::of(&flags)
    }

    /// Returns a short job: about fifty maps of 40 ms, and four reduces of the same length.
    pub(crate) fn short() -> Self {
        Self::of("in.txt --split-size 4KiB -r 4 --line-ms 1 --word-ms 3 --max-bad-records 1")
    }

    fn of(flags: &str) -> Self {
        let flags = flags.split(' ').map(String::from).collect();
        Self { flags, options: vec!["--no-backups"], output: "out", trouble: String::new() }
    }

    /// Sets the fault that strikes the job.
    pub(crate) fn with_trouble(mut self, trouble: String) -> Self {
        self.trouble = trouble;
        self
    }

    /// Lets maps join the attempts of other maps while they wait for a slot.
    pub(crate) fn with_joining(mut self) -> Self {
        self.flags.truncate(self.flags.len() - 2);
        self
    }

    /// Allows backups of stragglers.
    pub(crate) fn with_backups(mut self) -> Self {
        self.options.retain(|&option| option != "--no-backups");
        self
    }

    /// Submits the job, and returns its id.
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

    /// Submits the job, the first one of its cluster, with a client that follows it to its end. Returns that client.
    pub(crate) fn follow(&self, commands: &Commands) -> Result<Child> {
        write_input(commands)?;
        commands.faults().begun(commands, ("j1", now()), self.arguments(), "")?;
        let said = fs::File::create(commands.path("said.txt"))?;
        let mut command = commands.command(&["submit"]);
        command.args(self.arguments()).args(["--progress", "always"]);
        Ok(command.stdout(Stdio::null()).stderr(said).spawn()?)
    }

    /// Returns the arguments of `gristmill submit`.
    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = self.options.iter().copied().map(String::from).collect();
        arguments.push(slow_words::executable());
        arguments.extend(self.flags.iter().cloned());
        arguments.extend(["-o".into(), self.output.into()]);
        arguments
    }

    /// Waits until the job has succeeded, and compares its output with that of the same executable with the same flags
    /// and no cluster. Checks that no attempt failed by its own fault. Returns the attempts.
    pub(crate) fn check(&self, commands: &Commands, job: &str) -> Result<Attempts> {
        let attempts = self.check_succeeds(commands, job)?;
        attempts.check_ended_well();
        Ok(attempts)
    }

    /// Does the same as [`Trial::check`], but attempts may have failed.
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

    /// Compares the output with that of a run without a cluster, part by part and byte for byte.
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

/// Writes the input, which is the same for all trials, unless it exists.
pub(crate) fn write_input(commands: &Commands) -> Result {
    let path = commands.path("in.txt");
    if path.exists() { Ok(()) } else { Ok(fs::write(path, slow_words::input())?) }
}

/// Returns the names and bytes of an output's parts, in order.
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

/// Returns the job counter of this name.
pub(crate) fn counted(commands: &Commands, job: &str, name: &str) -> Result<u64> {
    let counters = commands.json(&["counters", job])?;
    let count = counters["Job Counters"][name].as_u64();
    Ok(count.ok_or_else(|| format!("{name} is not counted: {counters}"))?)
}

/// Returns the status of a job, which must not have failed.
fn well(commands: &Commands, job: &str) -> Result<Value> {
    let status = status(commands, job)?;
    assert_ne!(status["state"], "failed", "{status}");
    Ok(status)
}

/// Waits until at least this many maps are done, and each worker has done some: on a busy machine one worker may be far
/// behind.
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

/// Waits until all maps are done while some reduces are not.
pub(crate) fn reduces(commands: &Commands, job: &str) -> Result {
    until_within(JOB_SECONDS_MAX, "all maps are done", || {
        let status = well(commands, job)?;
        let over = ["committing", "succeeded"];
        assert!(over.iter().all(|&over| status["state"] != over), "too late to strike: {status}");
        Ok(status["state"] == "reducing")
    })
}
