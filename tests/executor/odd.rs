//! A misbehaving job, controlled by its input; this test process is its executor.

use std::fs;
use std::path::Path;
use std::process::Command;

use gristmill::frame::EXECUTOR_ARG;
use gristmill::model::{InputSpec, JobSpec, Location};
use gristmill::prelude::*;
use gristmill::record::value;

use crate::worker::{Executor, Job, Result as TestResult};

/// Variable that is set in the process that serves as an executor.
const AS_EXECUTOR: &str = "GRISTMILL_TEST_AS_EXECUTOR";

#[derive(Args, Serialize, Deserialize)]
struct Odd {}

/// Side output of the lines that hang or write a side output.
const SEEN: Side<TextLines> = Side::new("seen");

/// Line number of the panic.
pub(crate) const PANIC_LINE: u32 = line!() + 11;

impl gristmill::job::Job for Odd {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    #[expect(clippy::panic, reason = "this is the panic that must be reported")]
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        match line.as_bytes() {
            b"panic" => panic!("no luck"),
            b"fail" => Err("no good".into()),
            b"hang" => {
                out.side(SEEN)?.write(line)?;
                loop {
                    std::thread::park();
                }
            }
            b"aside" => {
                out.side(SEEN)?.write(line)?;
                out.emit(line, 1)
            }
            _ => out.emit(line, 1),
        }
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, line: &Text, n: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((line, n.sum()?))
    }
}

#[test]
fn runs_as_an_executor() {
    // In an ordinary test run there is nothing to test here.
    if std::env::var_os(AS_EXECUTOR).is_some() {
        gristmill::launch_from::<Odd>(["odd", EXECUTOR_ARG]);
    }
}

/// Starts a process that runs attempts of the odd job.
pub(crate) fn executor() -> TestResult<Executor> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["odd::runs_as_an_executor", "--exact", "--nocapture"]).env(AS_EXECUTOR, "1");
    let mut executor = Executor::start(command.stdout(std::process::Stdio::null()))?;
    executor.connection.greet_executor()?;
    Ok(executor)
}

/// Returns the odd job on this input, with its output below `folder`.
pub(crate) fn job(folder: &Path, input: &str) -> TestResult<Job> {
    let path = folder.join("in");
    fs::write(&path, input)?;
    let mut bytes = Vec::new();
    value::encode_into(&Odd {}, &mut bytes)?;
    Job::new(JobSpec {
        name: "odd".into(),
        inputs: vec![InputSpec { source: 0, location: Location::from(&path) }],
        output: Some(Location::from(&folder.join("out"))),
        overwrite: false,
        reducers: Some(1),
        split_bytes: None,
        memory_bytes: 16 << 20,
        memory_is_given: false,
        max_bad_records: 0,
        umask: 0o022,
        sync: false,
        side_files: Vec::new(),
        job: bytes,
        invocation: Default::default(),
    })
}
