//! Counts lines, and misbehaves as its input and its flags request.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::ValueEnum;
use gristmill::prelude::*;
use gristmill::record::hash::hash;
use rustix::process::{
    Resource, Rlimit, Signal, getpid, getrlimit, kill_current_process_group, kill_process,
    setrlimit,
};

/// Number of checks for an awaited file before the job gives up, after a minute.
const LOOKS_MAX: u32 = 3_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much `print` prints, and how much memory `eat` allocates at most, in case a limit does not work.
const PRINTED_BYTES: usize = 256 << 20;
const EATEN_BYTES_MAX: usize = 1 << 30;
/// Bytes of a text that is longer than any message between a worker and its master may be.
const TEXT_BYTES: usize = 65 << 20;
/// Number of keys of a line `tag`.
const TAGS: u32 = 48;

/// Counts equal lines.
///
/// A line `trouble` makes the job misbehave. `wait NAME` waits in the map until a file exists, and `hold NAME` does so
/// in the reduce. `tag` becomes the keys `tag-0`, `tag-1`, …, all with the same random number.
#[derive(Args, Serialize, Deserialize)]
pub struct Odd {
    /// What a line `trouble` does, in this order
    #[arg(long, value_enum, value_delimiter = ',')]
    trouble: Vec<Misbehavior>,
    /// Limit on the times that it misbehaves
    #[arg(long, value_name = "N", default_value_t = u32::MAX)]
    times: u32,
    /// Folder of the awaited files, and of a mark for each time it misbehaves
    #[arg(long, value_name = "DIR", default_value = ".")]
    marks: PathBuf,
    /// Lines that are not counted
    #[arg(long, value_name = "FILE")]
    leave_out: Option<SideFile>,
    /// Words, kept in several collections
    #[arg(long, value_name = "WORDS", value_parser = bag, default_value = "")]
    bag: Bag,
    /// Makes trouble when the value of the job is dropped
    #[arg(long, value_enum)]
    last: Option<Misbehavior>,
    #[arg(skip)]
    #[serde(skip)]
    left_out: Vec<u8>,
}

/// Words in collections that each process serializes in another order, and a number that equals no other.
#[derive(Clone, Serialize, Deserialize)]
pub struct Bag {
    lengths: HashMap<String, usize>,
    words: HashSet<String>,
    sorted: BTreeMap<String, f64>,
    none: f64,
}

fn bag(text: &str) -> Result<Bag, String> {
    let words = || text.split_whitespace().map(String::from);
    Ok(Bag {
        lengths: words().map(|word| (word.clone(), word.len())).collect(),
        words: words().collect(),
        sorted: words().map(|word| (word, f64::NEG_INFINITY)).collect(),
        none: f64::NAN,
    })
}

impl Drop for Odd {
    fn drop(&mut self) {
        if let Some(trouble) = self.last {
            let _made_or_not = self.make(trouble);
        }
    }
}

/// How user code can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Misbehavior {
    /// Prints a line.
    Say,
    /// Refuses the record.
    Refuse,
    /// Refuses the record, with a text too long for any message.
    RefuseAtLength,
    /// Panics.
    Panic,
    /// Panics, with a text too long for any message.
    PanicAtLength,
    /// Exits with code 0.
    Exit0,
    /// Exits with code 3.
    Exit3,
    /// Starts a thread that exits with code 3 once the file `leave` exists.
    ExitLate,
    /// Dies of SIGSEGV.
    Segfault,
    /// Dies of SIGABRT.
    Abort,
    /// Ignores SIGTERM from now on.
    Deafen,
    /// Hangs.
    Hang,
    /// Prints almost endlessly.
    Print,
    /// Allocates and uses more and more memory.
    Eat,
    /// Starts a process.
    Fork,
    /// Starts a process that leaves the process group.
    Escape,
    /// Changes the working folder to one that it then removes.
    Wander,
    /// Starts a process with its own session, no parent, and no variable of this process's environment.
    Daemon,
    /// Starts such a process, which has also closed the descriptors that it inherits.
    ClosedDaemon,
    /// Sends SIGTERM to its process group.
    TermGroup,
    /// Exits with code 3 on another thread, and waits for it.
    ExitThread,
    /// Ends with code 0 and without the C library's hooks.
    Vanish,
    /// Becomes another program, which ends with code 0.
    Become,
    /// Exits with code 0, and runs only the hooks of `quick_exit`.
    QuickExit,
    /// Dies of SIGTRAP.
    Trap,
    /// Uses up its CPU time.
    Burn,
    /// Dies of SIGKILL.
    Kill,
    /// Overflows its stack.
    Overflow,
}

impl Job for Odd {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn setup(&mut self, _: &Task) -> Result {
        if let Some(file) = &self.leave_out {
            self.left_out = file.read()?;
        }
        Ok(())
    }

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        if self
            .left_out
            .split(|&byte| byte == b'\n')
            .any(|left| !left.is_empty() && left == line.as_bytes())
        {
            return Ok(());
        }
        match line.as_bytes() {
            b"trouble" if self.strikes()? => self.trouble.iter().try_for_each(|&t| self.make(t))?,
            b"tag" => {
                let random = hash(&fs::read("/proc/sys/kernel/random/uuid")?);
                let tag = |number: u32| out.emit(format!("tag-{number}").as_str().into(), random);
                return (0..TAGS).try_for_each(tag);
            }
            line => self.wait_for(b"wait ", line)?,
        }
        out.emit(line, 1)
    }

    fn reduce(&self, line: &Text, numbers: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        self.wait_for(b"hold ", line.as_bytes())?;
        if line.as_bytes().starts_with(b"tag-") {
            let numbers: Vec<String> = numbers.to_vec()?.iter().map(u64::to_string).collect();
            return out.write((line, numbers.join(" ").as_str()));
        }
        out.write((line, numbers.sum()?))
    }
}

impl Odd {
    /// Returns whether to misbehave now. A file records each time, even if several processes misbehave at once.
    fn strikes(&self) -> Result<bool> {
        for number in 1..=self.times {
            match File::create_new(self.marks.join(format!("struck-{number}"))) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Waits for the file named after these words, if the line begins with them.
    fn wait_for(&self, words: &[u8], line: &[u8]) -> Result {
        let Some(name) = line.strip_prefix(words) else { return Ok(()) };
        let name = String::from_utf8_lossy(name);
        let file = self.marks.join(name.as_ref());
        fs::write(self.marks.join(format!("waits-{name}-{}", std::process::id())), "")?;
        for _ in 0..LOOKS_MAX {
            if file.exists() {
                return Ok(());
            }
            pass(LOOK_EVERY);
        }
        Err(format!("nobody made {}", file.display()).into())
    }

    #[expect(clippy::panic, reason = "this is the panic that is to be reported")]
    fn make(&self, trouble: Misbehavior) -> Result {
        match trouble {
            Misbehavior::Say => println!("the last words"),
            Misbehavior::Refuse => return Err("not to my taste".into()),
            Misbehavior::RefuseAtLength => return Err("no ".repeat(TEXT_BYTES / 3).into()),
            Misbehavior::Panic => panic!("no luck"),
            Misbehavior::PanicAtLength => panic!("{}", "oh ".repeat(TEXT_BYTES / 3)),
            Misbehavior::Exit0 => std::process::exit(0),
            Misbehavior::Exit3 => std::process::exit(3),
            Misbehavior::ExitLate => {
                let leave = self.marks.join("leave");
                std::thread::spawn(move || {
                    for _ in 0..LOOKS_MAX {
                        if leave.exists() {
                            std::process::exit(3);
                        }
                        pass(LOOK_EVERY);
                    }
                });
            }
            Misbehavior::Abort => std::process::abort(),
            Misbehavior::Segfault => loop {
                // The first signal only removes the handler that Rust's runtime has installed.
                kill_process(getpid(), Signal::SEGV)?;
            },
            Misbehavior::Deafen => {
                signal_hook::flag::register(
                    signal_hook::consts::SIGTERM,
                    Arc::new(AtomicBool::new(false)),
                )?;
            }
            Misbehavior::Hang => loop {
                pass(Duration::from_secs(60));
            },
            Misbehavior::Print => print_much()?,
            Misbehavior::Eat => eat(),
            Misbehavior::Fork => self.start(Command::new("sleep").arg("600"))?,
            Misbehavior::Daemon => self.start_daemon("")?,
            Misbehavior::ClosedDaemon => self.start_daemon("<&- >&- 2>&-")?,
            Misbehavior::TermGroup => kill_current_process_group(Signal::TERM)?,
            Misbehavior::ExitThread => {
                drop(std::thread::spawn::<_, ()>(|| std::process::exit(3)).join())
            }
            Misbehavior::Vanish => signal_hook::low_level::exit(0),
            Misbehavior::Become => return Err(Command::new("true").exec().into()),
            Misbehavior::QuickExit => quick_exit_well(),
            Misbehavior::Trap => kill_process(getpid(), Signal::TRAP)?,
            Misbehavior::Burn => burn()?,
            Misbehavior::Kill => kill_process(getpid(), Signal::KILL)?,
            Misbehavior::Overflow => {
                std::hint::black_box(overflow(0));
            }
            Misbehavior::Escape => self.start(Command::new("setsid").args(["sleep", "600"]))?,
            Misbehavior::Wander => {
                let away = self.marks.join("away");
                fs::create_dir_all(&away)?;
                std::env::set_current_dir(&away)?;
                fs::remove_dir(&away)?;
            }
        }
        Ok(())
    }

    /// Starts a process that starts another one with these redirections and ends. Records the id of the other one.
    fn start_daemon(&self, redirections: &str) -> Result {
        let script = format!("sleep 600 {redirections} & : > \"$0/child-$!\"");
        let mut command = Command::new("env");
        command.args(["-i", "PATH=/usr/bin:/bin", "setsid", "sh", "-c", &script]);
        let status = command.arg(&self.marks).stdin(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{status}").into()) }
    }

    /// Starts a process, and records its id.
    fn start(&self, command: &mut Command) -> Result {
        let child = command.stdin(Stdio::null()).spawn()?;
        fs::write(self.marks.join(format!("child-{}", child.id())), "")?;
        Ok(())
    }
}

/// Sleeps for this time.
fn pass(time: Duration) {
    let (_never_sends, wait) = channel::<()>();
    let _passed = wait.recv_timeout(time);
}

fn print_much() -> Result {
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let mut out = std::io::stdout().lock();
    out.write_all(b"the first line\n")?;
    for _ in 0..PRINTED_BYTES / line.len() {
        out.write_all(&line)?;
    }
    out.write_all(b"the last line\n")?;
    Ok(out.flush()?)
}

/// Calls itself until the stack is used up.
#[expect(unconditional_recursion, reason = "that is how a stack overflows")]
fn overflow(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + here[0]
}

/// Calls a function of the C library that Rust's standard library does not have.
#[expect(unsafe_code, reason = "the function is declared here, as the C library has it")]
fn quick_exit_well() -> ! {
    // SAFETY: this is the C library's declaration of the function, which may be called at any time.
    unsafe extern "C" {
        safe fn quick_exit(code: i32) -> !;
    }
    quick_exit(0)
}

/// Lowers the limit of CPU time to one second, and computes on several threads until the limit is reached.
fn burn() -> Result {
    let limit = Rlimit { current: Some(1), ..getrlimit(Resource::Cpu) };
    setrlimit(Resource::Cpu, limit)?;
    let work = || {
        loop {
            std::hint::black_box(());
        }
    };
    (0..4).for_each(|_| drop(std::thread::spawn(work)));
    work()
}

fn eat() {
    const MOUTHFUL_BYTES: usize = 4 << 20;
    let mouthful = |_| std::hint::black_box(vec![1_u8; MOUTHFUL_BYTES]);
    let eaten: Vec<_> = (0..EATEN_BYTES_MAX / MOUTHFUL_BYTES).map(mouthful).collect();
    drop(eaten);
}

fn main() -> ExitCode {
    gristmill::launch::<Odd>()
}
