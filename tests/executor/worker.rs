//! Plays the part of a worker: starts executors, and runs a whole job with them.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use gristmill::frame::{
    self, Connection, DESCRIBE_ARG, DESCRIPTION_MARK, Description, Done, EXECUTOR_ARG,
    FromExecutor, LENGTH_BYTES, Run, ToExecutor, Work,
};
use gristmill::model::{
    Counters, Failure, JobId, JobSpec, Nonce, SegmentPlace, SegmentRef, TaskKind,
};
use gristmill::shuffle::SpillFile;
use tempfile::TempDir;

use crate::executables::executables;

/// Result of a test.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Time limit for an answer, generous enough for a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

pub(crate) const NONCE: Nonce = Nonce(0xabc);
pub(crate) const JOB: JobId = JobId(7);

/// An executor, and the worker's end of its socket.
pub(crate) struct Executor {
    pub(crate) child: Child,
    pub(crate) connection: Connection<UnixStream>,
    /// Progress messages that arrived.
    pub(crate) progress: Vec<(u64, u64)>,
    /// How many maps each of its requests asked for.
    pub(crate) wants: Vec<u32>,
    /// The maps that its next request receives.
    pub(crate) more: Vec<u32>,
}

impl Executor {
    /// Starts a job's executable, without the handshake.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let (ours, its) = UnixStream::pair()?;
        ours.set_read_timeout(Some(ANSWER_WITHIN))?;
        let child = command.stdin(OwnedFd::from(its)).spawn()?;
        // Otherwise the command would keep the other end of the socket open.
        command.stdin(std::process::Stdio::null());
        Ok(Executor {
            child,
            connection: Connection::new(ours),
            progress: Vec::new(),
            wants: Vec::new(),
            more: Vec::new(),
        })
    }

    /// Starts a job's executable and performs the handshake.
    pub(crate) fn of(job: &str) -> Result<Self> {
        let mut executor = Self::start(Command::new(executables().join(job)).arg(EXECUTOR_ARG))?;
        executor.connection.greet_executor()?;
        Ok(executor)
    }

    /// Runs an attempt.
    pub(crate) fn run(&mut self, run: Run) -> Result<std::result::Result<Done, Failure>> {
        self.connection.send(&ToExecutor::Run(Box::new(run)))?;
        loop {
            match self.connection.receive()?.ok_or("the executor is gone")? {
                FromExecutor::Begun { .. } => {}
                FromExecutor::Progress { bytes, total } => self.progress.push((bytes, total)),
                FromExecutor::Done(done) => return Ok(Ok(done)),
                FromExecutor::Failed(failure) => return Ok(Err(failure)),
                FromExecutor::Wants { maps } => {
                    self.wants.push(maps);
                    let maps = std::mem::take(&mut self.more);
                    self.connection.send(&ToExecutor::More { maps })?;
                }
                FromExecutor::Hello { .. } => return Err("the executor sent a second hello".into()),
            }
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // The process has ended already, unless the test failed.
        let _killed_or_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A job of this worker, with its spec and its folder.
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    pub(crate) scratch: TempDir,
}

impl Job {
    pub(crate) fn new(spec: JobSpec) -> Result<Self> {
        Ok(Job { spec, scratch: tempfile::tempdir()? })
    }

    pub(crate) fn attempt(&self, kind: TaskKind, index: u32, work: Work) -> Result<Run> {
        let attempt = JOB.task(kind, index).attempt(1);
        let scratch = self.scratch.path().join(attempt.to_string().replace('/', "-"));
        fs::create_dir_all(&scratch)?;
        let (spec, scratch) = (self.spec.clone(), scratch.into());
        Ok(Run { attempt, nonce: NONCE, spec, scratch, compress: false, work })
    }

    /// Plans the job. Returns the plan's file and the numbers of maps and reduces.
    pub(crate) fn plan(&self, executor: &mut Executor) -> Result<(PathBuf, u32, u32)> {
        match executor.run(self.attempt(TaskKind::Plan, 0, Work::Plan)?)? {
            Ok(Done::Plan { plan, splits, reducers, .. }) => {
                Ok((plan.to_path_buf(), splits, reducers))
            }
            other => Err(format!("{other:?}").into()),
        }
    }

    /// Runs all maps, and adds up their counters. Returns the sealed outputs and the attempts' numbers for the commit.
    pub(crate) fn map(
        &self,
        executor: &mut Executor,
        plan: &Path,
        splits: u32,
        counters: &mut Counters,
    ) -> Result<(Vec<Option<PathBuf>>, Vec<u32>)> {
        let (mut outputs, mut staged) = (Vec::new(), Vec::new());
        for map in 0..splits {
            let compress = map % 2 == 0;
            let work = Work::Map { plan: plan.into(), joined: Vec::new() };
            let run = Run { compress, ..self.attempt(TaskKind::Map, map, work)? };
            match executor.run(run)? {
                Ok(Done::Map { output, digest, bytes, is_staged, counters: of_it, .. }) => {
                    if let Some(path) = &output {
                        let file = SpillFile::open(&**path)?;
                        assert_eq!((file.index().digest, file.index().file_bytes), (digest, bytes));
                    }
                    outputs.push(output.map(|path| path.to_path_buf()));
                    staged.push(u32::from(is_staged));
                    counters.merge(&of_it);
                }
                other => return Err(format!("map {map}: {other:?}").into()),
            }
        }
        Ok((outputs, staged))
    }

    /// Runs a whole job. Returns the records and bytes that its commit reports.
    pub(crate) fn whole(&self, executor: &mut Executor) -> Result<(u64, u64)> {
        let (plan, splits, reducers) = self.plan(executor)?;
        let mut counters = Counters::new();
        let maps = self.map(executor, &plan, splits, &mut counters)?;
        self.finish(executor, (&plan, reducers), maps, counters)
    }

    /// Reduces these outputs and commits, with these numbers of the maps' attempts. Returns the records and bytes that
    /// the commit reports.
    pub(crate) fn finish(
        &self,
        executor: &mut Executor,
        (plan, reducers): (&Path, u32),
        (outputs, maps): (Vec<Option<PathBuf>>, Vec<u32>),
        mut counters: Counters,
    ) -> Result<(u64, u64)> {
        for reduce in 0..reducers {
            let work = Work::Reduce { plan: plan.into(), maps: segments(&outputs, reduce)? };
            match executor.run(self.attempt(TaskKind::Reduce, reduce, work)?)? {
                Ok(Done::Reduce { counters: of_it, .. }) => counters.merge(&of_it),
                other => return Err(format!("reduce {reduce}: {other:?}").into()),
            }
        }
        let commit = Work::Commit {
            maps,
            reduces: vec![1; reducers as usize],
            counters,
            created: "2026-01-02T03:04:05Z".into(),
        };
        let mut published = Vec::new();
        for _ in 0..2 {
            match executor.run(self.attempt(TaskKind::Commit, 0, commit.clone())?)? {
                Ok(Done::Commit { records, bytes }) => published.push((records, bytes)),
                other => return Err(format!("commit: {other:?}").into()),
            }
        }
        assert_eq!(published[0], published[1], "a commit that comes late finds it done");
        Ok(published[0])
    }
}

/// Returns one partition of all map outputs.
pub(crate) fn segments(outputs: &[Option<PathBuf>], partition: u32) -> Result<Vec<SegmentRef>> {
    let mut segments = Vec::new();
    for (map, output) in (0..).zip(outputs) {
        let path = output.clone().ok_or("a map without output")?;
        let info = SpillFile::open(&path)?.index().segments[partition as usize];
        segments.push(SegmentRef { map, place: SegmentPlace { path: path.into(), info } });
    }
    Ok(segments)
}

/// Asks a job's executable to describe the job that these arguments define.
pub(crate) fn describe(job: &str, args: &[&str], folder: &Path) -> Result<Description> {
    description(Command::new(executables().join(job)).arg(DESCRIBE_ARG).args(args), folder)
}

/// Describes a job like [`describe`], for a user with this umask.
pub(crate) fn describe_under(
    umask: &str,
    job: &str,
    args: &[&str],
    folder: &Path,
) -> Result<Description> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask \"$0\"; exec \"$@\"", umask]).arg(executables().join(job));
    description(shell.arg(DESCRIBE_ARG).args(args), folder)
}

fn description(command: &mut Command, folder: &Path) -> Result<Description> {
    let output = command.current_dir(folder).output()?;
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let frame = output.stdout.strip_prefix(DESCRIPTION_MARK).ok_or("no mark")?;
    let (length, message) = frame.split_first_chunk::<LENGTH_BYTES>().ok_or("no frame")?;
    assert_eq!(frame::message_bytes(*length)?, message.len());
    Ok(frame::decode(message)?)
}

/// Returns the spec of the job that these arguments define.
pub(crate) fn described(job: &str, args: &[&str], folder: &Path) -> Result<JobSpec> {
    match describe(job, args, folder)? {
        Description::Job { spec, .. } => Ok(*spec),
        other => Err(format!("{other:?}").into()),
    }
}

/// Returns the names in a folder, including hidden ones.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let entries: std::io::Result<Vec<_>> = entries.collect();
    let mut names: Vec<String> =
        entries?.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
