//! Compares the run times and memory of commands, each run as a separate process. The README's comparison with other programs comes from this benchmark.
//!
//! ```text
//! cargo bench --bench versus -- [-n RUNS] 'wordcount in.txt -o $OUT' 'wc_tuned in.txt $OUT' ...
//! ```
//!
//! Each command is run by `sh -c "exec …"`. `$OUT` is a path on tmpfs that is removed before each run. In each round,
//! every command runs once, in the given order. The first round is a warm-up, and RUNS measured rounds (default: 5)
//! follow. A ratio divides the first command's time by another command's time in the same round. The benchmark prints
//! the median times, and the median of each ratio over all rounds. If a command fails, the benchmark ends.
//!
//! Memory is the peak of the anonymous and shared memory of a command and all its child processes. It is sampled every
//! 5 ms in one more run of each command, because sampling slows a run down.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use gristmill::clock::Clock;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Linux reports processor time to programs in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
const SAMPLE_EVERY: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Default)]
struct Run {
    wall_s: f64,
    cpu_s: f64,
}

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let mut rounds = 5;
    if args.first().is_some_and(|arg| arg == "-n") && args.len() > 2 {
        rounds = args[1].parse().unwrap_or(rounds);
        args.drain(..2);
    }
    if args.is_empty() {
        // `cargo bench` and `cargo test --benches` run this without arguments, and expect success.
        println!("usage: cargo bench --bench versus -- [-n RUNS] COMMAND...");
        return ExitCode::SUCCESS;
    }
    match compare(&args, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

fn compare(commands: &[String], rounds: usize) -> Result<()> {
    let out = PathBuf::from(format!("/dev/shm/gristmill-versus-{}", std::process::id()));
    let clock = Clock::system();
    let mut runs = vec![Vec::new(); commands.len()];
    for round in 0..=rounds {
        for (command, runs) in commands.iter().zip(&mut runs) {
            let run = time(command, &out, &clock)?;
            if round > 0 {
                runs.push(run);
            }
        }
    }
    println!(
        "{:>8} {:>8} {:>9}   first/this: wall  cpu   command",
        "wall s", "cpu s", "memory MiB"
    );
    for (command, own) in commands.iter().zip(&runs) {
        let peak_kib = peak(command, &out)?;
        let of = |figure: fn(&Run) -> f64| median(own.iter().map(figure).collect());
        let ratio = |figure: fn(&Run) -> f64| {
            median(runs[0].iter().zip(own).map(|(a, b)| figure(a) / figure(b).max(1e-9)).collect())
        };
        println!(
            "{:>8.2} {:>8.2} {:>9}   {:>16.2} {:>5.2}   {command}",
            of(|run| run.wall_s),
            of(|run| run.cpu_s),
            peak_kib >> 10,
            ratio(|run| run.wall_s),
            ratio(|run| run.cpu_s),
        );
    }
    remove(&out);
    Ok(())
}

fn time(command: &str, out: &Path, clock: &Clock) -> Result<Run> {
    remove(out);
    let (cpu, start) = (children_cpu_s()?, clock.now());
    let status = shell(command, out).status()?;
    let wall_s = clock.now().duration_since(start).as_secs_f64();
    if !status.success() {
        return Err(format!("{command}: {status}").into());
    }
    Ok(Run { wall_s, cpu_s: children_cpu_s()? - cpu })
}

fn shell(command: &str, out: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {command}")]).env("OUT", out);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell
}

/// Returns the most memory that the command's processes held at once, in KiB.
fn peak(command: &str, out: &Path) -> Result<u64> {
    remove(out);
    let mut child = shell(command, out).spawn()?;
    let pid = child.id();
    let (ended, end) = channel();
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        while end.recv_timeout(SAMPLE_EVERY) == Err(RecvTimeoutError::Timeout) {
            peak = peak.max(tree_kib(pid));
        }
        peak
    });
    child.wait()?;
    ended.send(())?;
    watcher.join().map_err(|_| "the watcher panicked".into())
}

/// Returns the memory of a process and all its descendants, in KiB.
fn tree_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let held =
        status.lines().filter(|line| line.starts_with("RssAnon:") || line.starts_with("RssShmem:"));
    let own: u64 =
        held.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect();
    own + children.into_iter().map(tree_kib).sum::<u64>()
}

/// Returns the processor time of all children that have been waited for, in seconds.
fn children_cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the name in parentheses, which may hold anything.
    let after_name = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?.1;
    let ticks = after_name.split_whitespace().skip(13).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<std::result::Result<u64, _>>()? as f64 / TICKS_PER_SECOND)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn remove(out: &Path) {
    // The path is a file, a folder or neither, so at least one of the two calls fails.
    let _file = std::fs::remove_file(out);
    let _folder = std::fs::remove_dir_all(out);
}
