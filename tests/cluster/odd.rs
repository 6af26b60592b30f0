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

/// Time limit of a job, whatever happens to it.
const JOB_SECONDS_MAX: u32 = 90;
/// Folder of the output.
pub(crate) const OUTPUT: &str = "out";
/// Folder of the output of a run without a cluster.
const ALONE: &str = "alone";
/// Folder of the files by which the job reports what it does and the test lets it continue.
pub(crate) const MARKS: &str = "marks";

/// One submission of the job `odd`.
#[derive(Debug, Clone)]
pub(crate) struct Odd {
    /// Options of `gristmill submit`.
    options: Vec<String>,
    /// Flags of the job, except those that make trouble.
    flags: Vec<String>,
    trouble: Vec<String>,
}

/// Result of one submission.
pub(crate) struct Report {
    /// How `submit` ended, and what it printed.
    pub(crate) ended: Ended,
    /// Id of the job, such as `j1`.
    pub(crate) job: String,
    pub(crate) attempts: Attempts,
}

/// Returns lines that fill this many bytes. The last line has the rest.
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
    /// Returns a submission with these inputs and flags. It has no backups, so that every attempt has its own cause.
    pub(crate) fn new(flags: &str) -> Self {
        Self { options: words("--no-backups"), flags: words(flags), trouble: Vec::new() }
    }

    /// Adds options of `gristmill submit`.
    pub(crate) fn with_options(mut self, options: &str) -> Self {
        self.options.extend(words(options));
        self
    }

    /// Adds flags that make trouble.
    pub(crate) fn with_trouble(mut self, flags: &str) -> Self {
        self.trouble.extend(words(flags));
        self
    }

    /// Opens a gate: creates the file that a map or reduce waits for.
    pub(crate) fn open(&self, commands: &Commands, gate: &str) -> Result {
        commands.faults().opened(gate);
        Ok(fs::write(commands.path(MARKS).join(gate), "")?)
    }

    fn command(&self, commands: &Commands, options: &[&str]) -> Result<Command> {
        fs::create_dir_all(commands.path(MARKS))?;
        // The time limit ends the command even if something hangs.
        let mut command = Command::new("timeout");
        command.args(["-k", "5", &JOB_SECONDS_MAX.to_string(), GRISTMILL, "submit"]);
        command.args(options).args(self.arguments(commands, &self.trouble));
        command.current_dir(commands.path(""));
        command.env("GRISTMILL_CLUSTER", commands.address()).stdin(Stdio::null());
        Ok(command)
    }

    /// Returns the arguments of `gristmill submit`, without those that control the client, such as `--detach`.
    fn arguments(&self, commands: &Commands, trouble: &[String]) -> Vec<String> {
        let marks = commands.path(MARKS).display().to_string();
        let odd = [example("odd")];
        let rest = ["--marks".into(), marks, "-o".into(), OUTPUT.into()];
        [&self.options, &odd[..], &self.flags, trouble, &rest].concat()
    }

    /// Records a submitted job.
    fn note(&self, commands: &Commands, job: &str, began: Instant) -> Result {
        let (arguments, trouble) = (self.arguments(commands, &[]), self.trouble.join(" "));
        commands.faults().begun(commands, (job, began), arguments, &trouble)
    }

    /// Submits the job without following it, and returns its id.
    pub(crate) fn submit(&self, commands: &Commands) -> Result<String> {
        let began = now();
        let submitted: Ended = self.command(commands, &["--detach"])?.output()?.into();
        assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
        let job = submitted.stdout.trim_end().to_owned();
        self.note(commands, &job, began)?;
        Ok(job)
    }

    /// Submits the job, and follows it to its end.
    pub(crate) fn run(&self, commands: &Commands) -> Result<Report> {
        let began = now();
        let ended: Ended = self.command(commands, &[])?.output()?.into();
        let said = ended.stderr.lines().find_map(|line| line.split_once(" is submitted; "));
        let (job, _) = said.ok_or_else(|| format!("{:?}: {}", ended.code, ended.stderr))?;
        self.note(commands, job, began)?;
        Report::of(commands, job.to_owned(), ended)
    }

    /// Follows a submitted job to its end.
    pub(crate) fn watch(&self, commands: &Commands, job: &str) -> Result<Report> {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", &JOB_SECONDS_MAX.to_string(), GRISTMILL, "watch", job]);
        command.env("GRISTMILL_CLUSTER", commands.address()).stdin(Stdio::null());
        Report::of(commands, job.into(), command.output()?.into())
    }

    /// Returns how often there was trouble.
    pub(crate) fn strikes(&self, commands: &Commands) -> Result<usize> {
        Ok(self.marked(commands, "struck-")?.len())
    }

    /// Returns the processes that the job has started.
    pub(crate) fn children(&self, commands: &Commands) -> Result<Vec<u32>> {
        let pids = self.marked(commands, "child-")?;
        Ok(pids.iter().map(|pid| pid.parse()).collect::<std::result::Result<_, _>>()?)
    }

    /// Waits until this many executors wait for a gate.
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

    /// Checks that the job has succeeded, and that each part has the same bytes as in a run of the same executable
    /// without trouble and without a cluster. Then removes the output and other files of the job.
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

    /// Checks that the job has failed and left no output.
    pub(crate) fn check_failed(&self, commands: &Commands, report: &Report) -> Result {
        assert_eq!(report.ended.code, Some(1), "{}", report.ended.stderr);
        assert!(!commands.path(OUTPUT).exists());
        commands.faults().found(&report.job, "none");
        self.tidy(commands)
    }

    /// Removes the output and the marks.
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

    /// Returns the attempts that failed by themselves.
    pub(crate) fn failed(&self) -> Vec<&Attempt> {
        self.attempts.all(|attempt| attempt.state == "failed")
    }
}

/// Checks that nothing is left of jobs that have ended: no file on a worker and no executor.
pub(crate) fn check_workers_are_clean(fleet: &Fleet) -> Result {
    for number in fleet.numbers() {
        let jobs = fleet.data(number).join("jobs");
        until("no worker has files of a job", || Ok(fs::read_dir(&jobs)?.next().is_none()))?;
    }
    Ok(())
}
