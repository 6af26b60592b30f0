//! Pages of a job of 200,000 maps are fast, and small enough for any browser.

use std::future::pending;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use gristmill::clock::Clock;
use gristmill::model::{Counters, HotKey, JobId, JobState, Usage, Volume};
use gristmill::rpc::workers::{Done, HeldState, Work};

use crate::bench::Bench;
use crate::fake::Fake;

/// The size of the large jobs in the MapReduce paper.
const MAPS: u32 = 200_000;
const REDUCES: u32 = 5_000;
/// More workers than a timeline has rows.
const WORKERS: u128 = 50;
const SLOTS: u32 = 100;
/// About as many counters as a job may have.
const COUNTERS: u32 = 500;
/// Limit on the bytes of a page.
const PAGE_BYTES_MAX: usize = 300_000;

/// Finishes all attempts of a worker at once.
async fn finish(bench: &Bench, worker: &mut Fake) {
    for attempt in worker.attempts() {
        let mut counters = Counters::new();
        let end = match &worker.work[&attempt] {
            Work::Plan => {
                let plan = bench.put(b"the plan").await;
                let (splits, reducers, input_bytes) = (MAPS, REDUCES, u64::from(MAPS) << 26);
                HeldState::Done(Done::Plan { plan, splits, reducers, input_bytes, counters })
            }
            Work::Map { joined, .. } => {
                if attempt.task.index == 0 {
                    (0..COUNTERS)
                        .for_each(|n| counters.add("Words of users", &format!("counter {n}"), 1));
                }
                let joined = joined.len() as u32;
                let volume = Volume::of_bytes(u64::from(1 + joined) << 26);
                let (digest, bytes, is_staged) = (1, 1, false);
                HeldState::Done(Done::Map {
                    output: (),
                    joined,
                    digest,
                    bytes,
                    is_staged,
                    counters,
                    volume,
                })
            }
            Work::Reduce { .. } => {
                let shown = format!("a rather long key number {}", attempt.task.index);
                let hottest = vec![HotKey { shown, records: u64::from(attempt.task.index) << 20 }];
                let (bytes_in, records_in) = (1 << 30, 1 << 20);
                let usage = Usage { bytes_in, records_in, ..Usage::default() };
                let volume = Volume { usage, hottest };
                HeldState::Done(Done::Reduce { counters, volume })
            }
            Work::Commit { .. } => HeldState::Done(Done::Commit { records: 1, bytes: 1 }),
            Work::Sweep => HeldState::Done(Done::Sweep),
        };
        worker.held.insert(attempt, end);
    }
}

/// Lets the workers continue until this many maps and reduces are done.
async fn go_on(bench: &Bench, workers: &mut [Fake], job: JobId, maps: u32, reduces: u32) {
    loop {
        for worker in &mut *workers {
            // A worker with no report and no assignment would have to wait for its answer.
            if !worker.held.is_empty() || !bench.master.held(worker.id).unwrap().attempts.is_empty()
            {
                finish(bench, worker).await;
                worker.poll_at_once(bench).await;
            }
        }
        let status = bench.status(job).await;
        if status.maps.done >= maps && status.reduces.done >= reduces {
            return;
        }
    }
}

/// Requests a page. Returns its bytes and how long the request took.
fn get(address: &str, path: &str) -> (String, Duration) {
    let clock = Clock::system();
    let begun = clock.now();
    let mut stream = TcpStream::connect(address).unwrap();
    let ask = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 "), "{path}: {page}");
    (page, clock.now() - begun)
}

/// Requests a page on another thread, since the master runs on this one.
async fn page(address: &str, path: &'static str) -> (String, Duration) {
    let address = address.to_string();
    tokio::task::spawn_blocking(move || get(&address, path)).await.unwrap()
}

async fn check(address: &str, when: &str) {
    for path in ["/", "/jobs/j1", "/jobs", "/jobs/j1/tasks?offset=150000", "/workers/w1"] {
        let [(_, first), (page, again)] = [page(address, path).await, page(address, path).await];
        println!("{when}: {path}: {} bytes, {first:.1?}, and again {again:.1?}", page.len());
        assert!(page.len() <= PAGE_BYTES_MAX, "{when}: {path} has {} bytes", page.len());
    }
}

#[tokio::test]
async fn pages_of_a_job_of_200_000_maps_are_small() {
    let bench = Bench::durable().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let clock = bench.manual.clock();
    gristmill::web::start(listener, bench.master.clone(), clock, pending()).unwrap();
    let mut workers = Vec::new();
    for incarnation in 1..=WORKERS {
        workers.push(Fake::new(&bench, incarnation, SLOTS).await);
    }
    let job = bench.submit("large").await;
    for worker in &mut workers {
        if !bench.master.held(worker.id).unwrap().attempts.is_empty() {
            worker.poll_at_once(&bench).await;
        }
    }
    go_on(&bench, &mut workers, job, MAPS / 2, 0).await;
    check(&address, "half of the maps are done").await;
    let (html, _) = page(&address, "/jobs/j1").await;
    for word in ["200\u{202f}000", "of 12.2 TiB", "counter 499"] {
        assert!(html.contains(word), "{word}");
    }
    bench.manual.advance(Duration::from_secs(2));
    go_on(&bench, &mut workers, job, MAPS, REDUCES).await;
    check(&address, "all reduces are done").await;
    let (html, _) = page(&address, "/jobs/j1").await;
    for word in ["a rather long key number 4999", "5\u{202f}000 partitions", "1.0 GiB"] {
        assert!(html.contains(word), "{word}");
    }
    assert!(bench.state(job).await >= JobState::Committing);
}
