//! The kinds of jobs in the soak test: what each runs, how it must end, and the output that it must have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::commands::{Commands, Result};
use crate::dev::Dev;
use crate::examples::example;
use crate::slow_words;

/// Templates of inputs. The first one lies beside the folder `given`, where other tests expect it.
const WORDS: &str = "in.txt";
const ODD: &str = "odd.txt";
const RECORDS: &str = "records.bin";
const USERS: &str = "users.tsv";
const ORDERS: &str = "orders.jsonl";
/// Folder of the other templates.
const GIVEN: &str = "given";
/// Folder of the executables.
const EXECUTABLES: &str = "bin";
/// Folder of the outputs of runs without a cluster.
const ALONE: &str = "alone";
/// Folder of the files that jobs leave as marks of what they did, beside their inputs.
pub(crate) const MARKS: &str = "marks";
/// Records to sort, and users and orders to join.
const RECORDS_SORTED: u64 = 3_000;
const USERS_JOINED: u64 = 300;
const ORDERS_JOINED: u64 = 2_000;
/// Threads of a run without a cluster. There are many, since a slow job mostly waits.
const THREADS: &str = "16";

/// A kind of job.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    executable: Executable,
    /// Names of its inputs; the flags name them too.
    pub(crate) inputs: &'static [&'static str],
    flags: &'static str,
    /// Flags that make its code misbehave, in the soak only.
    trouble: &'static str,
    pub(crate) must: Must,
    /// Whether the output folder holds an old output, which the job replaces.
    pub(crate) overwrites: bool,
}

/// How a job must end unless it is killed, its output is taken or its input is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    Succeed,
    /// Fail, with an error that contains this text.
    Fail(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executable {
    SlowWords,
    WordCount,
    TeraSort,
    JoinOrders,
    FindLines,
    Odd,
}

const fn counts(name: &'static str, executable: Executable, flags: &'static str) -> Kind {
    let (inputs, must) = (&[WORDS] as &[_], Must::Succeed);
    Kind { name, executable, inputs, flags, trouble: "", must, overwrites: false }
}

const fn odd(name: &'static str, trouble: &'static str, must: Must) -> Kind {
    let (executable, inputs) = (Executable::Odd, &[ODD] as &[_]);
    let flags = "odd.txt --split-size 16KiB -r 3";
    Kind { name, executable, inputs, flags, trouble, must, overwrites: false }
}

/// All kinds.
pub(crate) const KINDS: &[Kind] = &[
    counts(
        "slow words",
        Executable::SlowWords,
        "in.txt --split-size 8KiB -r 4 --line-ms 1 --word-ms 5",
    ),
    counts(
        "slow words, one map an attempt",
        Executable::SlowWords,
        "in.txt --split-size 16KiB -r 2 --line-ms 2 --word-ms 5 --max-bad-records 1",
    ),
    counts("word count", Executable::WordCount, "in.txt --split-size 16KiB -r 5"),
    Kind {
        overwrites: true,
        ..counts("overwrite", Executable::WordCount, "in.txt --split-size 32KiB -r 2 --overwrite")
    },
    counts("find lines", Executable::FindLines, "in.txt --split-size 16KiB -e word-7"),
    Kind {
        inputs: &[RECORDS],
        ..counts("sort", Executable::TeraSort, "records.bin --split-size 32KiB -r 3")
    },
    Kind {
        inputs: &[USERS, ORDERS],
        ..counts(
            "join",
            Executable::JoinOrders,
            "users=users.tsv orders=orders.jsonl --split-size 16KiB -r 3",
        )
    },
    odd("lines", "", Must::Succeed),
    odd("prints", "--trouble say", Must::Succeed),
    odd("starts a process", "--trouble fork", Must::Succeed),
    odd("starts a daemon", "--trouble escape", Must::Succeed),
    odd("exits once", "--trouble exit3 --times 1", Must::Succeed),
    odd("aborts once", "--trouble abort --times 1", Must::Succeed),
    odd("panics once", "--trouble panic --times 1", Must::Succeed),
    odd("panics always", "--trouble panic", Must::Fail("no luck")),
    odd("exits always", "--trouble exit0", Must::Fail("exit")),
    odd("huge error", "--trouble refuse-at-length", Must::Fail("no no no")),
    odd("huge panic", "--trouble panic-at-length", Must::Fail("oh oh oh")),
];

/// Mixes the bits of a number, so that the results look random.
fn mixed(number: u64) -> u64 {
    gristmill::record::hash::hash(&number.to_le_bytes())
}

/// Writes the templates of all inputs.
pub(crate) fn write_inputs(commands: &Commands) -> Result {
    let lines = slow_words::input();
    let at = lines[..lines.len() / 2].rfind('\n').map_or(0, |at| at + 1);
    let (before, after) = lines.split_at(at);
    let record = |number: u64| format!("{:010}{:089}\n", mixed(number) % 1_000, number);
    let user = |number: u64| format!("u{number}\tname {}\n", mixed(number));
    let order = |number: u64| {
        let user = mixed(number) % (USERS_JOINED * 11 / 10);
        format!("{{\"user\":\"u{user}\",\"item\":\"item {number}\",\"cents\":{number}}}\n")
    };
    fs::create_dir(commands.path(ALONE))?;
    fs::create_dir(commands.path(GIVEN))?;
    let write = |name: &str, text: String| fs::write(template(commands, name), text);
    write(ODD, format!("{before}trouble\n{after}"))?;
    write(RECORDS, (0..RECORDS_SORTED).map(record).collect())?;
    write(USERS, (0..USERS_JOINED).map(user).collect())?;
    write(ORDERS, (0..ORDERS_JOINED).map(order).collect())?;
    Ok(write(WORDS, lines)?)
}

/// Returns the path of an input's template.
pub(crate) fn template(commands: &Commands, input: &str) -> PathBuf {
    if input == WORDS {
        return commands.path(WORDS);
    }
    commands.path(GIVEN).join(input)
}

/// Names in the folder of a soak that remain at its end.
pub(crate) const MADE: &[&str] = &[ALONE, EXECUTABLES, GIVEN];

/// Builds all executables, if needed.
pub(crate) fn build() {
    KINDS.iter().for_each(|kind| drop(kind.executable.built()));
}

/// Copies all executables without their symbols, because they are uploaded many times.
pub(crate) fn strip(commands: &Commands) -> Result {
    fs::create_dir(commands.path(EXECUTABLES))?;
    for kind in KINDS {
        let stripped = kind.path(commands);
        if !stripped.exists() {
            let status = Command::new("strip")
                .arg("-o")
                .args([&stripped, &kind.executable.built().into()])
                .status()?;
            assert!(status.success(), "strip: {status}");
        }
    }
    Ok(())
}

impl Executable {
    /// Returns the path of the executable, and builds it if needed.
    fn built(self) -> String {
        match self {
            Self::SlowWords => slow_words::executable(),
            Self::WordCount => Dev::job("wordcount"),
            Self::TeraSort => Dev::job("terasort"),
            Self::JoinOrders => Dev::job("join-orders"),
            Self::FindLines => Dev::job("find-lines"),
            Self::Odd => example("odd"),
        }
    }
}

impl Kind {
    fn path(&self, commands: &Commands) -> PathBuf {
        commands.path(EXECUTABLES).join(format!("{:?}", self.executable))
    }

    /// Returns the folder of the output of a run without a cluster.
    pub(crate) fn alone(&self) -> String {
        format!("{ALONE}/{}", self.name.replace([' ', ','], "-"))
    }

    /// Runs the job on the templates, without a cluster and without trouble.
    pub(crate) fn run_alone(&self, commands: &Commands) -> Result {
        if self.must != Must::Succeed {
            return Ok(());
        }
        let folder = format!("{ALONE}-inputs");
        fs::create_dir(commands.path(&folder))?;
        for input in self.inputs {
            fs::copy(template(commands, input), commands.path(&folder).join(input))?;
        }
        self.run_in(commands, &folder, &self.alone())?;
        Ok(fs::remove_dir_all(commands.path(&folder))?)
    }

    /// Runs the job on the inputs in a folder, without a cluster and without trouble.
    pub(crate) fn run_in(&self, commands: &Commands, folder: &str, output: &str) -> Result {
        let folder = commands.path(folder);
        fs::create_dir_all(folder.join(MARKS))?;
        let ended = Command::new(self.path(commands))
            .args(self.flags.split_whitespace())
            .args(self.marks(&folder))
            .args(["--threads", THREADS, "-q", "-o"])
            .arg(commands.path(output))
            .current_dir(folder)
            .output()?;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{}: {}: {said}", self.name, ended.status);
        Ok(())
    }

    /// Returns the flag that names the folder of the marks, if the job has one.
    fn marks(&self, folder: &Path) -> Vec<String> {
        match self.executable {
            Executable::Odd => vec!["--marks".into(), folder.join(MARKS).display().to_string()],
            _ => Vec::new(),
        }
    }

    /// Returns the executable and its arguments, for `gristmill submit` in the folder of the inputs.
    pub(crate) fn command(&self, commands: &Commands, folder: &Path) -> Vec<String> {
        let flags = format!("{} {} -o out", self.flags, self.trouble);
        let mut command = vec![self.path(commands).display().to_string()];
        command.extend(flags.split_whitespace().map(String::from));
        command.extend(self.marks(folder));
        command
    }
}
