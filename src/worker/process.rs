//! Starts executors as child processes, and makes sure that none is left behind.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use tokio::sync::{oneshot, watch};

use super::death::OverMemory;
use super::memory::sample;
use super::orphans;
use super::output::Output;
use super::process_tree::{self, Group, ProcessTree, VARIABLE};
use super::{CappedLog, Death, Ending, Launch, Launched, Launcher, Limiter, Process};
use crate::frame::EXECUTOR_ARG;

/// Tries while a new executable is still open for writing: a fork on another thread holds it open until its exec.
const BUSY_TRIES_MAX: usize = 50;
/// Pause between two tries.
const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// Interval for sampling an executor's memory if no control group limits it.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Starts executors on one thread, which lives as long as this value: the kernel kills an executor without a
/// supervisor when the thread that started it ends.
#[derive(Debug)]
pub struct ProcessLauncher {
    limiter: Limiter,
    wanted: mpsc::Sender<Wanted>,
}

/// A request to the thread that starts executors.
#[derive(Debug)]
struct Wanted {
    launch: Launch,
    reply: oneshot::Sender<io::Result<Started>>,
}

/// Its answer.
#[derive(Debug)]
struct Started {
    socket: UnixStream,
    process: Handle,
    death: watch::Receiver<Option<Death>>,
}

impl ProcessLauncher {
    /// Sweeps what dead workers have left on this machine, and starts the thread.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(limiter: Limiter) -> io::Result<Self> {
        let (wanted, orders) = mpsc::channel::<Wanted>();
        let here = limiter.clone();
        Group::sweep(&limiter);
        process_tree::sweep();
        thread::Builder::new().name("launcher".into()).spawn(move || {
            // Waits for requests, and ends when the launcher is dropped.
            while let Ok(Wanted { launch, reply }) = orders.recv() {
                // If the caller no longer waits, the executor is dropped here, which kills it.
                let _taken_or_dropped = reply.send(start(&launch, &here));
            }
        })?;
        Ok(ProcessLauncher { limiter, wanted })
    }
}

impl Launcher for ProcessLauncher {
    fn limiter(&self) -> &'static str {
        self.limiter.name()
    }

    async fn launch(&self, launch: Launch) -> io::Result<Launched> {
        let gone = || io::Error::other("the thread that starts executors has died");
        let (reply, started) = oneshot::channel();
        self.wanted.send(Wanted { launch, reply }).map_err(|_| gone())?;
        let Started { socket, process, death } = started.await.map_err(|_| gone())??;
        socket.set_nonblocking(true)?;
        let socket = Box::new(tokio::net::UnixStream::from_std(socket)?);
        Ok(Launched { socket, process: Arc::new(process), death })
    }
}

/// A child process, from its start until it is reaped.
#[derive(Debug)]
struct Running {
    pid: Pid,
    /// `None` once it is reaped. Until then its process id and group id are its own, so a kill cannot hit another
    /// process.
    child: Mutex<Option<Child>>,
    tree: Mutex<Option<ProcessTree>>,
    /// Memory that it used when it was killed for exceeding its limit; 0 if it was not.
    over_bytes: AtomicU64,
    limit_bytes: u64,
    output: Output,
}

/// Owner of an executor, which is killed when this is dropped.
#[derive(Debug)]
struct Handle(Arc<Running>);

/// Starts one executor with its threads: one waits for its end, one reads what it prints, and another may sample its
/// memory.
fn start(launch: &Launch, limiter: &Limiter) -> io::Result<Started> {
    let (ours, theirs) = UnixStream::pair()?;
    let (printed, print) = io::pipe()?;
    let mut tree = ProcessTree::create(limiter, launch.memory_bytes)?;
    let mut command = Command::new(&launch.executable);
    command.arg(EXECUTOR_ARG).current_dir(&launch.folder).process_group(0);
    command.env(VARIABLE, tree.name());
    command.stdin(OwnedFd::from(theirs)).stdout(print.try_clone()?).stderr(print);
    let child = orphans::start(|| spawn(&mut command))?;
    // This closes our copies of its ends of the socket and the pipe, so that we notice when it closes them.
    drop(command);
    let pid = Pid::from_child(&child);
    let joined = tree.add(pid);
    let running = Arc::new(Running {
        pid,
        child: Mutex::new(Some(child)),
        tree: Mutex::new(Some(tree)),
        over_bytes: AtomicU64::new(0),
        limit_bytes: launch.memory_bytes,
        output: Output::new(printed)?,
    });
    // From here on, any failure kills it.
    let process = Handle(Arc::clone(&running));
    let (sender, death) = watch::channel(None);
    let reaped = Arc::clone(&running);
    thread::Builder::new().name("reaper".into()).spawn(move || {
        let died = reaped.reap();
        sender.send_replace(Some(died));
    })?;
    joined?;
    let read = Arc::clone(&running);
    thread::Builder::new().name("output".into()).spawn(move || {
        read.output.read_until(|| lock(&read.child).is_none());
    })?;
    if *limiter == Limiter::Sampled && launch.memory_bytes > 0 {
        let sampled = death.clone();
        thread::Builder::new()
            .name("sampler".into())
            .spawn(move || running.watch_memory(&sampled))?;
    }
    Ok(Started { socket: ours, process, death })
}

/// Starts the command. Retries while a fork on another thread holds the executable open for writing.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES_MAX =>
            {
                tries += 1;
                thread::park_timeout(BUSY_PAUSE);
            }
            spawned => return spawned,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Waits for its end, kills what it has left behind, and reaps it.
    fn reap(&self) -> Death {
        let waited = loop {
            // This does not reap it, so its process ids stay its own while its group is killed.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(self.pid), options) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other,
            }
        };
        let mut child = lock(&self.child);
        let _killed_or_none_left = kill_process_group(self.pid, Signal::KILL);
        let tree = lock(&self.tree).take();
        let over = tree.as_ref().and_then(ProcessTree::over_limit_bytes);
        let over_group =
            over.map(|limit_bytes| OverMemory { used_bytes: limit_bytes, limit_bytes });
        if let Some(tree) = &tree {
            tree.kill();
        }
        let was_killed = matches!(&waited, Ok(Some(it)) if it.killed() || it.dumped());
        let status =
            orphans::reap(self.pid, was_killed, || child.take().map(|mut child| child.wait()));
        drop(child);
        drop(tree);
        let ending = match (waited, status) {
            (Ok(_), Some(Ok(status))) => Ending::from(status),
            // Something else has reaped it; no code here does.
            _ => Ending::Exited { code: -1 },
        };
        let used_bytes = self.over_bytes.load(Ordering::SeqCst);
        let sampled =
            (used_bytes > 0).then_some(OverMemory { used_bytes, limit_bytes: self.limit_bytes });
        Death { ending, memory: over_group.or(sampled) }
    }

    /// Kills it when it exceeds its limit. Ends when it is dead.
    fn watch_memory(&self, death: &watch::Receiver<Option<Death>>) {
        let pid = self.pid.as_raw_nonzero().get().unsigned_abs();
        while death.borrow().is_none() && death.has_changed().is_ok() {
            let used = sample(&[pid]).first().copied().unwrap_or(0);
            if used > self.limit_bytes {
                self.over_bytes.store(used, Ordering::SeqCst);
                self.kill();
            }
            thread::park_timeout(SAMPLE_INTERVAL);
        }
    }

    fn kill(&self) {
        let child = lock(&self.child);
        if child.is_some() {
            if let Some(tree) = &*lock(&self.tree) {
                tree.kill();
            }
            let _killed_or_dying = kill_process_group(self.pid, Signal::KILL);
            // It may have left its group.
            let _killed_or_dying = kill_process(self.pid, Signal::KILL);
        }
    }
}

impl Process for Handle {
    fn kill(&self) {
        self.0.kill();
    }

    fn log(&self) -> CappedLog {
        self.0.output.log()
    }

    fn take_log(&self) -> CappedLog {
        self.0.output.take_log()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.kill();
    }
}
