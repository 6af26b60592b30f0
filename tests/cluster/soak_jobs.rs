//! The jobs of the soak: what they run, how they must end, and the output they must have.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::commands::{Commands, Result};
use crate::dev::Dev;
use crate::examples::example;
use crate::slow_words;
use crate::trial::{parts, status};
use crate::until::until_within;

/// How long a job may take. Longer is stuck.
const JOB_SECONDS_MAX: u32 = 180;
/// Input of jobs with a troublesome line.
const ODD_INPUT: &str = "odd.txt";

/// A kind of job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    executable: Executable,
    flags: &'static str,
    /// Flags that make its code misbehave.
    trouble: &'static str,
    /// Whether it must succeed; otherwise it must fail.
    succeeds: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executable {
    SlowWords,
    WordCount,
    Odd,
}

const SLOW: &str = "in.txt --split-size 4KiB -r 4 --line-ms 1 --word-ms 3";
const ODD: &str = "odd.txt --split-size 4KiB -r 3";

const fn odd(name: &'static str, trouble: &'static str, succeeds: bool) -> Kind {
    Kind { name, executable: Executable::Odd, flags: ODD, trouble, succeeds }
}

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "slow words",
        executable: Executable::SlowWords,
        flags: SLOW,
        trouble: "",
        succeeds: true,
    },
    Kind {
        name: "slow words, not joined",
        executable: Executable::SlowWords,
        flags: "in.txt --split-size 8KiB -r 2 --line-ms 2 --word-ms 5 --max-bad-records 1",
        trouble: "",
        succeeds: true,
    },
    Kind {
        name: "word count",
        executable: Executable::WordCount,
        flags: "in.txt --split-size 8KiB -r 5",
        trouble: "",
        succeeds: true,
    },
    odd("lines", "", true),
    odd("prints", "--trouble say", true),
    odd("exits once", "--trouble exit3 --times 1", true),
    odd("aborts once", "--trouble abort --times 1", true),
    odd("panics once", "--trouble panic --times 1", true),
    odd("panics always", "--trouble panic", false),
    odd("exits always", "--trouble exit0", false),
    odd("huge error", "--trouble refuse-at-length", false),
    odd("huge panic", "--trouble panic-at-length", false),
];

/// A submitted job.
pub(crate) struct Running {
    pub(crate) kind: Kind,
    pub(crate) job: String,
    number: u32,
    arguments: Vec<String>,
    pub(crate) is_killed: bool,
}

/// How a job ended, if it ended as it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    Failed,
    Cancelled,
}

/// Writes the inputs, which all jobs share.
pub(crate) fn write_inputs(commands: &Commands) -> Result {
    let lines = slow_words::input();
    let half = lines.len() / 2;
    let at = lines[..half].rfind('\n').map_or(0, |at| at + 1);
    let (before, after) = lines.split_at(at);
    fs::write(commands.path(ODD_INPUT), format!("{before}trouble\n{after}"))?;
    Ok(fs::write(commands.path("in.txt"), lines)?)
}

/// The names in the folder of a soak that its jobs leave there.
pub(crate) fn made() -> Vec<String> {
    let alone = KINDS.iter().filter(|kind| kind.succeeds).map(Kind::alone);
    let mut made: Vec<String> = alone.collect();
    made.push(ODD_INPUT.into());
    made.sort_unstable();
    made.dedup();
    made
}

impl Kind {
    fn path(&self) -> String {
        match self.executable {
            Executable::SlowWords => slow_words::executable(),
            Executable::WordCount => Dev::job("wordcount"),
            Executable::Odd => example("odd"),
        }
    }

    /// Folder of the output of a run without a cluster.
    fn alone(&self) -> String {
        format!("alone-{}", self.name.replace([' ', ','], "-"))
    }

    /// Runs the job without a cluster, and without trouble.
    pub(crate) fn run_alone(&self, commands: &Commands) -> Result {
        if !self.succeeds {
            return Ok(());
        }
        let status = Command::new(self.path())
            .args(self.flags.split_whitespace())
            .args(["--threads", "16", "-q", "-o", &self.alone()])
            .current_dir(commands.path(""))
            .status()?;
        assert!(status.success(), "{self:?}: {status}");
        Ok(())
    }

    /// Submits the job under an id of its own.
    pub(crate) fn submit(self, commands: &Commands, number: u32, priority: u64) -> Result<Running> {
        let (output, marks) = (format!("out-{number}"), format!("marks-{number}"));
        let id = format!("soak-{number}");
        let mut arguments: Vec<String> =
            ["submit", "--detach", "--max-attempts", "30", "--id"].map(String::from).into();
        arguments.extend([id, "--priority".into(), priority.to_string(), self.path()]);
        let flags = format!("{} {}", self.flags, self.trouble);
        arguments.extend(flags.split_whitespace().map(String::from));
        if self.executable == Executable::Odd {
            fs::create_dir(commands.path(&marks))?;
            let marks = commands.path(&marks).display().to_string();
            arguments.extend(["--marks".into(), marks]);
        }
        arguments.extend(["-o".into(), output]);
        let job = submit(commands, &arguments)?;
        Ok(Running { kind: self, job, number, arguments, is_killed: false })
    }
}

fn submit(commands: &Commands, arguments: &[String]) -> Result<String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let submitted = commands.run(&arguments)?;
    if submitted.code != Some(0) {
        return Err(format!("submit: {:?}: {}", submitted.code, submitted.stderr).into());
    }
    Ok(submitted.stdout.trim_end().to_owned())
}

impl Running {
    /// Submits the job again with the same id, which must answer the same job.
    pub(crate) fn repeat(&self, commands: &Commands) -> Result {
        let job = submit(commands, &self.arguments)?;
        if job == self.job { Ok(()) } else { Err(format!("{} became {job}", self.job).into()) }
    }

    /// Waits for the end, and compares it with what it must be. Removes the output.
    pub(crate) fn end(&self, commands: &Commands) -> Result<End> {
        until_within(JOB_SECONDS_MAX, "stuck", || {
            let state = status(commands, &self.job)?["state"].clone();
            Ok(["succeeded", "failed", "cancelled"].iter().any(|&end| state == end))
        })?;
        let status = status(commands, &self.job)?;
        let (output, marks) = (format!("out-{}", self.number), format!("marks-{}", self.number));
        let is_there = commands.path(&output).exists();
        let end = match status["state"].as_str() {
            Some("succeeded") if self.kind.succeeds => {
                self.compare(commands, &output)?;
                fs::remove_dir_all(commands.path(&output))?;
                End::Succeeded
            }
            Some("failed") if !self.kind.succeeds && !is_there => End::Failed,
            Some("cancelled") if self.is_killed && !is_there => End::Cancelled,
            _ => return Err(format!("wrong end, output {is_there}: {status}").into()),
        };
        if commands.path(&marks).exists() {
            fs::remove_dir_all(commands.path(&marks))?;
        }
        Ok(end)
    }

    /// Compares the output with that of a run without a cluster, part by part and byte by byte.
    fn compare(&self, commands: &Commands, output: &str) -> Result {
        let ours: BTreeMap<_, _> = parts(commands, output)?.into_iter().collect();
        let theirs: BTreeMap<_, _> = parts(commands, &self.kind.alone())?.into_iter().collect();
        if ours != theirs || ours.is_empty() {
            return Err(format!("wrong output: {} parts of {}", ours.len(), theirs.len()).into());
        }
        let verified = commands.run(&["verify", output])?;
        match verified.code {
            Some(0) => Ok(()),
            _ => Err(format!("wrong output: {}", verified.stderr).into()),
        }
    }
}
