//! Event streams: events arrive promptly, once and in order, and any master can resume a stream where it was cut.

use serde_json::Value;

use crate::commands::Result;
use crate::dev::Dev;
use crate::fleet::Fleet;
use crate::http::{Stream, get, json};
use crate::masters::leader;
use crate::trial::{Trial, maps_done};
use crate::until::{until, until_within};
use crate::web::webs;

/// Limit on the streams that a master keeps open.
const STREAMS_MAX: usize = 128;
/// How long a job may be followed.
const FOLLOWED_SECONDS_MAX: u32 = 120;

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["id"].as_str()).collect()
}

/// Returns an event's id as a pair of numbers.
fn place(event: &Value) -> (u64, u64) {
    let mut numbers = event["id"].as_str().unwrap_or_default().split('.').map(str::parse);
    let mut next = || numbers.next().and_then(|number| number.ok()).unwrap_or(0);
    (next(), next())
}

fn of_type<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["type"] == name).collect()
}

fn is_over(event: &Value) -> bool {
    event["type"] == "job_moved" && event["state"] == "succeeded"
}

/// Continues after the last event until the job is over, as a browser does: a client that is cut off reconnects.
fn until_over(web: &str, mut heard: Vec<Value>, from: &str) -> Result<Vec<Value>> {
    until_within(FOLLOWED_SECONDS_MAX, "the job is told to its end", || {
        let last = ids(&heard).last().map_or(from, |id| id).to_owned();
        let Ok(mut stream) = Stream::open(web, "/api/v1/events", Some(&last)) else {
            return Ok(false);
        };
        while let Ok(Some(event)) = stream.next() {
            heard.push(event);
            if heard.last().is_some_and(is_over) {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    Ok(heard)
}

#[test]
fn event_stream_covers_a_job_and_resumes_anywhere() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    let mut all = Stream::open(web, "/api/v1/events", None)?;
    dev.input(20_000)?;
    let wordcount = Dev::job("wordcount");
    let submit =
        ["submit", "--name", "nightly", &wordcount, "in.txt", "-r", "3", "-o", "out", "-q"];
    assert_eq!(dev.run(&submit)?.code, Some(0));
    let events = all.until(is_over)?;
    assert_eq!(
        (&events[0]["type"], &events[0]["name"]),
        (&"job_submitted".into(), &"nightly".into())
    );
    assert!(events.is_sorted_by(|a, b| place(a) < place(b)), "{events:?}");
    let states: Vec<_> =
        of_type(&events, "job_moved").iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["planning", "mapping", "reducing", "committing", "succeeded"]);
    let tasks = dev.json(&["tasks", "j1"])?;
    let attempts: Vec<_> = tasks
        .as_array()
        .ok_or("no list")?
        .iter()
        .map(|task| task["attempts"][0]["id"].clone())
        .collect();
    for name in ["attempt_started", "attempt_ended"] {
        let mut told: Vec<_> =
            of_type(&events, name).iter().map(|it| it["attempt"].clone()).collect();
        told.sort_by_key(|id| attempts.iter().position(|it| it == id));
        // Maps that share an attempt have no events of their own.
        assert!(told.iter().all(|id| attempts.contains(id)), "{told:?}");
        // The plan, at least one map, three reduces, the commit.
        assert!(told.len() > 5, "{told:?}");
    }

    for (path, filter) in [("/api/v1/events", ""), ("/api/v1/jobs/j1/events", "j1")] {
        for at in [0, events.len() / 2] {
            let last = events[at]["id"].as_str().ok_or("no id")?;
            let again = Stream::open(web, path, Some(last))?.until(is_over)?;
            assert_eq!(again, events[at + 1..], "{path} {filter}");
            let asked = format!("{path}?after={last}");
            assert_eq!(Stream::open(web, &asked, None)?.until(is_over)?, again);
        }
    }
    Ok(())
}

#[test]
fn a_stream_goes_on_with_another_master_without_a_gap() -> Result {
    let mut fleet = Fleet::start_masters(3, 2, 2)?;
    let addresses = webs(&fleet)?;
    let first = leader(&fleet)?;
    // Follow the stream through a follower.
    let follower = first % 3;
    let before = json(&addresses[first - 1], "/api/v1/masters")?[first - 1]["applied"].clone();
    let from = format!("{before}.0");
    let mut stream = Stream::open(&addresses[follower], "/api/v1/events", Some(&from))?;
    let trial = Trial::new(8, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, 20)?;
    fleet.kill_master_of(first)?;
    let mut events = Vec::new();
    // A connection that breaks off counts as the end of the stream, like one that is closed.
    while let Ok(Some(event)) = stream.next() {
        events.push(event);
    }
    assert!(events.len() > 20, "{events:?}");
    let web = &addresses[follower];
    until("the others answer", || Ok(get(web, "/readyz")?.status == 200))?;
    events = until_over(web, events, &from)?;
    trial.check(&fleet, &job)?;
    // Only that master was lost, so both remaining masters report the job's events in the same words.
    let other = &addresses[(1..=3).find(|n| n - 1 != follower && *n != first).ok_or("none")? - 1];
    let whole = until_over(other, Vec::new(), &from)?;
    assert_eq!(events, whole);
    assert_eq!(of_type(&whole, "job_submitted").len(), 1);
    Ok(())
}

#[test]
fn streams_are_limited_and_leave_room_for_requests() -> Result {
    let dev = Dev::start()?;
    let web = &dev.webs[0];
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        open.push(Stream::open(web, "/api/v1/events", None)?);
    }
    let refused = get(web, "/api/v1/events")?;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("128 event streams are open"), "{refused:?}");
    assert_eq!(get(web, "/api/v1/jobs")?.status, 200);
    open.clear();
    until("who hangs up makes room", || Ok(Stream::open(web, "/api/v1/events", None).is_ok()))
}
