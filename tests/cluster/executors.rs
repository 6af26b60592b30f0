//! Executors that crash, hang, print too much or use too much memory: the job reports it, or succeeds in spite of it.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::commands::{Commands, GRISTMILL, Result};
use crate::dev::{lives, send};
use crate::fleet::Fleet;
use crate::leftovers::{check_nothing_is_left, children};
use crate::odd::{Odd, Report, check_workers_are_clean};
use crate::trial::counted;
use crate::until::until;

/// About ten maps. The third one has the line that causes trouble.
const FLAGS: &str = "in.txt --split-size 1KiB -r 2";

/// The most that is kept of an attempt's output: its first and last 64 KiB, and a line that says so.
const LOG_BYTES_MAX: u64 = (128 << 10) + 100;

/// Kinds of trouble that each leave a process behind.
const CHILDREN: [&str; 4] = ["fork", "escape", "daemon", "closed-daemon"];

/// Flags for trouble that leaves four processes behind, once.
const LEAVES_FOUR: &str = "--trouble fork,escape,daemon,closed-daemon,hang --times 1";

/// One kind of misbehaviour.
struct Case {
    /// The misbehaviour, as the job's flag names it.
    trouble: &'static str,
    /// The cause of the attempts that fail because of it.
    cause: &'static str,
    /// Number of attempts after which the job fails.
    attempts: usize,
    /// How the first error message of `submit` reads.
    said: String,
    /// Text that the message's details contain.
    detail: &'static str,
    /// More flags of `submit`.
    options: &'static str,
}

/// Writes the input, with one line that causes trouble.
fn write_input(commands: &Commands) -> Result {
    let line = |number: usize| match number {
        150 => "trouble\n".to_owned(),
        _ => format!("the {} and the other\n", number % 100),
    };
    Ok(fs::write(commands.path("in.txt"), (0..500).map(line).collect::<String>())?)
}

impl Case {
    /// Checks that the job fails if this happens again and again, and succeeds if it happens once.
    fn check(&self, fleet: &Fleet) -> Result {
        let trouble = format!("--trouble {}", self.trouble);
        let always = Odd::new(FLAGS).with_options(self.options).with_trouble(&trouble);
        let report = always.run(fleet)?;
        self.check_blame(fleet, &report)?;
        self.check_struck(&report, self.attempts);
        assert_eq!(always.strikes(fleet)?, self.attempts);
        let children = self.trouble.split(',').filter(|it| CHILDREN.contains(it)).count();
        assert_eq!(always.children(fleet)?.len(), children * self.attempts);
        check_dead(&always, fleet)?;
        always.check_failed(fleet, &report)?;

        let once = always.with_trouble("--times 1");
        let report = once.run(fleet)?;
        self.check_struck(&report, 1);
        // While the worker pauses, tasks wait for the other one. They may move back before they begin.
        let moved = report.attempts.all(|attempt| attempt.state == "killed" && attempt.pid == 0);
        let rerun = counted(fleet, &report.job, "attempts_rerun")?;
        let expected = 1 + u64::try_from(moved.len())?;
        assert_eq!(rerun, expected, "{}: {:?}", self.trouble, report.attempts);
        assert_eq!(once.strikes(fleet)?, 1);
        check_dead(&once, fleet)?;
        once.check_succeeded(fleet, &report)?;
        check_workers_are_clean(fleet)
    }

    /// Checks that one map has failed this many times for this cause, and that nothing else has failed.
    fn check_struck(&self, report: &Report, times: usize) {
        let failed = report.failed();
        assert_eq!(failed.len(), times, "{failed:?}");
        for attempt in &failed {
            assert_eq!((attempt.kind.as_str(), &attempt.task), ("map", &failed[0].task));
            assert_eq!(attempt.cause, self.cause);
        }
    }

    fn check_blame(&self, fleet: &Fleet, report: &Report) -> Result {
        let said = &report.ended.stderr;
        let error = said.lines().position(|line| line.starts_with("error: "));
        let lines: Vec<&str> = said.lines().skip(error.ok_or(said.as_str())?).collect();
        assert!(lines[0].contains(&self.said), "{}: {said}", self.trouble);
        assert!(lines[1..].join("\n").contains(self.detail), "{}: {said}", self.trouble);
        let attempt = report.attempts.at(&report.failed()[0].task).len();
        let last = format!("#{attempt} ({})", self.cause);
        assert!(lines[1..].iter().any(|line| line.contains(&last)), "{last}: {said}");
        let why = fleet.json(&["why", &report.job])?;
        // For advice, an error on a record counts as a bad record.
        let kind = if self.cause == "user_error" { "bad_record" } else { self.cause };
        assert_eq!(why["kind"], kind, "{why}");
        Ok(())
    }
}

/// Checks that the processes that the job has started are dead.
fn check_dead(odd: &Odd, fleet: &Fleet) -> Result {
    for child in odd.children(fleet)? {
        until("what an executor has started dies with it", || Ok(!lives(child)))?;
    }
    Ok(())
}

/// Returns the place in the source where the job panics.
fn panic_place() -> String {
    let text = include_str!("../jobs/odd.rs");
    let line = text.lines().position(|line| line.contains("panic!(\"no luck\")"));
    format!("tests/jobs/odd.rs:{}: panicked: no luck", line.map_or(0, |line| line + 1))
}

/// Checks that nothing is left of the fleet, its jobs and the control groups of its executors.
fn check_no_trace(fleet: Fleet) -> Result {
    let pids: Vec<u32> = fleet.numbers().map(|number| fleet.worker(number).pid()).collect();
    check_nothing_is_left(fleet, &[])?;
    for pid in pids {
        let name = format!("gristmill-{pid}-*");
        let found = Command::new("find").args(["/sys/fs/cgroup", "-name", &name]).output()?;
        assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    }
    Ok(())
}

/// A case in which the executor exits.
fn exit(trouble: &'static str, said: &str) -> Case {
    let said = said.into();
    Case { trouble, cause: "exit", attempts: 4, said, detail: "attempt: ", options: "" }
}

/// A case in which the executor exits and leaves processes, some of them outside its process group.
fn exit_with_children() -> Case {
    exit(
        "fork,escape,daemon,closed-daemon,exit3",
        "the executor exited with code 3 before the attempt ended",
    )
}

fn signal(trouble: &'static str, said: &str) -> Case {
    Case { cause: "signal", ..exit(trouble, said) }
}

fn hang(trouble: &'static str) -> Case {
    let options = "--task-timeout 2s --max-attempts 2";
    let said = "no progress for 2000 ms; the attempt was killed";
    Case { cause: "timeout", attempts: 2, options, ..exit(trouble, said) }
}

/// A case in which the executor uses more memory than it may, in addition to that of its children.
fn eat() -> Case {
    // The second time, on another worker, is enough to fail the job.
    let case =
        exit("fork,escape,eat", "the executor was killed for using too much memory: it used ");
    Case { cause: "memory", attempts: 2, ..case }
}

#[test]
fn executors_that_die_fail_their_job_with_the_cause_or_cost_one_attempt() -> Result {
    let fleet = Fleet::start(2, 1)?;
    write_input(&fleet)?;
    let cases = [
        // Two failures on the same record are enough to fail the job.
        Case {
            cause: "panic",
            attempts: 2,
            detail: "record: `trouble`",
            ..exit("panic", &panic_place())
        },
        // An error text of any length does not harm a worker.
        Case {
            cause: "user_error",
            attempts: 2,
            detail: "record: `trouble`",
            ..exit("refuse-at-length", ": no no no no ")
        },
        Case { cause: "panic", attempts: 2, ..exit("panic-at-length", ": panicked: oh oh oh oh ") },
        exit("exit0", "the executor exited with code 0 before the attempt ended"),
        exit("exit3", "the executor exited with code 3 before the attempt ended"),
        signal("segfault", "the executor died of SIGSEGV (signal 11)"),
        signal("abort", "the executor died of SIGABRT (signal 6)"),
        exit_with_children(),
        hang("hang"),
        hang("deafen,fork,escape,daemon,hang"),
    ];
    for case in &cases {
        case.check(&fleet)?;
    }
    check_no_trace(fleet)
}

#[test]
fn user_code_may_change_the_working_folder() -> Result {
    let fleet = Fleet::start(1, 1)?;
    write_input(&fleet)?;
    // The line is in the third map. The maps after it and the reduces run in the same executor.
    let odd = Odd::new(FLAGS).with_trouble("--trouble wander --times 1");
    let report = odd.run(&fleet)?;
    assert_eq!(odd.strikes(&fleet)?, 1);
    odd.check_succeeded(&fleet, &report)?;
    assert_eq!(counted(&fleet, &report.job, "attempts_rerun")?, 0);
    check_no_trace(fleet)
}

#[test]
fn an_executor_that_eats_memory_is_killed_and_the_limit_named() -> Result {
    let fleet = Fleet::start_with(2, 1, &["--memory", "96MiB"])?;
    write_input(&fleet)?;
    let limited = Odd::new(FLAGS).with_trouble("--trouble eat");
    let report = limited.run(&fleet)?;
    assert!(
        report.ended.stderr.contains(", but an attempt may use at most 96MiB"),
        "{}",
        report.ended.stderr
    );
    limited.check_failed(&fleet, &report)?;
    eat().check(&fleet)?;
    check_no_trace(fleet)
}

#[test]
fn without_control_groups_memory_is_limited_all_the_same_and_no_child_survives() -> Result {
    let mut fleet = Fleet::start_with(0, 1, &["--memory", "96MiB"])?;
    for _ in 0..2 {
        fleet.add_worker_with_mounts("mount -t tmpfs none /sys/fs/cgroup")?;
    }
    let workers = fleet.json(&["workers"])?;
    let limiters = workers.as_array().ok_or("no list")?.iter().map(|worker| &worker["limiter"]);
    assert_eq!(limiters.collect::<Vec<_>>(), ["sampled"; 2]);
    write_input(&fleet)?;
    eat().check(&fleet)?;
    exit_with_children().check(&fleet)?;
    check_no_trace(fleet)
}

#[test]
fn a_job_that_prints_without_end_fills_no_disk_and_leaves_no_child() -> Result {
    let fleet = Fleet::start(2, 1)?;
    write_input(&fleet)?;
    let odd = Odd::new(FLAGS).with_trouble("--trouble fork,escape,print --times 1");
    let report = odd.run(&fleet)?;
    assert_eq!(odd.strikes(&fleet)?, 1);
    assert_eq!(counted(&fleet, &report.job, "attempts_rerun")?, 0);
    assert_eq!(odd.children(&fleet)?.len(), 2);
    check_dead(&odd, &fleet)?;

    let mut logged = 0;
    for number in fleet.numbers() {
        for entry in fs::read_dir(fleet.data(number).join("logs"))? {
            let bytes = entry?.metadata()?.len();
            assert!(bytes < LOG_BYTES_MAX, "a log of {bytes} bytes");
            logged += bytes;
        }
    }
    assert!(logged > LOG_BYTES_MAX / 2, "it has printed: {logged}");
    let logs = fleet.run(&["logs", &report.job])?;
    assert_eq!(logs.code, Some(0), "{}", logs.stderr);
    for said in ["the first line\n", "bytes left out here]\n", "the last line\n"] {
        assert!(logs.stdout.contains(said), "{said}");
    }
    assert_eq!(
        logs.stdout.matches("==> ").count(),
        1,
        "attempts that printed nothing are left out"
    );
    assert!((logs.stdout.len() as u64) < 2 * LOG_BYTES_MAX);
    odd.check_succeeded(&fleet, &report)?;
    check_no_trace(fleet)
}

/// Checks that the children of an executor die when its worker is killed, before any worker restarts.
fn check_killed_worker(mut fleet: Fleet) -> Result {
    write_input(&fleet)?;
    let odd = Odd::new(FLAGS).with_trouble(LEAVES_FOUR);
    let job = odd.submit(&fleet)?;
    until("the executor has children", || Ok(odd.children(&fleet)?.len() == 4))?;
    fleet.kill(1)?;
    check_dead(&odd, &fleet)?;
    fleet.start_again(1)?;
    let report = odd.watch(&fleet, &job)?;
    assert!(report.failed().is_empty(), "{:?}", report.failed());
    let lost = report.attempts.lost();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0].cause, "worker_lost");
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

/// The children of an executor die when its supervisor is killed, and the task runs again.
#[test]
fn killed_supervisor_leaves_no_process_without_control_groups() -> Result {
    let mut fleet = Fleet::start(0, 1)?;
    fleet.add_worker_with_mounts("mount -t tmpfs none /sys/fs/cgroup")?;
    write_input(&fleet)?;
    let odd = Odd::new(FLAGS).with_trouble(LEAVES_FOUR);
    let job = odd.submit(&fleet)?;
    until("the executor has children", || Ok(odd.children(&fleet)?.len() == 4))?;
    let supervisors = children(fleet.worker(1).pid())?;
    assert_eq!(supervisors.len(), 1);
    let executors = children(supervisors[0])?;
    send("KILL", supervisors[0])?;
    check_dead(&odd, &fleet)?;
    for executor in executors {
        until("the executor dies with its supervisor", || Ok(!lives(executor)))?;
    }
    let report = odd.watch(&fleet, &job)?;
    let causes: Vec<_> = report.failed().iter().map(|it| it.cause.clone()).collect();
    assert_eq!(causes, ["signal"]);
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn signal_to_the_process_group_spares_the_supervisor() -> Result {
    let fleet = Fleet::start(1, 1)?;
    write_input(&fleet)?;
    let odd = Odd::new(FLAGS).with_trouble("--trouble deafen,term-group,daemon --times 1");
    let report = odd.run(&fleet)?;
    assert!(report.failed().is_empty(), "{:?}", report.failed());
    check_dead(&odd, &fleet)?;
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn temporary_folder_of_a_killed_worker_is_removed_by_the_next_one() -> Result {
    let fleet = Fleet::start(0, 1)?;
    fs::write(fleet.path("in.txt"), "")?;
    let temporary = fleet.path("data/temporary");
    fs::create_dir_all(&temporary)?;
    let start = |data: &[&str]| {
        let mut command = Command::new(GRISTMILL);
        command.args(["worker", "--cluster", &fleet.cluster(), "--slots", "1"]).args(data);
        command.args(["--parent", &std::process::id().to_string()]);
        command.env("TMPDIR", &temporary).current_dir(fleet.path("data"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()
    };
    let kill = |mut worker: Child| worker.kill().and_then(|()| worker.wait());
    let locks = || -> Result<Vec<_>> {
        let folders: std::io::Result<Vec<_>> = fs::read_dir(&temporary)?.collect();
        let locks = folders?.into_iter().map(|folder| folder.path().join("data/lock"));
        Ok(locks.filter(|lock| lock.exists()).collect())
    };
    let first = start(&[])?;
    until("the worker has a temporary folder", || Ok(locks()?.len() == 1))?;
    let lock = locks()?.remove(0);
    let second = start(&["--data", "other"])?;
    until("another one has its own", || Ok(fleet.path("data/other/lock").exists()))?;
    assert!(lock.exists(), "the folder of a living worker stays");
    kill(first)?;
    let third = start(&[])?;
    until("the next one removes it", || Ok(!lock.exists() && locks()?.len() == 1))?;
    kill(third)?;
    kill(second)?;
    let last = start(&["--data", "other"])?;
    until("so does one that has a folder", || Ok(fs::read_dir(&temporary)?.count() == 0))?;
    kill(last)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn what_an_executor_has_started_ends_when_its_worker_is_killed() -> Result {
    check_killed_worker(Fleet::start_with(1, 1, &["--memory", "96MiB"])?)
}

#[test]
fn without_control_groups_it_ends_then_too() -> Result {
    let mut fleet = Fleet::start(0, 1)?;
    fleet.add_worker_with_mounts("mount -t tmpfs none /sys/fs/cgroup")?;
    check_killed_worker(fleet)
}

#[test]
fn daemon_of_an_attempt_ends_with_it_though_its_executor_goes_on() -> Result {
    let mut fleet = Fleet::start(0, 1)?;
    fleet.add_worker_with_mounts("mount -t tmpfs none /sys/fs/cgroup")?;
    fs::write(fleet.path("in.txt"), "trouble\nhold gate\n")?;
    let odd = Odd::new("in.txt -r 1").with_trouble("--trouble daemon,fork");
    let job = odd.submit(&fleet)?;
    odd.waits(&fleet, "gate", 1)?;
    let alive = || -> Result<usize> {
        Ok(odd.children(&fleet)?.into_iter().filter(|&child| lives(child)).count())
    };
    // A process that user code still holds may serve the next attempt too, so it stays.
    until("the daemon is gone", || Ok(alive()? == 1))?;
    odd.open(&fleet, "gate")?;
    let report = odd.watch(&fleet, &job)?;
    until("all are gone with the executor", || Ok(alive()? == 0))?;
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}
