//! Masters and workers that the test itself starts, so that it knows which process to kill.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::MutexGuard;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::commands::{Commands, GRISTMILL, Result, alone};
use crate::dev::{lives, send, send_all};
use crate::until::until;

/// Lease of a worker: short, so that tests are short, but longer than a busy machine delays a worker.
pub(crate) const LEASE: &str = "3s";
/// Flags that make workers send map outputs over the network, as between machines, although all run on this one.
const SENT: &[&str] = &["--no-local-reads"];
/// How long a process may take to print its address.
const FIRST_LINE_WITHIN: Duration = Duration::from_secs(30);

/// A master or a worker, in its own process group.
pub(crate) struct Member {
    process: Child,
    /// Kept open, so that the process can still write to it.
    _said: BufReader<ChildStdout>,
    /// The address on which it listens.
    pub(crate) address: String,
}

/// A group of a fleet's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The master with this number.
    Master(usize),
    /// Any worker, with its executors.
    Workers,
}

/// A cluster whose workers are numbered 1, 2, 3, … in the order of their first start.
pub(crate) struct Fleet {
    masters: Vec<Member>,
    workers: Vec<Member>,
    slots: u32,
    /// Additional flags of every worker.
    flags: &'static [&'static str],
    /// Additional flags of every master.
    master_flags: &'static [&'static str],
    commands: Commands,
    _one: MutexGuard<'static, ()>,
}

impl Deref for Fleet {
    type Target = Commands;

    fn deref(&self) -> &Commands {
        &self.commands
    }
}

impl Member {
    /// Starts `gristmill` as a member, by a command that becomes it in the end. The member dies with this test. Crash
    /// points are armed in the folder `points`, which need not exist.
    fn start(
        mut command: Command,
        arguments: &[&str],
        data: PathBuf,
        points: PathBuf,
    ) -> Result<Self> {
        let parent = std::process::id().to_string();
        let mut process = command
            .env("GRISTMILL_CRASH", points)
            .args(arguments)
            .arg("--data")
            .arg(data)
            .args(["--parent", &parent])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let said = BufReader::new(process.stdout.take().ok_or("no output")?);
        let (address, said) = match first_line(said) {
            Ok((line, said)) => (address(&line)?, said),
            Err(error) => {
                process.kill()?;
                process.wait()?;
                return Err(format!("{arguments:?}: {error}").into());
            }
        };
        Ok(Self { process, _said: said, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the process ends, and returns its exit code, if it has one.
    fn ended(&mut self, why: &str) -> Result<Option<i32>> {
        until(why, || Ok(self.process.try_wait()?.is_some()))?;
        Ok(self.process.wait()?.code())
    }

    /// Kills the process, unless it has already ended.
    fn end_anyhow(&mut self) {
        let _gone_or_not = self.process.kill();
        let _reaped_or_not = self.process.wait();
    }
}

/// Returns the first line that a process writes. Fails if it takes too long.
fn first_line(mut said: BufReader<ChildStdout>) -> Result<(String, BufReader<ChildStdout>)> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = said.read_line(&mut line).map(|_| (line, said));
        let _told_or_given_up = sender.send(read);
    });
    Ok(receiver.recv_timeout(FIRST_LINE_WITHIN)??)
}

/// Returns the address in `master 1 ADDRESS pid N` or `worker ADDRESS pid N`.
fn address(line: &str) -> Result<String> {
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match words[..] {
        ["master", _, address, "pid", _] | ["worker", address, "pid", _] => Ok(address.into()),
        _ => Err(format!("not what forms say: {line:?}").into()),
    }
}

impl Fleet {
    /// Starts a master, and workers with this many slots each.
    pub(crate) fn start(workers: usize, slots: u32) -> Result<Self> {
        Self::start_with(workers, slots, SENT)
    }

    /// Starts a master and workers, with more flags for the workers.
    pub(crate) fn start_with(
        workers: usize,
        slots: u32,
        flags: &'static [&'static str],
    ) -> Result<Self> {
        Self::start_all((1, &[]), (workers, flags), slots, |_| Ok(()))
    }

    /// Starts several masters, and workers with this many slots each.
    pub(crate) fn start_masters(masters: usize, workers: usize, slots: u32) -> Result<Self> {
        Self::start_masters_with(masters, &[], workers, slots)
    }

    /// Starts several masters and workers, with more flags for the masters.
    pub(crate) fn start_masters_with(
        masters: usize,
        master_flags: &'static [&'static str],
        workers: usize,
        slots: u32,
    ) -> Result<Self> {
        Self::start_all((masters, master_flags), (workers, SENT), slots, |_| Ok(()))
    }

    /// Starts several masters and workers in a folder that `prepare` prepares first.
    pub(crate) fn start_in(
        masters: usize,
        workers: usize,
        slots: u32,
        prepare: impl FnOnce(&Path) -> Result,
    ) -> Result<Self> {
        Self::start_all((masters, &[]), (workers, SENT), slots, prepare)
    }

    fn start_all(
        (masters, master_flags): (usize, &'static [&'static str]),
        (workers, flags): (usize, &'static [&'static str]),
        slots: u32,
        prepare: impl FnOnce(&Path) -> Result,
    ) -> Result<Self> {
        let one = alone();
        let commands = Commands::new(String::new(), tempfile::tempdir()?);
        prepare(&commands.path(""))?;
        let mut fleet = Self {
            masters: Vec::new(),
            workers: Vec::new(),
            slots,
            flags,
            master_flags,
            commands,
            _one: one,
        };
        for _ in 0..masters {
            fleet.add_master()?;
        }
        for _ in 0..workers {
            fleet.add_worker()?;
        }
        Ok(fleet)
    }

    /// Ends all members, and starts another cluster in the same folder, with the same number of masters and this many
    /// workers.
    pub(crate) fn begin_anew(&mut self, workers: usize) -> Result {
        self.end()?;
        std::fs::remove_dir_all(self.path("data"))?;
        let masters = self.masters.len();
        self.masters.clear();
        self.workers.clear();
        (0..masters).try_for_each(|_| self.add_master())?;
        (0..workers).try_for_each(|_| self.add_worker().map(drop))
    }

    /// Adds a master, and waits until it takes part.
    pub(crate) fn add_master(&mut self) -> Result {
        let id = (self.masters.len() + 1).to_string();
        let mut arguments =
            vec!["master", "--id", &id, "--listen", "127.0.0.1:0", "--lease", LEASE];
        let cluster = self.cluster();
        match self.masters.len() {
            0 => arguments.push("--init"),
            _ => arguments.extend(["--join", &cluster]),
        }
        let master = self.launch_master(self.masters.len() + 1, &arguments)?;
        self.masters.push(master);
        let cluster = self.cluster();
        self.commands.moved(cluster);
        Ok(())
    }

    fn launch_master(&self, number: usize, arguments: &[&str]) -> Result<Member> {
        let arguments = [arguments, self.master_flags].concat();
        let data = self.path(&format!("data/m{number}"));
        let points = self.points(Who::Master(number));
        Member::start(Command::new(GRISTMILL), &arguments, data, points)
    }

    /// Returns the addresses of all masters.
    pub(crate) fn cluster(&self) -> String {
        let addresses: Vec<&str> = self.masters.iter().map(|it| it.address.as_str()).collect();
        addresses.join(",")
    }

    /// Adds a worker, waits until it is registered, and returns its number.
    pub(crate) fn add_worker(&mut self) -> Result<usize> {
        let cluster = self.cluster();
        self.add_worker_at(&cluster)
    }

    /// Adds a worker that looks for the masters at this address.
    pub(crate) fn add_worker_at(&mut self, cluster: &str) -> Result<usize> {
        let number = self.workers.len() + 1;
        let worker = self.launch(number, cluster)?;
        self.workers.push(worker);
        Ok(number)
    }

    /// Adds a worker with its own mounts, which a shell script makes. In the script, `$DATA` is the worker's folder.
    pub(crate) fn add_worker_with_mounts(&mut self, script: &str) -> Result<usize> {
        let number = self.workers.len() + 1;
        let script = format!("set -e; {script}; exec \"$@\"");
        let mut shell = Command::new("unshare");
        shell.args(["-Urm", "bash", "-c", &script, "bash", GRISTMILL]);
        shell.env("DATA", self.data(number));
        let cluster = self.cluster();
        let worker = self.launch_by(shell, number, &cluster)?;
        self.workers.push(worker);
        Ok(number)
    }

    fn launch(&self, number: usize, cluster: &str) -> Result<Member> {
        self.launch_by(Command::new(GRISTMILL), number, cluster)
    }

    fn launch_by(&self, command: Command, number: usize, cluster: &str) -> Result<Member> {
        let slots = self.slots.to_string();
        let arguments = ["worker", "--cluster", cluster, "--slots", &slots];
        let arguments = [&arguments, self.flags].concat();
        let points = self.points(Who::Workers);
        let worker = Member::start(command, &arguments, self.data(number), points)?;
        let pid = worker.pid();
        until("the worker is registered", || Ok(self.id_of(pid)?.is_some()))?;
        Ok(worker)
    }

    /// Restarts a dead worker with the same folder.
    pub(crate) fn start_again(&mut self, number: usize) -> Result {
        let cluster = self.cluster();
        self.workers[number - 1] = self.launch(number, &cluster)?;
        Ok(())
    }

    pub(crate) fn master(&self) -> &Member {
        &self.masters[0]
    }

    pub(crate) fn worker(&self, number: usize) -> &Member {
        &self.workers[number - 1]
    }

    /// Returns the numbers of all workers, including dead ones.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = usize> + use<> {
        1..=self.workers.len()
    }

    /// Returns a worker's data folder.
    pub(crate) fn data(&self, number: usize) -> PathBuf {
        self.path(&format!("data/w{number}"))
    }

    /// Returns the id, such as `w4`, that the cluster uses for the live worker with this process id.
    fn id_of(&self, pid: u32) -> Result<Option<String>> {
        let workers = self.json(&["workers"])?;
        let mut workers = workers.as_array().ok_or("no list")?.iter();
        let found = workers.find(|worker| worker["pid"] == pid && worker["state"] != "lost");
        Ok(found.and_then(|worker| worker["id"].as_str()).map(String::from))
    }

    /// Returns the id that the cluster uses for a live worker.
    pub(crate) fn id(&self, number: usize) -> Result<String> {
        let id = self.id_of(self.worker(number).pid())?;
        Ok(id.ok_or_else(|| format!("worker {number} is not there"))?)
    }

    /// Returns the state of a worker, or `None` if the cluster no longer lists it.
    pub(crate) fn state_of(&self, id: &str) -> Result<Option<String>> {
        let workers = self.json(&["workers"])?;
        let mut workers = workers.as_array().ok_or("no list")?.iter();
        let found = workers.find(|worker| worker["id"] == id);
        Ok(found.and_then(|worker| worker["state"].as_str()).map(String::from))
    }

    /// Kills a worker, and waits until it is gone.
    pub(crate) fn kill(&mut self, number: usize) -> Result {
        send("KILL", self.worker(number).pid())?;
        let code = self.workers[number - 1].ended("the killed worker is gone")?;
        assert_eq!(code, None, "it was killed, and did not end by itself");
        Ok(())
    }

    /// Kills the only master, and waits until it is gone. Workers and clients keep running.
    pub(crate) fn kill_master(&mut self) -> Result {
        self.kill_master_of(1)
    }

    /// Kills the master with this number.
    pub(crate) fn kill_master_of(&mut self, number: usize) -> Result {
        send("KILL", self.master_of(number).pid())?;
        let code = self.masters[number - 1].ended("the killed master is gone")?;
        assert_eq!(code, None, "it was killed, and did not end by itself");
        Ok(())
    }

    /// Restarts the only master, with the same folder and address.
    pub(crate) fn start_master_again(&mut self) -> Result {
        self.start_master_of(1)
    }

    /// Restarts the master with this number.
    pub(crate) fn start_master_of(&mut self, number: usize) -> Result {
        let (id, listen) = (number.to_string(), self.master_of(number).address.clone());
        let arguments = ["master", "--id", &id, "--listen", &listen, "--lease", LEASE];
        self.masters[number - 1] = self.launch_master(number, &arguments)?;
        Ok(())
    }

    /// Kills all workers at once.
    pub(crate) fn kill_workers(&mut self) -> Result {
        kill_at_once(self.workers.iter_mut())
    }

    /// Asks the master with this number to end, and returns its exit code.
    pub(crate) fn end_master_of(&mut self, number: usize) -> Result<Option<i32>> {
        send("TERM", self.master_of(number).pid())?;
        self.masters[number - 1].ended("the master ends when it is asked to")
    }

    pub(crate) fn masters(&self) -> impl Iterator<Item = &Member> {
        self.masters.iter()
    }

    /// Waits for a master that ends by itself, and returns its exit code.
    pub(crate) fn master_left(&mut self, number: usize) -> Result<Option<i32>> {
        self.masters[number - 1].ended("the master ends by itself")
    }

    /// Adds a master with the command that `gristmill masters add` prints, waits until it takes part, and returns its
    /// number.
    pub(crate) fn add_master_as_told(&mut self) -> Result<usize> {
        let told = self.run(&["masters", "add"])?;
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        let words: Vec<&str> = told.stdout.split_whitespace().collect();
        let ["gristmill", "master", "--id", id, "--listen", _, "--data", data, "--join", _] =
            words[..]
        else {
            return Err(format!("not a command: {}", told.stdout).into());
        };
        assert_eq!(data, format!("m{id}"));
        let arguments = [&words[1..6], &words[8..], &["--lease", LEASE]].concat();
        let number: usize = id.parse()?;
        let points = self.points(Who::Master(number));
        let data = self.path(&format!("data/{data}"));
        self.masters.push(Member::start(Command::new(GRISTMILL), &arguments, data, points)?);
        assert_eq!(number, self.masters.len(), "each has its place here by its number");
        let cluster = self.cluster();
        self.commands.moved(cluster);
        Ok(number)
    }

    pub(crate) fn master_of(&self, number: usize) -> &Member {
        &self.masters[number - 1]
    }

    /// Kills all members at once, as a loss of power does.
    pub(crate) fn kill_all(&mut self) -> Result {
        kill_at_once(self.workers.iter_mut().chain(&mut self.masters))
    }

    /// Kills all members, except those that have already ended.
    pub(crate) fn end_all_anyhow(&mut self) {
        self.workers.iter_mut().chain(&mut self.masters).for_each(Member::end_anyhow);
    }

    /// Returns the folder in which crash points of these members are armed.
    pub(crate) fn points(&self, who: Who) -> PathBuf {
        match who {
            Who::Master(number) => self.path(&format!("data/m{number}.crash")),
            Who::Workers => self.path("data/workers.crash"),
        }
    }

    /// Waits until the member with this process id ends, and returns the signal that killed it.
    pub(crate) fn signal_of(&mut self, pid: u32) -> Result<Option<i32>> {
        let mut members = self.workers.iter_mut().chain(&mut self.masters);
        let member = members.find(|member| member.pid() == pid).ok_or("no member has this pid")?;
        member.ended("who was struck is gone")?;
        Ok(member.process.wait()?.signal())
    }

    /// Waits for a worker that leaves by itself, and returns its exit code.
    pub(crate) fn left(&mut self, number: usize) -> Result<Option<i32>> {
        self.workers[number - 1].ended("the worker leaves by itself")
    }

    pub(crate) fn lives(&self, number: usize) -> bool {
        lives(self.worker(number).pid())
    }

    /// Asks all members to end, workers first, and waits until they have ended.
    pub(crate) fn end(&mut self) -> Result {
        for member in self.workers.iter_mut().chain(&mut self.masters) {
            if lives(member.pid()) {
                send("TERM", member.pid())?;
                assert_eq!(member.ended("it ends when it is asked to")?, Some(0));
            }
        }
        Ok(())
    }
}

fn kill_at_once<'m>(members: impl Iterator<Item = &'m mut Member>) -> Result {
    let mut members: Vec<_> = members.collect();
    let pids: Vec<u32> = members.iter().map(|member| member.pid()).collect();
    send_all("KILL", &pids)?;
    for member in &mut members {
        assert_eq!(member.ended("all who were killed are gone")?, None);
    }
    Ok(())
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end_all_anyhow();
    }
}
