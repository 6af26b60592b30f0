//! How attempts and executors fail, and what they leave behind.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use gristmill::frame::{Done, EXECUTOR_ARG, FromExecutor, ToExecutor, VERSION, Work};
use gristmill::model::{Cause, Counters, TaskKind};

use crate::executables::executables;
use crate::odd::{self, PANIC_LINE};
use crate::until::until;
use crate::worker::{Executor, Result, names, segments};

const STAGING: &str = ".out.gristmill-00000000000000000000000000000abc.job";

/// How long a process may outlive its worker's socket.
const GONE_WITHIN: Duration = Duration::from_secs(1);

#[test]
fn panic_is_reported_with_line_and_record_and_the_executor_survives() -> Result {
    let folder = tempfile::tempdir()?;
    let mut executor = odd::executor()?;
    let job = odd::job(folder.path(), "good\npanic\n")?;
    let (plan, ..) = job.plan(&mut executor)?;
    let map = |plan: &std::path::Path| Work::Map { plan: plan.into(), joined: Vec::new() };
    let failure = executor.run(job.attempt(TaskKind::Map, 0, map(&plan))?)?.unwrap_err();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::Panic, "no luck"));
    assert_eq!(failure.at, Some(format!("tests/executor/odd.rs:{PANIC_LINE}")));
    let record = failure.record.ok_or("no record")?;
    assert_eq!((record.offset, record.excerpt.as_slice()), (5, &b"panic"[..]));
    // The attempt has left nothing behind.
    assert_eq!(names(&folder.path().join(STAGING).join("attempts"))?, [""; 0]);

    let folder = tempfile::tempdir()?;
    let job = odd::job(folder.path(), "fail\n")?;
    let (plan, ..) = job.plan(&mut executor)?;
    let failure = executor.run(job.attempt(TaskKind::Map, 0, map(&plan))?)?.unwrap_err();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::UserError, "no good"));

    let folder = tempfile::tempdir()?;
    let job = odd::job(folder.path(), "good\ngood\n")?;
    assert_eq!(job.whole(&mut executor)?, (1, 7));
    assert_eq!(fs::read(folder.path().join("out/part-00000.tsv"))?, b"good\t2\n");
    Ok(())
}

#[test]
fn leftovers_of_a_killed_attempt_are_swept_for_good() -> Result {
    let folder = tempfile::tempdir()?;
    let job = odd::job(folder.path(), "good\nhang\n")?;
    let mut executor = odd::executor()?;
    let (plan, ..) = job.plan(&mut executor)?;
    let hanging = job.attempt(
        TaskKind::Map,
        0,
        Work::Map { plan: plan.as_path().into(), joined: Vec::new() },
    )?;
    executor.connection.send(&ToExecutor::Run(Box::new(hanging.clone())))?;
    assert!(matches!(executor.connection.receive()?, Some(FromExecutor::Begun { .. })));
    // The attempt writes a side output before it hangs.
    let asked = executor.connection.receive::<FromExecutor>()?;
    assert_eq!(asked, Some(FromExecutor::Wants { maps: 1 }));
    let told = executor.connection.receive::<FromExecutor>()?;
    assert!(matches!(told, Some(FromExecutor::Progress { total: 10, .. })), "{told:?}");
    let attempts = folder.path().join(STAGING).join("attempts");
    until("its folder is there", || Ok(names(&attempts)? == ["m00000-1"]))?;
    executor.child.kill()?;
    executor.child.wait()?;
    assert_eq!(names(&attempts)?, ["m00000-1"]);

    let mut other = odd::executor()?;
    for _ in 0..2 {
        let swept = other.run(job.attempt(TaskKind::Commit, 0, Work::Sweep)?)?;
        assert_eq!(swept, Ok(Done::Sweep));
        assert_eq!(names(folder.path())?, ["in"]);
    }
    let failure = other.run(hanging)?.unwrap_err();
    assert!(failure.message.starts_with("not shared: "), "{failure:?}");
    assert!(failure.message.contains(STAGING), "{failure:?}");
    assert_eq!(names(folder.path())?, ["in"]);
    Ok(())
}

#[test]
fn executor_ends_soon_after_its_socket_closes_whatever_it_does() -> Result {
    for input in ["", "hang\n"] {
        let folder = tempfile::tempdir()?;
        let job = odd::job(folder.path(), input)?;
        let mut executor = odd::executor()?;
        let (plan, ..) = job.plan(&mut executor)?;
        if !input.is_empty() {
            let hanging =
                job.attempt(TaskKind::Map, 0, Work::Map { plan: plan.into(), joined: Vec::new() })?;
            executor.connection.send(&ToExecutor::Run(Box::new(hanging)))?;
            assert!(matches!(executor.connection.receive()?, Some(FromExecutor::Begun { .. })));
            assert_eq!(executor.connection.receive()?, Some(FromExecutor::Wants { maps: 1 }));
        }
        executor.connection.stream().shutdown(std::net::Shutdown::Both)?;
        let (gone, ended) = channel();
        let waited = std::thread::spawn(move || {
            let status = executor.child.wait();
            // The receiver is gone if the process took too long; the assertion below reports that.
            let _heard_or_not = gone.send(status.is_ok());
        });
        assert_eq!(ended.recv_timeout(GONE_WITHIN), Ok(true), "{input:?}");
        assert!(waited.join().is_ok());
    }
    Ok(())
}

#[test]
fn worker_of_another_version_is_refused_and_both_are_named() -> Result {
    let mut command = Command::new(executables().join("wordcount"));
    let mut executor = Executor::start(command.arg(EXECUTOR_ARG).stderr(Stdio::piped()))?;
    executor.connection.send(&ToExecutor::Hello { version: 99 })?;
    let answer = executor.connection.receive::<FromExecutor>()?;
    assert_eq!(answer, Some(FromExecutor::Hello { version: VERSION }));
    assert_eq!(executor.child.wait()?.code(), Some(2));
    let mut said = String::new();
    let stderr = executor.child.stderr.as_mut().ok_or("no standard error")?;
    std::io::Read::read_to_string(stderr, &mut said)?;
    let both = format!(
        "the worker uses version 99 of the executor's protocol, but this executor uses version {VERSION}"
    );
    assert!(said.starts_with(&format!("error: {both}")), "{said}");
    Ok(())
}

#[test]
fn executor_mode_requires_a_worker() -> Result {
    let typed = Command::new(executables().join("wordcount"))
        .arg(EXECUTOR_ARG)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&typed.stderr);
    assert_eq!(typed.status.code(), Some(2));
    assert!(said.starts_with("error: standard input is not a socket\nhint: "), "{said}");
    Ok(())
}

#[test]
fn reduce_names_the_map_whose_output_is_damaged() -> Result {
    let folder = tempfile::tempdir()?;
    let mut job = odd::job(folder.path(), &"some words\n".repeat(500))?;
    job.spec.split_bytes = Some(1024);
    let mut executor = odd::executor()?;
    let (plan, splits, _) = job.plan(&mut executor)?;
    let (outputs, _) = job.map(&mut executor, &plan, splits, &mut Counters::new())?;
    let segments = segments(&outputs, 0)?;
    let damaged = &segments[3].place;
    let mut bytes = fs::read(&damaged.path)?;
    bytes[(damaged.info.offset + damaged.info.stored_bytes) as usize - 1] ^= 1;
    fs::write(&damaged.path, bytes)?;
    let failure = executor.run(job.attempt(
        TaskKind::Reduce,
        0,
        Work::Reduce { plan: plan.into(), maps: segments },
    )?)?;
    let failure = failure.unwrap_err();
    assert_eq!(failure.cause, Cause::FetchFailed);
    assert!(failure.message.starts_with("output of j7/m3 cannot be read: "), "{failure:?}");
    Ok(())
}
