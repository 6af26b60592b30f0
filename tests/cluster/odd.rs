//! Runs the misbehaving job of `tests/jobs/odd.rs`: on a cluster, and embedded to get the expected output.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::attempts::{Attempt, Attempts};
use crate::commands::{Commands, Ended, GRISTMILL, Result};
use crate::examples::example;
use crate::faults::now;
use crate::fleet::Fleet;
use crate::trial::parts;
use crate::until::until;

/// How long a job may take, whatever happens to it.
const JOB_SECONDS_MAX: u32 = 90;
/// Folder of the output.
pub(crate) const OUTPUT: &str = "out";
/// Folder of the output of a run without a cluster.
const ALONE: &str = "alone";
/// Folder of the files by which the job tells what it does, and is told to go on.
pub(crate) const MARKS: &str = "marks";

/// One submission of the job.
#[derive(Debug, Clone)]
pub(crate) struct Odd {
    /// Given to `gristmill submit`.
    options: Vec<String>,
    /// Its flags, but for those that make trouble.
    flags: Vec<String>,
    trouble: Vec<String>,
}

/// How it ended.
pub(crate) struct Report {
    /// What `submit` said.
    pub(crate) ended: Ended,
    /// Such as `j1`.
    pub(crate) job: String,
    pub(crate) attempts: Attempts,
}

/// Lines that fill so many bytes, the last one with what is left.
pub(crate) fn filled(bytes: usize, line: impl Fn(usize) -> String) -> String {
    let mut lines = String::with_capacity(bytes);
    for number in 0.. {
        let line = line(number);
        if lines.len() + line.len() >= bytes {
            break;
        }
        lines += &line;
    }
    let rest = "x".repeat(bytes - lines.len() - 1);
    lines + &rest + "\n"
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(String::from).collect()
}

impl Odd {
    /// With these flags, inputs among them; without backups, so that every attempt has a reason of its own.
    pub(crate) fn new(flags: &str) -> Self {
        Self { options: words("--no-backups"), flags: words(flags), trouble: Vec::new() }
    }

    /// Submitted with these options too.
    pub(crate) fn with_options(mut self, options: &str) -> Self {
        self.options.extend(words(options));
        self
    }

    /// With flags that make trouble.
    pub(crate) fn with_trouble(mut self, flags: &str) -> Self {
        self.trouble.extend(words(flags));
        self
    }

    /// Opens a gate: makes the file that a map or reduce waits for.
    pub(crate) fn open(&self, commands: &Commands, gate: &str) -> Result {
        commands.faults().opened(gate);
        Ok(fs::write(commands.path(MARKS).join(gate), "")?)
    }

    fn command(&self, commands: &Commands, options: &[&str]) -> Result<Command> {
        fs::create_dir_all(commands.path(MARKS))?;
        // It ends, whatever hangs.
        let mut command = Command::new("timeout");
        command.args(["-k", "5", &JOB_SECONDS_MAX.to_string(), GRISTMILL, "submit"]);
        command.args(options).args(self.arguments(commands, &self.trouble));
        command.current_dir(commands.path(""));
        command.env("GRISTMILL_CLUSTER", commands.address()).stdin(Stdio::null());
        Ok(command)
    }

    /// What `gristmill submit` is given, but for what it does itself.
    fn arguments(&self, commands: &Commands, trouble: &[String]) -> Vec<String> {
        let marks = commands.path(MARKS).display().to_string();
        let odd = [example("odd")];
        let rest = ["--marks".into(), marks, "-o".into(), OUTPUT.into()];
        [&self.options, &odd[..], &self.flags, trouble, &rest].concat()
    }

    /// Notes a job that was submitted.
    fn note(&self, commands: &Commands, job: &str, began: Instant) -> Result {
        let (arguments, trouble) = (self.arguments(commands, &[]), self.trouble.join(" "));
        commands.faults().begun(commands, (job, began), arguments, &trouble)
    }

    /// Submits it and goes away; gives its id.
    pub(crate) fn submit(&self, commands: &Commands) -> Result<String> {
        let began = now();
        let submitted: Ended = self.command(commands, &["--detach"])?.output()?.into();
        assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
        let job = submitted.stdout.trim_end().to_owned();
        self.note(commands, &job, began)?;
        Ok(job)
    }

    /// Submits it, and follows it to its end.
    pub(crate) fn run(&self, commands: &Commands) -> Result<Report> {
        let began = now();
        let ended: Ended = self.command(commands, &[])?.output()?.into();
        let said = ended.stderr.lines().find_map(|line| line.split_once(" is submitted; "));
        let (job, _) = said.ok_or_else(|| format!("{:?}: {}", ended.code, ended.stderr))?;
        self.note(commands, job, began)?;
        Report::of(commands, job.to_owned(), ended)
    }

    /// Follows a job that was submitted to its end.
    pub(crate) fn watch(&self, commands: &Commands, job: &str) -> Result<Report> {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", &JOB_SECONDS_MAX.to_string(), GRISTMILL, "watch", job]);
        command.env("GRISTMILL_CLUSTER", commands.address()).stdin(Stdio::null());
        Report::of(commands, job.into(), command.output()?.into())
    }

    /// How often there was trouble.
    pub(crate) fn strikes(&self, commands: &Commands) -> Result<usize> {
        Ok(self.marked(commands, "struck-")?.len())
    }

    /// The processes that it has started.
    pub(crate) fn children(&self, commands: &Commands) -> Result<Vec<u32>> {
        let pids = self.marked(commands, "child-")?;
        Ok(pids.iter().map(|pid| pid.parse()).collect::<std::result::Result<_, _>>()?)
    }

    /// Waits until so many executors wait for a gate.
    pub(crate) fn waits(&self, commands: &Commands, gate: &str, executors: usize) -> Result {
        let mark = format!("waits-{gate}-");
        until("executors wait at a gate", || Ok(self.marked(commands, &mark)?.len() >= executors))
    }

    fn marked(&self, commands: &Commands, prefix: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(commands.path(MARKS))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            found.extend(name.strip_prefix(prefix).map(String::from));
        }
        Ok(found)
    }

    /// Holds that the job has succeeded with the output of the same executable without trouble and without a cluster,
    /// part by part and byte for byte. What else it made is removed.
    pub(crate) fn check_succeeded(&self, commands: &Commands, report: &Report) -> Result {
        assert_eq!(report.ended.code, Some(0), "{}", report.ended.stderr);
        let status = Command::new("timeout")
            .args(["-k", "5", &JOB_SECONDS_MAX.to_string(), &example("odd")])
            .args(&self.flags)
            .args(["-q", "-o", ALONE, "--marks"])
            .arg(commands.path(MARKS))
            .current_dir(commands.path(""))
            .status()?;
        assert!(status.success());
        let (ours, theirs) = (parts(commands, OUTPUT)?, parts(commands, ALONE)?);
        assert!(!ours.is_empty() && ours.len() == theirs.len());
        for (our, their) in ours.iter().zip(&theirs) {
            assert!(our == their, "{} differs from {ALONE}/{}", our.0, their.0);
        }
        assert_eq!(commands.run(&["verify", OUTPUT])?.code, Some(0));
        commands.faults().found(&report.job, "equal");
        fs::remove_dir_all(commands.path(ALONE))?;
        self.tidy(commands)
    }

    /// Holds that the job has failed and left no output.
    pub(crate) fn check_failed(&self, commands: &Commands, report: &Report) -> Result {
        assert_eq!(report.ended.code, Some(1), "{}", report.ended.stderr);
        assert!(!commands.path(OUTPUT).exists());
        commands.faults().found(&report.job, "none");
        self.tidy(commands)
    }

    /// Removes output and marks.
    pub(crate) fn tidy(&self, commands: &Commands) -> Result {
        let output = commands.path(OUTPUT);
        if output.exists() {
            fs::remove_dir_all(output)?;
        }
        Ok(fs::remove_dir_all(commands.path(MARKS))?)
    }
}

impl Report {
    fn of(commands: &Commands, job: String, ended: Ended) -> Result<Self> {
        let attempts = Attempts::of(commands, &job)?;
        commands.faults().ended(&job, &attempts);
        Ok(Report { ended, job, attempts })
    }

    /// The attempts that failed by themselves.
    pub(crate) fn failed(&self) -> Vec<&Attempt> {
        self.attempts.all(|attempt| attempt.state == "failed")
    }
}

/// Holds that nothing of the jobs that have ended is left: no file on a worker, no executor.
pub(crate) fn check_workers_are_clean(fleet: &Fleet) -> Result {
    for number in fleet.numbers() {
        let jobs = fleet.data(number).join("jobs");
        until("no worker has files of a job", || Ok(fs::read_dir(&jobs)?.next().is_none()))?;
    }
    Ok(())
}
