//! Simulated executors: attempts are plain functions, and the seed decides how long they take.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gristmill::executor::carry_out;
use gristmill::frame::{
    self, Done, FromExecutor, LENGTH_BYTES, Run, ToExecutor, VERSION, Work, decode, message_bytes,
};
use gristmill::model::{Cause, Failure, SideFileSpec};
use gristmill::record::value;
use gristmill::shuffle::ReadProgress;
use gristmill::task::More;
use gristmill::worker::{CappedLog, Death, Ending, Launch, Launched, Launcher, Process};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::history::History;
use crate::moody::{self, Moody};
use crate::wordcount::WordCount;

/// Bytes that the socket holds.
const SOCKET_BYTES: usize = 64 << 10;
/// Number of progress reports of an attempt.
const STEPS: u64 = 5;
/// Number of steps at which a map asks for more maps.
const ASKING_STEPS: u64 = 2;
/// How many first attempts in a thousand die, and how many fail. The rate for commits is higher, since a job has only
/// one.
const GRIEFS_PERMILLE: u64 = 25;
const COMMIT_GRIEFS_PERMILLE: u64 = 200;
/// How long each of those steps takes, in milliseconds. A step of a commit is longer, so that leaders change in the
/// meantime.
const STEP_MS: (u64, u64) = (10, 120);
const COMMIT_STEP_MS: (u64, u64) = (10, 500);
/// Error message of an attempt that fails by chance.
pub(crate) const BY_CHANCE: &str = "a first attempt, by chance";

/// Starts executors on one machine.
pub(crate) struct Functions {
    pub(crate) seed: u64,
    /// Names the machine and the number of its worker's start.
    pub(crate) place: String,
    /// How many times longer everything takes.
    pub(crate) slowness: u64,
    /// Whether attempts are free of random faults. Commits still fail.
    pub(crate) is_well: bool,
    pub(crate) history: History,
}

impl Launcher for Functions {
    fn limiter(&self) -> &'static str {
        "none"
    }

    async fn launch(&self, _: Launch) -> std::io::Result<Launched> {
        let (ours, theirs) = duplex(SOCKET_BYTES);
        let (died, death) = watch::channel(None);
        let executor = Executor {
            socket: theirs,
            seed: self.seed,
            place: self.place.clone(),
            slowness: self.slowness,
            is_well: self.is_well,
            history: self.history.clone(),
        };
        let dying = died.clone();
        let task = tokio::spawn(async move {
            let code = executor.serve().await.unwrap_or(0);
            dying.send_replace(Some(Death { ending: Ending::Exited { code }, memory: None }));
        });
        let process = Arc::new(Function { task: task.abort_handle(), died });
        Ok(Launched { socket: Box::new(ours), process, death })
    }
}

/// Stands in for a process.
struct Function {
    task: AbortHandle,
    died: watch::Sender<Option<Death>>,
}

impl Process for Function {
    fn kill(&self) {
        self.task.abort();
        let killed = Death { ending: Ending::Signaled { signal: 9 }, memory: None };
        self.died.send_if_modified(|death| death.replace(killed).is_none());
    }

    fn log(&self) -> CappedLog {
        CappedLog::new()
    }

    fn take_log(&self) -> CappedLog {
        CappedLog::new()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Gives an attempt no more maps, because all maps that joined it are known before it runs.
struct NoMore;

impl More for NoMore {
    fn ask(&mut self, _: u32) {}

    fn take(&mut self) -> Vec<u32> {
        Vec::new()
    }
}

/// Returns whether the author's code would find a copy of each side file, if that code runs at all.
fn has_side_files(run: &Run) -> bool {
    let is_copy = |file: &SideFileSpec| {
        let [name, location] = [&file.name, &file.location].map(|it| fs::read(it.path()).ok());
        file.name != file.location && name.is_some() && name == location
    };
    matches!(run.work, Work::Commit { .. } | Work::Sweep)
        || (run.spec.side_files.len() == 1 && run.spec.side_files.iter().all(is_copy))
}

/// Does the work of the author's code and of everything around it.
fn work(run: &mut Run) -> Result<Done, Failure> {
    let progress = ReadProgress::default();
    if run.spec.name != moody::NAME {
        return carry_out::<WordCount>(run, &progress, &mut NoMore);
    }
    run.spec.job.clear();
    let mood = moody::mood(run.attempt.number);
    value::encode_into(&mood, &mut run.spec.job).expect("a value of strings");
    carry_out::<Moody>(run, &progress, &mut NoMore)
}

/// The executor's end of a socket.
struct Executor {
    socket: DuplexStream,
    seed: u64,
    place: String,
    slowness: u64,
    is_well: bool,
    history: History,
}

impl Executor {
    /// Serves until the executor dies. Returns its exit code, or `None` if its worker is gone.
    async fn serve(mut self) -> Option<i32> {
        let ToExecutor::Hello { .. } = self.hear().await? else { return Some(90) };
        self.say(&FromExecutor::Hello { version: VERSION }).await?;
        loop {
            let ToExecutor::Run(run) = self.hear().await? else { return Some(91) };
            let mut chance = Chance::of(self.seed, &format!("{} {}", self.place, run.attempt));
            self.say(&FromExecutor::Begun { pid: 1 }).await?;
            self.history.begins(&self.place, run.attempt);
            if let Err(code) = self.run(&run, &mut chance).await? {
                return Some(code);
            }
        }
    }

    /// Runs an attempt. Only first attempts die or fail by chance, so that no task fails for good.
    async fn run(&mut self, run: &Run, chance: &mut Chance) -> Option<Result<(), i32>> {
        if !has_side_files(run) {
            return Some(Err(93));
        }
        let is_first = run.attempt.number == 1;
        let (griefs, step_ms) = match run.work {
            Work::Commit { .. } => (COMMIT_GRIEFS_PERMILLE, COMMIT_STEP_MS),
            _ if self.is_well => (0, STEP_MS),
            _ => (GRIEFS_PERMILLE, STEP_MS),
        };
        let (dies, fails) = (chance.permille(griefs) && !self.is_well, chance.permille(griefs));
        // The fault may come before or after the work, so the attempt's output may or may not exist.
        let at = chance.between(0, STEPS);
        let mut done = None;
        let mut run = run.clone();
        for step in 0..=STEPS {
            if step == at && is_first && dies {
                return Some(Err(3));
            }
            if let Work::Map { joined, .. } = &mut run.work
                && is_first
                && step < ASKING_STEPS
            {
                self.say(&FromExecutor::Wants { maps: 1 + joined.len() as u32 }).await?;
                let ToExecutor::More { maps } = self.hear().await? else { return Some(Err(92)) };
                joined.extend(maps);
            }
            if step == STEPS - 1 {
                done = Some(work(&mut run));
            }
            let pause_ms = chance.between(step_ms.0, step_ms.1) * self.slowness;
            sleep(Duration::from_millis(pause_ms)).await;
            self.say(&FromExecutor::Progress { bytes: step, total: STEPS }).await?;
        }
        let said = match done? {
            _ if is_first && fails => FromExecutor::Failed(Failure::new(Cause::Panic, BY_CHANCE)),
            Ok(done) => FromExecutor::Done(done),
            Err(failure) => FromExecutor::Failed(failure),
        };
        self.say(&said).await?;
        Some(Ok(()))
    }

    async fn say(&mut self, message: &FromExecutor) -> Option<()> {
        let frame = frame::encode(message).expect("a short message");
        self.socket.write_all(&frame).await.ok()
    }

    async fn hear(&mut self) -> Option<ToExecutor> {
        let mut length = [0; LENGTH_BYTES];
        self.socket.read_exact(&mut length).await.ok()?;
        let mut message = vec![0; message_bytes(length).expect("a short message")];
        self.socket.read_exact(&mut message).await.ok()?;
        Some(decode(&message).expect("a message of this version"))
    }
}
