//! One job of the soak test, from its submission to its end: submits it, records what was done to it, and checks that
//! it ends as it must.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::kinds::{KINDS, Kind, MARKS, Must, template};
use crate::commands::{Commands, Result};
use crate::trial::{parts, status};
use crate::until::{until, until_within};

/// How long a job may take once its faults are over, in seconds. A job that takes longer is stuck.
const JOB_SECONDS_MAX: u32 = 300;
/// Limit on submissions with one id, when submitters are killed or find no cluster.
const SUBMISSIONS_MAX: u32 = 8;
/// Exit codes of `submit`.
const SUCCEEDED: i32 = 0;
const FAILED: i32 = 1;
const REFUSED: i32 = 2;
const UNAVAILABLE: i32 = 4;
const CANCELLED: i32 = 7;
const UNKNOWN: i32 = 8;
/// The file that takes the place of the output.
const FOREIGN: &str = "not-ours";

/// A submitted job, in a folder of its own.
pub(crate) struct Running {
    pub(crate) kind: &'static Kind,
    folder: PathBuf,
    /// Arguments of `gristmill submit`.
    arguments: Vec<String>,
    submitter: Child,
    pub(crate) submissions: u32,
    /// Ids that further submissions with the same id have printed.
    repeated: Vec<String>,
    /// Error of a further submission with the same id. There must be none.
    refused: Option<String>,
    /// What the faults did to the job.
    is_submitter_killed: bool,
    is_killed: bool,
    is_kill_acknowledged: bool,
    is_taken: bool,
    is_replaced: bool,
    /// Whether an executor was killed that may have run it.
    pub(crate) is_executor_killed: bool,
}

/// How a job ended, if that end is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Succeeded,
    Failed,
    Cancelled,
    OutputTaken,
    InputReplaced,
}

impl Running {
    /// Submits a job under its own id, and follows it.
    pub(crate) fn submit(
        commands: &Commands,
        kind: &'static Kind,
        number: u32,
        priority: u64,
    ) -> Result<Self> {
        let folder = commands.path(&format!("job-{number}"));
        fs::create_dir_all(folder.join(MARKS))?;
        for input in kind.inputs {
            fs::copy(template(commands, input), folder.join(input))?;
        }
        if kind.overwrites {
            copy_folder(&commands.path(&old_output().alone()), &folder.join("out"))?;
        }
        let (id, priority) = (format!("soak-{number}"), priority.to_string());
        let mut arguments: Vec<String> =
            ["--id", &id, "--priority", &priority].map(String::from).into();
        arguments.extend(kind.command(commands, &folder));
        let submitter = start(commands, &folder, &arguments)?;
        Ok(Self {
            kind,
            folder,
            arguments,
            submitter,
            submissions: 1,
            repeated: Vec::new(),
            refused: None,
            is_submitter_killed: false,
            is_killed: false,
            is_kill_acknowledged: false,
            is_taken: false,
            is_replaced: false,
            is_executor_killed: false,
        })
    }

    /// Returns the process that follows the job.
    pub(crate) fn submitter(&self) -> u32 {
        self.submitter.id()
    }

    pub(crate) fn kill_submitter(&mut self) -> Result {
        self.is_submitter_killed = true;
        Ok(self.submitter.kill()?)
    }

    /// Cancels the job, if it has an id yet.
    pub(crate) fn kill(&mut self, commands: &Commands) -> Result {
        if let Some(job) = self.ids()?.pop() {
            self.is_killed = true;
            self.is_kill_acknowledged = commands.run(&["kill", &job])?.code == Some(SUCCEEDED);
        }
        Ok(())
    }

    /// Submits the job again with the same id, while its submitter still runs.
    pub(crate) fn repeat(&mut self, commands: &Commands) -> Result {
        let mut command = commands.command(&["submit", "--detach"]);
        let ended = command.args(&self.arguments).current_dir(&self.folder).output()?;
        match ended.status.code() {
            Some(SUCCEEDED) => {
                let id = String::from_utf8(ended.stdout)?;
                self.repeated.push(id.trim_end().to_owned());
            }
            Some(UNAVAILABLE | UNKNOWN) => {}
            code => {
                let said = String::from_utf8_lossy(&ended.stderr);
                self.refused = Some(format!("repeated --id is refused: {code:?}: {said}"));
            }
        }
        Ok(())
    }

    /// Takes the place of the output with another folder, or with a file in the old output. Does nothing if the output
    /// exists.
    pub(crate) fn take_output(&mut self) -> Result {
        if self.kind.overwrites {
            fs::write(self.folder.join("out").join(FOREIGN), "not ours")?;
            self.is_taken = true;
            return Ok(());
        }
        let made = self.folder.join("made");
        fs::create_dir(&made)?;
        fs::write(made.join(FOREIGN), "not ours")?;
        // The folder appears together with its file, since a job may use an empty folder. This fails if the output
        // exists.
        self.is_taken = fs::rename(&made, self.folder.join("out")).is_ok();
        if !self.is_taken {
            fs::remove_dir_all(made)?;
        }
        Ok(())
    }

    /// Replaces an input by another one of the same size and time of modification.
    pub(crate) fn replace_input(&mut self) -> Result {
        let Some(path) = self.kind.inputs.first().map(|name| self.folder.join(name)) else {
            return Ok(());
        };
        let Ok(text) = String::from_utf8(fs::read(&path)?) else { return Ok(()) };
        let time = fs::metadata(&path)?.modified()?;
        let new = self.folder.join("new");
        fs::write(&new, text.replace("word-", "verb-").replace("name ", "nick "))?;
        File::options().write(true).open(&new)?.set_modified(time)?;
        fs::rename(new, path)?;
        self.is_replaced = true;
        Ok(())
    }

    /// Returns what the submitters wrote to standard error.
    fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(said_path(&self.folder))?)
    }

    /// Returns the ids that the submitters have reported, each once.
    fn ids(&self) -> Result<Vec<String>> {
        let said = self.said()?;
        // The answer to the first submission may have been lost, so that only the next one reports the id.
        let ids = said.lines().filter_map(|line| {
            line.split_once(" is submitted; ")
                .or_else(|| line.split_once(" was already submitted with this --id; "))
        });
        let mut ids: Vec<String> = ids.map(|(id, _)| id.to_owned()).collect();
        ids.extend(self.repeated.iter().cloned());
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Waits for the end of the job, checks that this end is allowed, and removes the folder.
    pub(crate) fn end(&mut self, commands: &Commands) -> Result<End> {
        let checked = self.check_end(commands);
        if checked.is_err() {
            // A stuck submitter must not outlive its job.
            let _gone_or_not = self.submitter.kill();
            let _reaped_or_not = self.submitter.wait();
        }
        let said = self.said().unwrap_or_default();
        let end = checked.map_err(|error| format!("{error}\n{said}"))?;
        fs::remove_dir_all(&self.folder)?;
        Ok(end)
    }

    fn check_end(&mut self, commands: &Commands) -> Result<End> {
        let code = self.follow(commands)?;
        let ids = self.ids()?;
        if ids.is_empty() && code == REFUSED && self.is_taken && self.said()?.contains(FOREIGN) {
            // The output was taken before the job was submitted.
            self.check_no_output(commands)?;
            self.check_nothing_is_left()?;
            return Ok(End::OutputTaken);
        }
        let [job] = &ids[..] else {
            return Err(format!("several jobs, or none, have one id: {ids:?}").into());
        };
        let status = status(commands, job)?;
        let expected = match code {
            SUCCEEDED => "succeeded",
            FAILED => "failed",
            CANCELLED => "cancelled",
            code => return Err(format!("{job}: submit exits with {code}: {status}").into()),
        };
        if status["state"] != expected {
            return Err(format!("{job}: submit exits with {code}: {status}").into());
        }
        let end = self.judge(commands, &status).map_err(|error| format!("{error}: {status}"))?;
        self.check_nothing_is_left()?;
        self.refused.take().map_or(Ok(end), |error| Err(error.into()))
    }

    /// Waits for the submitter, and submits the job again with the same id if the submitter was killed or found no
    /// cluster. Returns the exit code.
    fn follow(&mut self, commands: &Commands) -> Result<i32> {
        loop {
            until_within(JOB_SECONDS_MAX, "stuck", || Ok(self.submitter.try_wait()?.is_some()))?;
            let code = self.submitter.wait()?.code();
            match code {
                None if !self.is_submitter_killed => return Err("submit died of a signal".into()),
                None | Some(UNAVAILABLE | UNKNOWN) if self.submissions < SUBMISSIONS_MAX => {
                    self.submissions += 1;
                    self.submitter = start(commands, &self.folder, &self.arguments)?;
                }
                None => return Err("too many submissions".into()),
                Some(code) => return Ok(code),
            }
        }
    }

    /// Checks that the end is allowed, given what was done to the job.
    fn judge(&self, commands: &Commands, status: &Value) -> Result<End> {
        let error = status["error"].as_str().unwrap_or_default();
        match status["state"].as_str() {
            Some("succeeded") if self.kind.must == Must::Succeed && !self.is_kill_acknowledged => {
                if self.is_taken {
                    // The job may have replaced the old output before the file was written.
                    let is_kept = self.kind.overwrites && self.foreign().exists();
                    return if is_kept { Ok(End::OutputTaken) } else { Err("taken".into()) };
                }
                self.compare(commands)
            }
            Some("failed") => {
                self.check_no_output(commands)?;
                match self.kind.must {
                    _ if self.is_taken && is_about_output(error) => Ok(End::OutputTaken),
                    _ if self.is_replaced && error.contains("changed") => Ok(End::InputReplaced),
                    Must::Fail(text) if error.contains(text) => Ok(End::Failed),
                    Must::Fail(_) if self.is_executor_killed && error.contains("SIGKILL") => {
                        Ok(End::Failed)
                    }
                    _ => Err("wrong error".into()),
                }
            }
            Some("cancelled") if self.is_killed => {
                self.check_no_output(commands)?;
                Ok(End::Cancelled)
            }
            _ => Err("wrong end".into()),
        }
    }

    fn foreign(&self) -> PathBuf {
        self.folder.join("out").join(FOREIGN)
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Compares the output with that of a run without a cluster, part by part and byte for byte.
    fn compare(&self, commands: &Commands) -> Result<End> {
        let (job, output) = (self.name(), format!("{}/out", self.name()));
        let verified = commands.run(&["verify", &output])?;
        if verified.code != Some(0) {
            return Err(format!("wrong output: {}", verified.stderr).into());
        }
        if is_same(commands, &output, &self.kind.alone())? {
            return Ok(End::Succeeded);
        }
        if self.is_replaced {
            // The job may have read only the new input.
            let now = format!("{job}/now");
            self.kind.run_in(commands, &job, &now)?;
            if is_same(commands, &output, &now)? {
                fs::remove_dir_all(commands.path(&now))?;
                return Ok(End::InputReplaced);
            }
        }
        Err("wrong output".into())
    }

    /// Checks that a job that did not succeed has changed nothing in the place of its output.
    fn check_no_output(&self, commands: &Commands) -> Result {
        let output = format!("{}/out", self.name());
        let is_right = if self.is_taken && !self.foreign().exists() {
            false
        } else if self.kind.overwrites {
            is_same(commands, &output, &old_output().alone())?
        } else {
            commands.path(&output).exists() == self.is_taken
        };
        if is_right { Ok(()) } else { Err("the output is changed".into()) }
    }

    /// Checks that the job has left neither a staging folder nor a process.
    fn check_nothing_is_left(&self) -> Result {
        let mut known: Vec<&str> = self.kind.inputs.to_vec();
        known.extend([MARKS, "out", "said.txt"]);
        until("no staging folder is left", || {
            Ok(names(&self.folder)?.iter().all(|name| known.contains(&name.as_str())))
        })
        .map_err(|error| format!("{error}: {:?}", names(&self.folder)))?;
        let marks = names(&self.folder.join(MARKS))?;
        let children = marks.iter().filter_map(|name| name.strip_prefix("child-"));
        for child in children {
            let line = PathBuf::from(format!("/proc/{child}/cmdline"));
            let lives = || fs::read(&line).is_ok_and(|bytes| bytes == *b"sleep\x00600\x00");
            until("no process of user code is left", || Ok(!lives()))
                .map_err(|error| format!("{error}: {child}"))?;
        }
        Ok(())
    }
}

/// Returns whether an error says that the place of the output is in use.
fn is_about_output(error: &str) -> bool {
    error.contains("output") || error.contains(FOREIGN)
}

/// Returns the kind whose output lies where an overwriting job writes its own.
fn old_output() -> &'static Kind {
    let is_it = |kind: &&Kind| kind.must == Must::Succeed && !kind.overwrites;
    KINDS.iter().find(is_it).expect("the table of kinds has one that succeeds")
}

fn said_path(folder: &Path) -> PathBuf {
    folder.join("said.txt")
}

fn start(commands: &Commands, folder: &Path, arguments: &[String]) -> Result<Child> {
    let said = File::options().create(true).append(true).open(said_path(folder))?;
    let mut command = commands.command(&["submit"]);
    command.args(arguments).current_dir(folder);
    Ok(command.stdout(Stdio::null()).stderr(said).spawn()?)
}

/// Returns whether two outputs have the same parts, byte for byte.
fn is_same(commands: &Commands, one: &str, other: &str) -> Result<bool> {
    let of = |folder| {
        Ok::<BTreeMap<_, _>, Box<dyn std::error::Error>>(
            parts(commands, folder)?.into_iter().collect(),
        )
    };
    let (one, other) = (of(one)?, of(other)?);
    Ok(!one.is_empty() && one == other)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// Copies a folder of files.
fn copy_folder(from: &Path, to: &Path) -> Result {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
