//! Tests of frames: every message arrives unchanged, and each kind of failure has its own error.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{
    Cause, Counters, Digest, InputSpec, JobId, Location, RecordRef, SegmentInfo, SegmentPlace,
    SideFileSpec, TaskKind, Volume,
};

fn pair() -> (Connection<UnixStream>, Connection<UnixStream>) {
    let (one, other) = UnixStream::pair().unwrap();
    (Connection::new(one), Connection::new(other))
}

fn run(work: Work) -> ToExecutor {
    let spec = JobSpec {
        inputs: vec![InputSpec { source: 0, location: Location::from("/in.txt") }],
        output: Some(Location::from("/out")),
        overwrite: true,
        reducers: Some(3),
        max_bad_records: 2,
        sync: true,
        side_files: vec![SideFileSpec {
            name: Location::from("/stop.txt"),
            location: Location::from("/w/artifacts/7"),
            digest: Some(Digest(7)),
        }],
        job: vec![1, 2, 3],
        ..JobSpec::example()
    };
    let attempt = JobId(7).task(TaskKind::Map, 12).attempt(2);
    ToExecutor::Run(Box::new(Run {
        attempt,
        nonce: Nonce(9),
        spec,
        scratch: not_utf8("/s"),
        compress: true,
        work,
    }))
}

/// A path, such as one below a folder that the user named, with a byte that occurs in no UTF-8.
fn not_utf8(path: &str) -> LocalPath {
    let mut bytes = path.as_bytes().to_vec();
    bytes.push(0xff);
    PathBuf::from(OsString::from_vec(bytes)).into()
}

fn counters() -> Counters {
    let mut counters = Counters::new();
    counters.add("g", "n", 3);
    counters
}

#[test]
fn every_message_survives() {
    let info =
        SegmentInfo { offset: 44, stored_bytes: 5, raw_bytes: 6, records: 7, digest: u64::MAX };
    let segment = SegmentRef { map: 1, place: SegmentPlace { path: not_utf8("/a"), info } };
    let to = [
        ToExecutor::Hello { version: VERSION },
        run(Work::Plan),
        run(Work::Map { plan: not_utf8("/p"), joined: vec![3, 4] }),
        ToExecutor::More { maps: vec![5, 6] },
        run(Work::Reduce { plan: not_utf8("/p"), maps: vec![segment; 3] }),
        run(Work::Commit {
            maps: vec![1, 2],
            reduces: vec![3],
            counters: counters(),
            created: "now".into(),
        }),
        run(Work::Sweep),
    ];
    let record =
        RecordRef { location: Location::from("/in"), offset: 3, excerpt: b"\xff".to_vec() };
    let mut failure = Failure::new(Cause::Panic, "no luck");
    failure.record = Some(record);
    let from = [
        FromExecutor::Hello { version: VERSION },
        FromExecutor::Begun { pid: 4711 },
        FromExecutor::Progress { bytes: 1, total: 2 },
        FromExecutor::Wants { maps: 7 },
        FromExecutor::Done(Done::Plan {
            plan: not_utf8("/p"),
            splits: 1,
            reducers: 2,
            input_bytes: 1 << 40,
            counters: counters(),
        }),
        FromExecutor::Done(Done::Map {
            output: Some(not_utf8("/o")),
            joined: 3,
            digest: 1,
            bytes: 2,
            is_staged: true,
            counters: Counters::new(),
            volume: Volume::of_bytes(7),
        }),
        FromExecutor::Done(Done::Reduce { counters: counters(), volume: Volume::of_bytes(3) }),
        FromExecutor::Done(Done::Commit { records: 1, bytes: 2 }),
        FromExecutor::Done(Done::Sweep),
        FromExecutor::Failed(failure),
    ];
    let (mut worker, mut executor) = pair();
    for message in &to {
        worker.send(message).unwrap();
        assert_eq!(executor.receive::<ToExecutor>().unwrap().as_ref(), Some(message));
    }
    for message in &from {
        executor.send(message).unwrap();
        assert_eq!(worker.receive::<FromExecutor>().unwrap().as_ref(), Some(message));
    }
    drop(worker);
    assert_eq!(executor.receive::<ToExecutor>().unwrap(), None);
}

#[test]
fn truncated_frame_names_received_and_expected_bytes() {
    let frame = encode(&run(Work::Plan)).unwrap();
    for cut in [1, 3, 4, 5, frame.len() - 1] {
        let (worker, mut executor) = pair();
        (&mut worker.stream()).write_all(&frame[..cut]).unwrap();
        worker.stream().shutdown(Shutdown::Write).unwrap();
        let error = executor.receive::<ToExecutor>().unwrap_err();
        let Error::Truncated { received, expected } = error else { panic!("{error}") };
        let whole = if cut < LENGTH_BYTES { LENGTH_BYTES } else { frame.len() };
        assert_eq!((received, expected), (cut as u64, whole as u64));
    }
}

#[test]
fn length_over_the_limit_is_refused_before_the_bytes_arrive() {
    let (worker, mut executor) = pair();
    (&mut worker.stream()).write_all(&(FRAME_BYTES_MAX + 1).to_le_bytes()).unwrap();
    let error = executor.receive::<ToExecutor>().unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
}

#[test]
fn frame_continues_after_a_deadline_has_passed() {
    let (worker, mut executor) = pair();
    executor.stream().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let message = run(Work::Sweep);
    let frame = encode(&message).unwrap();
    let (first, rest) = frame.split_at(frame.len() / 2);
    (&mut worker.stream()).write_all(first).unwrap();
    for _ in 0..2 {
        let error = executor.receive::<ToExecutor>().unwrap_err();
        assert!(matches!(error, Error::TimedOut), "{error}");
    }
    (&mut worker.stream()).write_all(rest).unwrap();
    assert_eq!(executor.receive::<ToExecutor>().unwrap(), Some(message));
}

#[test]
fn versions_must_agree_and_either_side_names_both() {
    let (mut worker, mut executor) = pair();
    std::thread::scope(|scope| {
        scope.spawn(|| worker.greet_executor().unwrap());
        executor.greet_worker().unwrap();
    });

    let (mut worker, mut executor) = pair();
    worker.send(&ToExecutor::Hello { version: 99 }).unwrap();
    let refused = executor.greet_worker().unwrap_err().to_string();
    let expected = format!(
        "the worker uses version 99 of the executor's protocol, but this executor uses version \
         {VERSION}\nhint: build both from the same version of gristmill"
    );
    assert_eq!(refused, expected);
    let answer = worker.receive::<FromExecutor>().unwrap();
    assert_eq!(answer, Some(FromExecutor::Hello { version: VERSION }));

    let (mut worker, mut executor) = pair();
    executor.send(&FromExecutor::Hello { version: 98 }).unwrap();
    let refused = worker.greet_executor().unwrap_err();
    assert!(matches!(refused, Error::Version { theirs: 98, .. }), "{refused}");
}

/// Returns its bytes a few at a time.
struct Drops<'d>(&'d [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.1.min(into.len()).min(self.0.len());
        let (now, later) = self.0.split_at(bytes);
        into[..bytes].copy_from_slice(now);
        self.0 = later;
        Ok(bytes)
    }
}

proptest! {
    #[test]
    fn frames_survive_any_partition_into_reads(
        texts in proptest::collection::vec(".{0,40}", 0..6), at_once in 1usize..9
    ) {
        let messages: Vec<Description> = texts.into_iter().map(Description::Text).collect();
        let stream: Vec<u8> =
            messages.iter().flat_map(|message| encode(message).unwrap()).collect();
        let mut connection = Connection::new(Drops(&stream, at_once));
        for message in &messages {
            let received = connection.receive::<Description>().unwrap();
            prop_assert_eq!(received.as_ref(), Some(message));
        }
        prop_assert!(connection.receive::<Description>().unwrap().is_none());
    }
}
