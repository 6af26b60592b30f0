//! Measures how long a very small job takes with three masters. Fails if a run exceeds a limit, which
//! depends on the speed of the disk.
//!
//! `cargo bench --bench small -- JOB [FOLDER]` starts `gristmill dev --masters 3 --workers 3` with its data in FOLDER
//! (default: `target`). It then submits the job executable JOB nine times, with 26 KB of text as input. For each run it
//! prints the duration, the number of log entries, and the limit. The limit is 80 ms plus the time of one disk sync per
//! log entry. Just before each run, the benchmark measures the median time that FOLDER's disk needs to sync 4 KiB.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use gristmill::clock::Clock;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The `gristmill` command that was built together with this benchmark.
const GRISTMILL: &str = env!("CARGO_BIN_EXE_gristmill");
const JOBS: usize = 9;
const INPUT_BYTES: usize = 26_000;
/// How long a job may take, without the time for its log entries.
const ALLOWED: Duration = Duration::from_millis(80);
const SYNCS: usize = 200;
const SYNCED_BYTES: usize = 4 << 10;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [job, rest @ ..] = args.as_slice() else {
        // `cargo bench` and `cargo test --benches` run this without arguments, and expect success.
        println!("usage: cargo bench --bench small -- JOB [FOLDER]");
        return ExitCode::SUCCESS;
    };
    let folder = rest.first().map_or("target", String::as_str);
    match run(Path::new(job), Path::new(folder)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the jobs. Returns whether none took longer than its limit.
fn run(job: &Path, folder: &Path) -> Result<bool> {
    let clock = Clock::system();
    let root = tempfile::tempdir_in(folder)?;
    let input = root.path().join("in.txt");
    let line = "it was the best of times, it was the worst of times\n";
    let text: Vec<u8> = line.bytes().cycle().take(INPUT_BYTES).collect();
    std::fs::write(&input, text)?;
    let cluster = Cluster::start(&root.path().join("data"))?;
    // The first job starts the executors and uploads the artifacts, so it is not measured.
    cluster.submit(job, &input, root.path().join("first"))?;
    println!("job  entries  sync ms  may take ms  took ms");
    let mut is_met = true;
    for number in 1..=JOBS {
        let sync = sync_time(&clock, root.path())?;
        let before = cluster.entries()?;
        let begun = clock.now();
        cluster.submit(job, &input, root.path().join(number.to_string()))?;
        let took = clock.now() - begun;
        let entries = cluster.entries()? - before;
        let allowed = ALLOWED + sync * u32::try_from(entries)?;
        is_met &= took <= allowed;
        let ms = [sync, allowed, took].map(|time| time.as_secs_f64() * 1e3);
        println!("{number:>3}  {entries:>7}  {:>7.2}  {:>11.1}  {:>7.1}", ms[0], ms[1], ms[2]);
    }
    Ok(is_met)
}

/// Measures how long the folder's disk takes to sync 4 KiB that were appended to a file: the median.
fn sync_time(clock: &Clock, folder: &Path) -> Result<Duration> {
    let mut file = File::create(folder.join("synced"))?;
    let mut sync = || {
        let begun = clock.now();
        file.write_all(&[b'x'; SYNCED_BYTES])?;
        file.sync_data()?;
        Ok(clock.now() - begun)
    };
    let mut times = (0..SYNCS).map(|_| sync()).collect::<io::Result<Vec<Duration>>>()?;
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

/// A cluster that ends when this value is dropped.
struct Cluster {
    dev: Child,
    addresses: String,
}

impl Cluster {
    fn start(data: &Path) -> Result<Self> {
        let mut dev = Command::new(GRISTMILL)
            .args(["dev", "--masters", "3", "--workers", "3", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = dev.stdout.take().ok_or("it has no output")?;
        let mut cluster = Self { dev, addresses: String::new() };
        for line in BufReader::new(said).lines() {
            if let Some(addresses) = line?.strip_prefix("ready ") {
                addresses.clone_into(&mut cluster.addresses);
                return Ok(cluster);
            }
        }
        Err("gristmill dev does not start; run it by hand to see why".into())
    }

    fn gristmill(&self, command: &str) -> Command {
        let mut gristmill = Command::new(GRISTMILL);
        gristmill.args([command, "--cluster", &self.addresses]);
        gristmill
    }

    fn submit(&self, job: &Path, input: &Path, output: PathBuf) -> Result<()> {
        let ended = self.gristmill("submit").arg(job).arg(input).arg("-o").arg(output).output()?;
        match ended.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&ended.stderr).into()),
        }
    }

    /// How many entries of the log the masters have agreed on.
    fn entries(&self) -> Result<u64> {
        let said = self.gristmill("masters").args(["--format", "json"]).output()?;
        let lines: Vec<serde_json::Value> = serde_json::from_slice(&said.stdout)?;
        lines.iter().filter_map(|line| line["applied"].as_u64()).max().ok_or("no master".into())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The kernel ends the children of `gristmill dev` when it dies.
        if self.dev.kill().and_then(|()| self.dev.wait()).is_err() {
            eprintln!("gristmill dev could not be ended");
        }
    }
}
