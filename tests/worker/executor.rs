//! The executor's side of the socket, played by this test program. The job that it receives decides how it behaves.
//!
//! A worker starts a job's executable with one fixed argument. Here the executable is a shell script, which starts
//! this program again. The script passes the name of the only test below, and sets a variable that makes this test
//! serve as an executor.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::exit;

use gristmill::frame::{Done, FromExecutor, Run, ToExecutor, VERSION, Work};
use gristmill::model::{Cause, Counters, Failure, SegmentPlace, Volume};
use gristmill::record::block::Codec;
use gristmill::shuffle::{Cursor, Segment, SpillHeader, SpillWriter};

const SERVES: &str = "GRISTMILL_TEST_EXECUTOR";
/// Number of partitions of each map output.
pub(crate) const PARTITIONS: u32 = 2;

/// Returns the bytes of an executable for a worker.
pub(crate) fn script() -> Vec<u8> {
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    format!(
        "#!/bin/sh\n[ \"$1\" = --gristmill=executor ] || exit 90\n{SERVES}=1 exec '{program}' --exact executor::speaks_frames_with_its_worker --nocapture\n"
    )
    .into_bytes()
}

#[test]
fn speaks_frames_with_its_worker() {
    if std::env::var_os(SERVES).is_some() {
        let socket = UnixStream::from(
            std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().unwrap(),
        );
        serve(socket);
        exit(0);
    }
    // As an ordinary test, it holds the same conversation over a socket pair.
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let served = std::thread::spawn(move || serve(theirs));
    say(&mut ours, &ToExecutor::Hello { version: VERSION });
    assert_eq!(hear::<FromExecutor>(&mut ours), Some(FromExecutor::Hello { version: VERSION }));
    drop(ours);
    served.join().unwrap();
}

fn say<M: serde::Serialize>(socket: &mut UnixStream, message: &M) {
    let body = bincode::serialize(message).unwrap();
    socket.write_all(&(body.len() as u32).to_le_bytes()).unwrap();
    socket.write_all(&body).unwrap();
}

fn hear<M: serde::de::DeserializeOwned>(socket: &mut UnixStream) -> Option<M> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    socket.read_exact(&mut body).ok()?;
    Some(bincode::deserialize(&body).unwrap())
}

fn serve(mut socket: UnixStream) {
    let Some(ToExecutor::Hello { .. }) = hear(&mut socket) else { return };
    say(&mut socket, &FromExecutor::Hello { version: VERSION });
    let mut is_used = false;
    while let Some(ToExecutor::Run(run)) = hear(&mut socket) {
        let job = String::from_utf8(run.spec.job.clone()).unwrap();
        if job == "die first" || job == "die later" && is_used {
            println!("about to die");
            exit(7);
        }
        is_used = true;
        say(&mut socket, &FromExecutor::Begun { pid: std::process::id() });
        say(&mut socket, &FromExecutor::Progress { bytes: 1, total: 4 });
        behave(&job);
        let answer = match job.as_str() {
            "fail" => {
                println!("about to fail");
                FromExecutor::Failed(Failure::new(Cause::Panic, "no luck"))
            }
            _ => work(&run).map_or_else(FromExecutor::Failed, FromExecutor::Done),
        };
        say(&mut socket, &answer);
    }
}

/// Behaves as user code might.
fn behave(job: &str) {
    match job.split(' ').collect::<Vec<_>>()[..] {
        ["exit", code] => exit(code.parse().unwrap()),
        ["abort"] => {
            eprintln!("about to abort");
            std::process::abort();
        }
        ["eat"] => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 8 << 20]);
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
        }
        ["hang"] => {
            // The child process must not survive either.
            let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
            println!("child {}", child.id());
            child.wait().unwrap();
        }
        ["die", "later"] => println!("about to work"),
        ["shout"] => {
            print!("begin\n{}end\n", "0123456789abcde\n".repeat(100_000));
            std::io::stdout().flush().unwrap();
        }
        _ => {}
    }
}

fn work(run: &Run) -> Result<Done, Failure> {
    let mut counters = Counters::new();
    Ok(match &run.work {
        Work::Plan => {
            let plan = run.scratch.join("plan");
            fs::write(&plan, "the plan").unwrap();
            for file in &run.spec.side_files {
                counters.add("Test", &fs::read_to_string(file.location.path()).unwrap(), 1);
            }
            Done::Plan {
                plan: plan.into(),
                splits: 2,
                reducers: PARTITIONS,
                input_bytes: 0,
                counters,
            }
        }
        Work::Map { plan, .. } => {
            assert_eq!(fs::read(plan).unwrap(), b"the plan");
            map(run)
        }
        Work::Reduce { maps, .. } => {
            for segment in maps {
                read(&segment.place, run.attempt.task.index)
                    .map_err(|error| Failure::new(Cause::FetchFailed, error.to_string()))?;
                let SegmentPlace { path, info } = &segment.place;
                let mut bytes = vec![0; info.stored_bytes as usize];
                File::open(path).unwrap().read_exact_at(&mut bytes, info.offset).unwrap();
                counters.add("Test", "records", info.records);
                counters.add("Test", &format!("crc of m{}", segment.map), crc(&bytes).into());
            }
            Done::Reduce { counters, volume: Volume::default() }
        }
        Work::Commit { .. } => Done::Commit { records: 1, bytes: 2 },
        Work::Sweep => Done::Sweep,
    })
}

/// Reads a segment to its end.
fn read(place: &SegmentPlace, partition: u32) -> Result<(), gristmill::shuffle::Error> {
    let mut records = Segment::open(&*place.path, partition, place.info, 64 << 10, None)?;
    while records.advance()? {}
    Ok(())
}

/// Returns a weak checksum, which avoids a dependency.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(1, |sum: u32, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

fn map(run: &Run) -> Done {
    let output = run.scratch.join("output");
    let header = SpillHeader {
        codec: if run.compress { Codec::Lz4 } else { Codec::Stored },
        nonce: run.nonce.0,
        map: run.attempt.task.index,
        attempt: run.attempt.number,
        partitions: PARTITIONS,
    };
    let mut writer = SpillWriter::create(&output, header).unwrap();
    for partition in 0..PARTITIONS {
        for number in 0..50_000_u32 {
            let key =
                (number.wrapping_mul(0x9e37_79b9) as u64 | u64::from(number) << 32).to_be_bytes();
            writer.push(partition, &key, &run.attempt.task.index.to_le_bytes()).unwrap();
        }
    }
    let index = writer.finish().unwrap();
    let (digest, bytes) = (index.digest, index.file_bytes);
    let counters = Counters::new();
    let (output, joined, is_staged, volume) = (Some(output.into()), 0, false, Volume::default());
    Done::Map { output, joined, digest, bytes, is_staged, counters, volume }
}
